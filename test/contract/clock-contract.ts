// What every Clock must do (src/streams/clock.ts).
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock, Timer } from '../../src/streams/clock.ts';

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Returns when the condition is true, or fails: turns the virtual clock, or waits. */
  readonly until: (what: string, condition: () => boolean) => Promise<void> | void;
}

/** The suite, to be run with `.run()`. */
export function clockContract(name: string, make: () => ClockUnderTest): Test {
  const test = suite(`Clock: ${name}`);

  test('a timer fires once, asynchronously, and not before its whole delay', async () => {
    const { clock, until } = make();
    const began = clock.monotonic();
    const elapsed: number[] = [];
    const delays = [0, 0.3, 1, 1.7, 3, 7.5, 12];
    for (const delay of delays) clock.after(delay, () => elapsed.push(clock.monotonic() - began - delay));
    assert.is(elapsed.length, 0, 'nothing fires within the call');
    await until('all fired', () => elapsed.length >= delays.length);
    for (const late of elapsed) assert.ok(late >= 0, `${late} ms too early`);
    let more = false;
    clock.after(5, () => {
      more = true;
    });
    await until('time went on', () => more);
    assert.is(elapsed.length, delays.length, 'each fired once');
  });

  test('timers due together fire in the order of their start; earlier ones come first', async () => {
    const { clock, until } = make();
    const fired: string[] = [];
    clock.after(9, () => fired.push('late'));
    for (let n = 0; n < 5; n++) clock.after(4, () => fired.push(`together ${n}`));
    clock.after(1, () => fired.push('early'));
    await until('all fired', () => fired.length === 7);
    assert.equal(fired, ['early', 'together 0', 'together 1', 'together 2', 'together 3', 'together 4', 'late']);
  });

  test('a cancelled timer never fires; cancelling is idempotent, and harmless after firing', async () => {
    const { clock, until } = make();
    let wrong = 0;
    let done = false;
    const cancelled = clock.after(2, () => wrong++);
    const second: Timer = clock.after(4, () => wrong++);
    clock.after(1, () => second.cancel());
    cancelled.cancel();
    cancelled.cancel();
    const last = clock.after(8, () => {
      done = true;
    });
    await until('the last one fired', () => done);
    last.cancel();
    assert.is(wrong, 0);
  });

  test('a timer started by a timer fires its own delay later', async () => {
    const { clock, until } = make();
    const moments: number[] = [clock.monotonic()];
    const next = () => {
      moments.push(clock.monotonic());
      if (moments.length < 5) clock.after(2, next);
    };
    clock.after(2, next);
    await until('five moments', () => moments.length === 5);
    for (let n = 1; n < 5; n++) assert.ok((moments[n] as number) - (moments[n - 1] as number) >= 2);
  });

  test('defer runs in a later turn, in order, and lets timers have their turn', async () => {
    const { clock, until } = make();
    const ran: string[] = [];
    clock.defer(() => ran.push('first'));
    clock.defer(() => ran.push('second'));
    assert.equal(ran, []);
    await until('both ran', () => ran.length === 2);
    assert.equal(ran, ['first', 'second']);
    let fired = false;
    let spins = 0;
    // Deferring again and again: the timer must not starve where time passes by itself.
    clock.after(0, () => {
      fired = true;
    });
    const spin = () => {
      spins++;
      if (!fired && spins < 1_000_000) clock.defer(spin);
    };
    clock.defer(spin);
    await until('the timer fired', () => fired);
  });

  test('monotonic time does not go back; the wall clock is near 2020 or later', async () => {
    const { clock, until } = make();
    const readings = [clock.monotonic()];
    const read = () => {
      readings.push(clock.monotonic());
      if (readings.length < 50) clock.defer(read);
    };
    read();
    await until('fifty readings', () => readings.length >= 50);
    for (let n = 1; n < readings.length; n++) assert.ok((readings[n] as number) >= (readings[n - 1] as number));
    assert.ok(clock.now() > 1_577_836_800_000);
  });

  return test;
}
