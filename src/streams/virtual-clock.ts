// Time that passes only when it is told to: for tests and the simulator.
//
// Invariants
//   1. Timers fire in the order of (due time, order of start); one that is started by another fires at its own time, never late
//      because a large step was taken.
//   2. What was deferred runs at the same instant, after everything that was due or deferred before it.
//   3. Nothing fires inside the call that started it.
import { assert } from '../core/assert.ts';
import type { Millis } from '../core/ids.ts';
import type { Clock, Timer } from './clock.ts';

export interface VirtualClock extends Clock {
  /** Runs what is due next, moving time there. False when nothing is pending. */
  step(): boolean;
  /** Runs everything due within `ms` from now, and moves time there. */
  advance(ms: Millis): void;
  /** The same up to a moment of monotonic time. */
  advanceTo(moment: Millis): void;
  /** Shifts the wall clock, as an operator or NTP would. Monotonic time does not notice. */
  jump(ms: Millis): void;
  /** Timers and deferred calls that have not run; cancelled ones may be counted for a while. */
  readonly pending: number;
}

interface Entry extends Timer {
  readonly due: Millis;
  readonly order: number;
  fire: (() => void) | null;
}

/** @param startMs the wall clock's reading at the beginning; monotonic time begins at 0. */
export function createVirtualClock({ startMs = 1_700_000_000_000 }: { startMs?: Millis } = {}): VirtualClock {
  // A binary heap; cancelled entries stay in it and are passed over.
  const heap: Entry[] = [];
  let time: Millis = 0;
  let wallOffset = startMs;
  let order = 0;

  const before = (a: Entry, b: Entry) => a.due < b.due || (a.due === b.due && a.order < b.order);

  function push(entry: Entry): void {
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  function pop(): Entry | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let smaller = left;
      if (right !== undefined && before(right, left)) {
        smaller = right;
        child++;
      }
      if (!before(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  function nextLive(): Entry | undefined {
    while (heap[0] !== undefined && heap[0].fire === null) pop();
    return heap[0];
  }

  function start(due: Millis, fire: () => void): Timer {
    const entry: Entry = {
      due,
      order: order++,
      fire,
      cancel() {
        entry.fire = null;
      },
    };
    push(entry);
    return entry;
  }

  function step(): boolean {
    const entry = nextLive();
    if (entry === undefined) return false;
    pop();
    time = Math.max(time, entry.due);
    const { fire } = entry;
    entry.fire = null;
    fire?.();
    return true;
  }

  function advanceTo(moment: Millis): void {
    assert(moment >= time, 'time does not go back');
    for (let next = nextLive(); next !== undefined && next.due <= moment; next = nextLive()) step();
    time = moment;
  }

  return {
    now: () => wallOffset + time,
    monotonic: () => time,
    after: (delay, fire) => start(time + Math.max(0, delay), fire),
    defer: (run) => {
      start(time, run);
    },
    step,
    advance: (ms) => advanceTo(time + ms),
    advanceTo,
    jump(ms) {
      wallOffset += ms;
    },
    get pending() {
      return heap.length;
    },
  };
}
