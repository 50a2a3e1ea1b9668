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
  return new Virtual(startMs);
}

class Virtual implements VirtualClock {
  readonly #queue = new TimerQueue();
  #time: Millis = 0;
  #wallOffset: Millis;

  constructor(startMs: Millis) {
    this.#wallOffset = startMs;
  }

  get pending(): number {
    return this.#queue.size;
  }

  now(): Millis {
    return this.#wallOffset + this.#time;
  }

  monotonic(): Millis {
    return this.#time;
  }

  after(delay: Millis, fire: () => void): Timer {
    assert(Number.isFinite(delay), 'a delay is a finite number of milliseconds');
    const wanted = Math.max(0, delay);
    const time = this.#time;
    let due = Math.ceil((time + wanted) * TICKS_PER_MS) / TICKS_PER_MS;
    // The sum was rounded; the difference of two moments is exact.
    if (due - time < wanted) due += 1 / TICKS_PER_MS;
    return this.#queue.start(due, fire);
  }

  defer(run: () => void): void {
    this.#queue.start(this.#time, run);
  }

  step(): boolean {
    const timer = this.#queue.take();
    if (timer === undefined) return false;
    this.#time = timer.due;
    timer.fire();
    return true;
  }

  advance(ms: Millis): void {
    this.advanceTo(this.#time + ms);
  }

  advanceTo(moment: Millis): void {
    const queue = this.#queue;
    assert(moment >= this.#time, 'time does not go back');
    for (let next = queue.first(); next !== undefined && next.due <= moment; next = queue.first()) this.step();
    this.#time = Math.max(this.#time, Math.floor(moment * TICKS_PER_MS) / TICKS_PER_MS);
  }

  jump(ms: Millis): void {
    this.#wallOffset += ms;
  }
}
