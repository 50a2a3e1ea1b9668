// The real clock: a port adapter, and one of the few places that may ask the system for the time.
//
// The system's own timers may fire a little early (they count whole milliseconds of the loop's time), overflow after 25 days, and
// keep no order between different delays. So one of them wakes a queue of ours, which keeps the contract of clock.ts.
import type { Millis } from '../core/ids.ts';
import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** What a system's timer can wait; beyond it, it fires at once. */
const WAIT_MAX: Millis = 2 ** 31 - 1;

export function createRealClock(): Clock {
  // While nothing waits, no handle keeps the process alive.
  const queue = new TimerQueue(disarm);
  let waker: NodeJS.Timeout | null = null;
  let wakesAt: Millis = 0;

  function disarm(): void {
    if (waker !== null) clearTimeout(waker);
    waker = null;
  }

  function arm(due: Millis): void {
    if (waker !== null && wakesAt <= due) return;
    disarm();
    wakesAt = due;
    waker = setTimeout(wake, Math.min(WAIT_MAX, Math.ceil(due - performance.now())));
  }

  function wake(): void {
    waker = null;
    const now = performance.now();
    try {
      for (let next = queue.first(); next !== undefined && next.due <= now; next = queue.first()) queue.take()?.fire();
    } finally {
      const next = queue.first();
      if (next !== undefined) arm(next.due);
    }
  }

  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after(delay, fire) {
      const timer = queue.start(performance.now() + Math.max(0, delay), fire);
      arm(timer.due);
      return timer;
    },
    defer(run) {
      setImmediate(run);
    },
  };
}
