// Time that passes only when it is told to: for tests and the simulator.
//
// Invariants
//   1. Timers fire in the order of (due time, order of start); one that is started by another fires at its own time, never late
//      because a large step was taken.
//   2. What was deferred runs at the same instant, after everything that was due or deferred before it.
//   3. Nothing fires inside the call that started it, and nothing before its whole delay has passed.
//   4. Every moment is a whole number of ticks, 1/1024 ms each: moments are exact in binary, so differences of moments are, too.
//      Without that a timer that is due when `at - began >= delay` could find itself a hair too early, ask for the rest, which is
//      nothing, and so hold time still for ever.
import { assert } from '../core/assert.ts';
import type { Millis } from '../core/ids.ts';
import type { Clock, Timer } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

export interface VirtualClock extends Clock {
  /** Runs what is due next, moving time there. False when nothing is pending. */
  step(): boolean;
  /** Runs everything due within `ms` from now, and moves time there. */
  advance(ms: Millis): void;
  /** The same up to a moment of monotonic time. */
  advanceTo(moment: Millis): void;
  /** Shifts the wall clock, as an operator or NTP would. Monotonic time does not notice. */
  jump(ms: Millis): void;
  /** Timers and deferred calls that have not run and were not cancelled. */
  readonly pending: number;
}

const TICKS_PER_MS = 1024;

/** @param startMs the wall clock's reading at the beginning; monotonic time begins at 0. */
export function createVirtualClock({ startMs = 1_700_000_000_000 }: { startMs?: Millis } = {}): VirtualClock {
  const queue = new TimerQueue();
  let time: Millis = 0;
  let wallOffset = startMs;

  function start(delay: Millis, fire: () => void): Timer {
    let due = Math.ceil((time + delay) * TICKS_PER_MS) / TICKS_PER_MS;
    // The sum was rounded; the difference of two moments is exact.
    if (due - time < delay) due += 1 / TICKS_PER_MS;
    return queue.start(due, fire);
  }

  function step(): boolean {
    const timer = queue.take();
    if (timer === undefined) return false;
    time = timer.due;
    timer.fire();
    return true;
  }

  function advanceTo(moment: Millis): void {
    assert(moment >= time, 'time does not go back');
    for (let next = queue.first(); next !== undefined && next.due <= moment; next = queue.first()) step();
    time = Math.max(time, Math.floor(moment * TICKS_PER_MS) / TICKS_PER_MS);
  }

  return {
    now: () => wallOffset + time,
    monotonic: () => time,
    after(delay, fire) {
      assert(Number.isFinite(delay), 'a delay is a finite number of milliseconds');
      return start(Math.max(0, delay), fire);
    },
    defer(run) {
      queue.start(time, run);
    },
    step,
    advance: (ms) => advanceTo(time + ms),
    advanceTo,
    jump(ms) {
      wallOffset += ms;
    },
    get pending() {
      return queue.size;
    },
  };
}
