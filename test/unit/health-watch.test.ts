import { strict as assert } from 'node:assert';
import { Subject } from 'rxjs';
import { suite } from 'uvu';
import { watchHealth } from '../../src/actors/cluster/health-watch.ts';
import { limits } from '../../src/core/limits.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('health watch');
const { unreadyEveryMs, readyEveryMs } = limits.health;

function world() {
  const clock = createVirtualClock();
  const changes = new Subject<void>();
  const looks: number[] = [];
  const state = { ready: false };
  const watch = watchHealth(clock, changes, () => {
    looks.push(clock.monotonic());
    return state.ready;
  });
  return { clock, changes, looks, state, watch, taken: () => looks.splice(0) };
}

test('it looks often while the broker is not ready, seldom when it is', () => {
  const { clock, state, taken } = world();
  clock.advance(3 * unreadyEveryMs);
  assert.deepEqual(
    taken(),
    [1, 2, 3].map((times) => times * unreadyEveryMs),
  );
  state.ready = true;
  clock.advance(unreadyEveryMs);
  const from = clock.monotonic();
  taken();
  clock.advance(2 * readyEveryMs);
  assert.deepEqual(taken(), [from + readyEveryMs, from + 2 * readyEveryMs]);
});

test('many changes in one turn are one look, at once', () => {
  const { clock, changes, state, taken } = world();
  state.ready = true;
  clock.advance(unreadyEveryMs + 50);
  taken();
  const at = clock.monotonic();
  for (let change = 0; change < 33; change++) changes.next();
  assert.deepEqual(taken(), []);
  clock.advance(0);
  assert.deepEqual(taken(), [at]);
  clock.advance(readyEveryMs - 1);
  assert.deepEqual(taken(), [], 'the next is counted from there');
  clock.advance(1);
  assert.equal(taken().length, 1);
});

test('after its end it looks no more, not even for a change before', () => {
  const { clock, changes, looks, watch } = world();
  changes.next();
  watch.cancel();
  changes.next();
  clock.advance(10 * readyEveryMs);
  assert.deepEqual(looks, []);
});

test.run();
