// The checker of clients' histories is itself checked: it rejects a corpus of bad ones, accepts good ones, and agrees with a search
// that tries every order.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeContradiction, findContradiction, type Operation } from '../../scenarios/engine/sim/linearizable.ts';
import { readHistories } from '../support/histories.ts';

const drawn = (file: string) => readHistories(readFileSync(new URL(`histories/${file}`, import.meta.url), 'utf8'));
const [bad, good] = [drawn('bad.txt'), drawn('good.txt')];

for (const { name, operations } of bad)
  test(`rejects: ${name}`, () => {
    const contradiction = findContradiction(operations);
    assert.ok(contradiction, 'it was accepted');
    assert.ok(contradiction.stuck.length > 0, describeContradiction(contradiction));
  });

for (const { name, operations } of good)
  test(`accepts: ${name}`, () => {
    const contradiction = findContradiction(operations);
    assert.is(contradiction === null ? null : describeContradiction(contradiction), null);
  });

test('the corpus is there', () => {
  assert.ok(bad.length >= 20 && good.length >= 10);
  assert.ok([...bad, ...good].every(({ operations }) => operations.length > 0));
});

/** By the definition: is there an order of all that were answered, and some that were not, in which each follows those before it? */
function isExplained(operations: readonly Operation[], value = 0): boolean {
  if (operations.every(({ end }) => end === Number.POSITIVE_INFINITY)) return true;
  const answered = Math.min(...operations.map(({ end }) => end));
  return operations.some((next) => {
    if (next.call > answered || (next.type === 'read' && next.value !== value)) return false;
    const others = operations.filter((other) => other !== next);
    return isExplained(others, next.type === 'write' ? next.value : value);
  });
}

const anOperation = fc.record({
  isWrite: fc.boolean(),
  seen: fc.nat(4),
  call: fc.nat(12),
  length: fc.nat(8),
  isUnknown: fc.boolean(),
});

test('agrees with a search through all orders', () => {
  let rejected = 0;
  const property = fc.property(fc.array(anOperation, { maxLength: 7 }), (all) => {
    let written = 0;
    const operations = all.map(({ isWrite, seen, call, length, isUnknown }): Operation => {
      const end = isWrite && isUnknown ? Number.POSITIVE_INFINITY : call + length;
      return { key: 0, type: isWrite ? 'write' : 'read', value: isWrite ? ++written : seen, call, end };
    });
    const expected = isExplained(operations);
    if (!expected) rejected++;
    return (findContradiction(operations) === null) === expected;
  });
  fc.assert(property, { numRuns: 3000, seed: 7 });
  assert.ok(rejected > 300, 'bad histories were among them');
});

test('a long history of bursts and unknown outcomes is looked through at once', () => {
  const operations: Operation[] = [];
  for (let burst = 0; burst < 50; burst++) {
    const at = burst * 100;
    for (let n = 1; n <= 40; n++)
      operations.push({
        key: 0,
        type: 'write',
        value: burst * 40 + n,
        call: at + n,
        end: n % 9 === 0 ? Number.POSITIVE_INFINITY : at + 60,
      });
    for (const [n, seen] of [7, 20, 33].entries())
      operations.push({ key: 0, type: 'read', value: burst * 40 + seen, call: at + 42 + 5 * n, end: at + 44 + 5 * n });
  }
  const began = process.cpuUsage();
  assert.is(findContradiction(operations), null);
  const { user } = process.cpuUsage(began);
  assert.ok(user < 2_000_000, `${user} µs`);
});

test.run();
