import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../src/streams/random.ts';

const PINNED = [1951423913, 2560351384, 1644053043, 3541558748, 988297860, 1802022320];

const draw = (random: { next(): number }, count: number) => Array.from({ length: count }, () => random.next());

test('one seed, one sequence; another seed, another', () => {
  assert.equal(draw(createRandom(7), 50), draw(createRandom(7), 50));
  assert.equal(draw(createRandom('7'), 50), draw(createRandom(7), 50));
  assert.not.equal(draw(createRandom(7), 50), draw(createRandom(8), 50));
});

test('the sequence of a seed never changes: recorded seeds must stay reproducible', () => {
  const random = createRandom(42);
  assert.equal(
    Array.from({ length: 6 }, () => random.integer(0, 0xffff_ffff)),
    PINNED,
  );
});

test('forks are independent of what their parent drew, and of each other', () => {
  const parent = createRandom('p');
  const early = draw(parent.fork('x'), 20);
  draw(parent, 100);
  assert.equal(draw(parent.fork('x'), 20), early);
  assert.not.equal(draw(parent.fork('y'), 20), early);
  assert.not.equal(draw(parent.fork('x').fork('x'), 20), early);
});

test('even over its range: chi-squared over 64 buckets, every bit of whole numbers', () => {
  const random = createRandom('even');
  const buckets = new Array<number>(64).fill(0);
  const count = 64_000;
  for (let n = 0; n < count; n++) {
    const at = Math.floor(random.next() * 64);
    buckets[at] = (buckets[at] ?? 0) + 1;
  }
  const chi = buckets.reduce((sum, seen) => sum + (seen - count / 64) ** 2 / (count / 64), 0);
  // 63 degrees of freedom: 20 and 120 are far in the tails.
  assert.ok(chi > 20 && chi < 120, `chi-squared is ${chi}`);
});

test('integer() gives both ends and nothing else, and refuses nonsense', () => {
  const random = createRandom('ends');
  const seen = new Set(Array.from({ length: 500 }, () => random.integer(-2, 2)));
  assert.equal(
    [...seen].sort((a, b) => a - b),
    [-2, -1, 0, 1, 2],
  );
  assert.is(random.integer(5, 5), 5);
  assert.throws(() => random.integer(2, 1));
  assert.throws(() => random.integer(0.5, 1));
});

test.run();
