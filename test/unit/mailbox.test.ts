import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createMailbox, type Mailbox } from '../../src/streams/mailbox.ts';
import type { Clock } from '../../src/streams/clock.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { until } from '../support/until.ts';

test('handles in order, in a later turn, never nested', () => {
  const clock = createVirtualClock();
  const handled: string[] = [];
  let depth = 0;
  const mailbox = createMailbox<number>({
    clock,
    capacity: 100,
    whenFull: 'refuse',
    handle(n) {
      assert.is(++depth, 1, 'handling does not nest');
      if (n < 3) mailbox.post(n + 10);
      handled.push(String(n));
      depth--;
    },
  });
  for (const n of [1, 2, 3]) assert.ok(mailbox.post(n));
  assert.equal(handled, []);
  clock.advance(0);
  assert.equal(handled, ['1', '2', '3', '11', '12']);
});

test('at the limit it refuses, and counts', () => {
  const clock = createVirtualClock();
  const handled: number[] = [];
  const mailbox = createMailbox<number>({ clock, capacity: 2, whenFull: 'refuse', handle: (n) => handled.push(n) });
  assert.equal(
    [1, 2, 3, 4].map((n) => mailbox.post(n)),
    [true, true, false, false],
  );
  assert.is(mailbox.refused, 2);
  assert.is(mailbox.length, 2);
  clock.advance(0);
  assert.equal(handled, [1, 2]);
  assert.ok(mailbox.post(5), 'there is room again');
});

test('at the limit it drops the oldest, and counts, however many are posted before the next turn', () => {
  const clock = createVirtualClock();
  const handled: number[] = [];
  const mailbox = createMailbox<number>({ clock, capacity: 3, whenFull: 'dropOldest', handle: (n) => handled.push(n) });
  for (let n = 1; n <= 100_000; n++) assert.ok(mailbox.post(n));
  assert.is(mailbox.length, 3);
  assert.is(mailbox.dropped, 99_997);
  clock.advance(0);
  assert.equal(handled, [99_998, 99_999, 100_000]);
});

test('a drain stops at its budget of items, and goes on in a later turn', () => {
  const clock = createVirtualClock();
  const handled: (number | string)[] = [];
  const mailbox = createMailbox<number>({
    clock,
    capacity: 100,
    whenFull: 'refuse',
    budgetItems: 2,
    handle: (n) => handled.push(n),
  });
  for (const n of [1, 2, 3, 4, 5]) mailbox.post(n);
  clock.step();
  assert.equal(handled, [1, 2]);
  clock.defer(() => handled.push('another'));
  clock.advance(0);
  assert.equal(handled, [1, 2, 3, 4, 'another', 5]);
});

test('a drain stops at its budget of time', () => {
  const virtual = createVirtualClock();
  let spent = 0;
  const clock: Clock = {
    now: () => virtual.now(),
    monotonic: () => spent,
    after: (delay, fire) => virtual.after(delay, fire),
    defer: (run) => virtual.defer(run),
  };
  const handled: number[] = [];
  const mailbox = createMailbox<number>({
    clock,
    capacity: 100,
    whenFull: 'refuse',
    budgetMs: 5,
    handle(n) {
      handled.push(n);
      spent += 2;
    },
  });
  for (const n of [1, 2, 3, 4, 5]) mailbox.post(n);
  virtual.step();
  assert.equal(handled, [1, 2, 3]);
  virtual.step();
  assert.equal(handled, [1, 2, 3, 4, 5]);
});

test('a chain of 20 000 mailboxes needs no deep stack, and a ping-pong does not starve a timer', async () => {
  const clock = createRealClock();
  const options = { clock, capacity: 10, whenFull: 'refuse' } as const;
  let arrived = false;
  let next: Mailbox<number> = createMailbox<number>({ ...options, handle: () => (arrived = true) });
  for (let link = 0; link < 20_000; link++) {
    const target = next;
    next = createMailbox<number>({ ...options, handle: (n) => target.post(n) });
  }
  next.post(1);
  await until('the chain is through', () => arrived);

  let hops = 0;
  let fired = false;
  const ping: Mailbox<number> = createMailbox<number>({
    ...options,
    handle: (n) => (fired ? false : pong.post(n + hops++)),
  });
  const pong: Mailbox<number> = createMailbox<number>({ ...options, handle: (n) => ping.post(n) });
  clock.after(2, () => (fired = true));
  ping.post(0);
  await until('the timer had its turn', () => fired);
  assert.ok(hops > 0);

  // One mailbox that posts to itself, the tightest of all loops.
  let selfFired = false;
  const self: Mailbox<number> = createMailbox<number>({ ...options, handle: (n) => selfFired || self.post(n) });
  clock.after(2, () => (selfFired = true));
  self.post(0);
  await until('the timer had its turn beside a mailbox that feeds itself', () => selfFired);
});

test('after close nothing is handled, and posting is refused', () => {
  const clock = createVirtualClock();
  const handled: number[] = [];
  const mailbox = createMailbox<number>({ clock, capacity: 10, whenFull: 'refuse', handle: (n) => handled.push(n) });
  mailbox.post(1);
  mailbox.close();
  assert.not(mailbox.post(2));
  clock.advance(10);
  assert.equal(handled, []);
  assert.is(mailbox.length, 0);
});

test('what waits is still handled after a handler has thrown', () => {
  const clock = createVirtualClock();
  const handled: number[] = [];
  const mailbox = createMailbox<number>({
    clock,
    capacity: 10,
    whenFull: 'refuse',
    handle(n) {
      if (n === 1) throw new Error('the first one fails');
      handled.push(n);
    },
  });
  mailbox.post(1);
  mailbox.post(2);
  assert.throws(() => clock.step(), /the first one fails/);
  clock.advance(0);
  assert.equal(handled, [2]);
});

test.run();
