import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createClockView } from '../../src/streams/clock-view.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

test('one large step: nested timers fire at their own times', () => {
  const clock = createVirtualClock();
  const moments: number[] = [];
  const tick = () => {
    moments.push(clock.monotonic());
    if (moments.length < 5) clock.after(100, tick);
  };
  clock.after(100, tick);
  clock.advance(500);
  assert.equal(moments, [100, 200, 300, 400, 500]);
  assert.is(clock.monotonic(), 500);
});

test('deferred work runs at the same instant, after what was due or deferred before', () => {
  const clock = createVirtualClock();
  const ran: string[] = [];
  clock.after(5, () => {
    ran.push('timer 1');
    clock.defer(() => {
      ran.push(`deferred at ${clock.monotonic()}`);
      clock.defer(() => ran.push('deferred by the deferred'));
    });
  });
  clock.after(5, () => ran.push('timer 2'));
  clock.after(5.1, () => ran.push('timer 3'));
  clock.advance(6);
  assert.equal(ran, ['timer 1', 'timer 2', 'deferred at 5', 'deferred by the deferred', 'timer 3']);
});

test('step() runs one thing, moving time there; pending does not count what was cancelled', () => {
  const clock = createVirtualClock();
  assert.not(clock.step());
  const first = clock.after(10, () => {});
  clock.after(20, () => {});
  assert.is(clock.pending, 2);
  first.cancel();
  assert.is(clock.pending, 1);
  assert.ok(clock.step());
  assert.is(clock.monotonic(), 20);
  assert.is(clock.pending, 0);
});

test('a delay has passed in whole when its timer fires, at any magnitude of time and delay', () => {
  const random = createRandom('delays');
  const clock = createVirtualClock();
  for (const far of [0, 1e3, 1e7, 1e10]) {
    clock.advance(far);
    for (let n = 0; n < 20_000; n++) {
      const delay = random.next() * 10 ** random.integer(-12, 3);
      const began = clock.monotonic();
      let passed = -1;
      clock.after(delay, () => (passed = clock.monotonic() - began));
      clock.step();
      if (passed < delay) assert.unreachable(`${passed} of ${delay} at ${began}`);
      if (delay > 0 && passed === 0) assert.unreachable('a delay holds time still');
    }
  }
});

test('ten thousand timers in random order, a third of them cancelled, come out in order', () => {
  const random = createRandom('heap');
  const clock = createVirtualClock();
  const fired: [number, number][] = [];
  let cancelled = 0;
  const timers = Array.from({ length: 10_000 }, (_, n) =>
    clock.after(random.integer(0, 500), () => fired.push([clock.monotonic(), n])),
  );
  for (const timer of timers) {
    if (random.next() < 0.33) {
      timer.cancel();
      cancelled++;
    }
  }
  assert.is(clock.pending, 10_000 - cancelled);
  clock.advance(500);
  assert.is(fired.length, 10_000 - cancelled);
  for (let n = 1; n < fired.length; n++) {
    const [time, order] = fired[n] as [number, number];
    const [timeBefore, orderBefore] = fired[n - 1] as [number, number];
    assert.ok(timeBefore < time || (timeBefore === time && orderBefore < order));
  }
});

test('the wall clock jumps, monotonic time does not notice', () => {
  const clock = createVirtualClock({ startMs: 1000 });
  clock.advance(5);
  clock.jump(-600);
  assert.is(clock.now(), 405);
  assert.is(clock.monotonic(), 5);
});

test('a view: skewed, drifting, jumping', () => {
  const clock = createVirtualClock({ startMs: 1_000_000 });
  const view = createClockView(clock, { skewMs: 300, driftPpm: 100_000 });
  clock.advance(100);
  assert.ok(Math.abs(view.monotonic() - 110) < 1e-6);
  assert.ok(Math.abs(view.now() - 1_000_410) < 1e-6);
  view.jump(-50);
  assert.ok(Math.abs(view.now() - 1_000_360) < 1e-6);
  let firedAt = 0;
  view.after(11, () => (firedAt = clock.monotonic()));
  clock.advance(20);
  assert.ok(
    Math.abs(firedAt - 110) < 0.01,
    `a fast clock waits 11 of its own ms in 10 true ones, not ${firedAt - 100}`,
  );
});

test('a view whose clock begins to drift goes on from where it was, and its timers never fire early', () => {
  const clock = createVirtualClock({ startMs: 1_000_000 });
  const view = createClockView(clock);
  const fired: number[] = [];
  clock.advance(100);
  view.after(100, () => fired.push(view.monotonic()));
  view.drift(-500_000);
  assert.is(view.monotonic(), 100);
  clock.advance(100);
  assert.is(view.monotonic(), 150);
  assert.is(view.now(), 1_000_150);
  assert.equal(fired, [], 'only half of it has passed here');
  clock.advance(100);
  assert.equal(fired, [200]);
  view.drift(0);
  clock.advance(50);
  assert.is(view.monotonic(), 250);
  assert.throws(() => view.drift(-1_000_000), /runs forward/);
});

test('a view that leaps: what is due by then fires at once, in its order; the rest comes so much earlier, and both clocks are ahead', () => {
  const clock = createVirtualClock({ startMs: 1_000_000 });
  const view = createClockView(clock, { leaps: true });
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name} at ${clock.monotonic()}`);
  view.after(300, note('third'));
  view.after(50, note('second'));
  view.after(20, note('first'));
  const cancelled = view.after(30, note('cancelled'));
  clock.advance(10);
  cancelled.cancel();
  view.leap(200);
  assert.equal(fired, [], 'never within the call');
  assert.is(view.monotonic(), 210);
  assert.is(view.now(), 1_000_210);
  view.after(10, note('new'));
  clock.advance(0);
  assert.equal(fired, ['first at 10', 'second at 10']);
  clock.advance(100);
  assert.equal(fired.slice(2), ['new at 20', 'third at 100']);
  assert.throws(() => createClockView(clock).leap(1), /may leap/);
});

test('a paused view holds back what comes due, and gives it in order on resume; a revoked one nothing', () => {
  const clock = createVirtualClock();
  const view = createClockView(clock);
  const fired: string[] = [];
  view.after(10, () => fired.push(`a at ${view.monotonic()}`));
  view.after(20, () => {
    fired.push('b');
    view.defer(() => fired.push('deferred by b'));
  });
  const cancelledLate = view.after(15, () => fired.push('never'));
  view.pause();
  clock.advance(100);
  assert.equal(fired, []);
  view.resume();
  cancelledLate.cancel();
  clock.advance(0);
  assert.equal(fired, ['a at 100', 'b', 'deferred by b']);
  view.after(5, () => fired.push('after revocation'));
  view.defer(() => fired.push('after revocation'));
  view.revoke();
  clock.advance(100);
  assert.is(fired.length, 3);
});

test('what comes from outside waits behind what is held, and each turn can be looked at', () => {
  const clock = createVirtualClock();
  const seen: string[] = [];
  const view = createClockView(clock, {
    turn(run) {
      run();
      seen.push('|');
    },
  });
  view.enter(() => seen.push('at once'));
  view.after(1, () => seen.push('timer'));
  view.pause();
  clock.advance(2);
  view.enter(() => seen.push('message 1'));
  view.resume();
  view.enter(() => seen.push('message 2'));
  clock.advance(0);
  view.enter(() => seen.push('message 3'));
  assert.equal(seen.join(' '), 'at once | timer | message 1 | message 2 | message 3 |');
  view.revoke();
  view.enter(() => seen.push('never'));
  assert.is(seen.length, 10);
});

test('pausing again before what was held has run holds it again', () => {
  const clock = createVirtualClock();
  const view = createClockView(clock);
  let fired = 0;
  view.after(10, () => fired++);
  view.pause();
  clock.advance(20);
  view.resume();
  view.pause();
  clock.advance(20);
  assert.is(fired, 0);
  view.resume();
  clock.advance(0);
  assert.is(fired, 1);
});

test.run();
