// What a clock has to fire, in the order of (due time, order of start): a binary heap. A cancelled timer stays in it and is passed
// over; where too many of them lie in it, they are swept out.
import type { Millis } from '../core/ids.ts';
import type { Timer } from './clock.ts';

/** Cancelled entries are swept out when they are this many and half of all. */
const CANCELLED_KEPT = 1024;

export class QueuedTimer implements Timer {
  readonly due: Millis;
  readonly order: number;
  readonly #queue: TimerQueue;
  #fire: (() => void) | null;

  constructor(due: Millis, order: number, queue: TimerQueue, fire: () => void) {
    this.due = due;
    this.order = order;
    this.#queue = queue;
    this.#fire = fire;
  }

  get live(): boolean {
    return this.#fire !== null;
  }

  isBefore(other: QueuedTimer): boolean {
    return this.due < other.due || (this.due === other.due && this.order < other.order);
  }

  cancel(): void {
    if (this.#fire === null) return;
    this.#fire = null;
    this.#queue.noteCancelled();
  }

  /** Once; only for a timer that was taken from its queue. */
  fire(): void {
    const fire = this.#fire;
    this.#fire = null;
    fire?.();
  }
}

export class TimerQueue {
  #heap: QueuedTimer[] = [];
  #cancelled = 0;
  #order = 0;
  readonly #emptied: () => void;

  /** @param emptied called when the last live timer was cancelled. */
  constructor(emptied: () => void = () => {}) {
    this.#emptied = emptied;
  }

  /** Live timers. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  start(due: Millis, fire: () => void): QueuedTimer {
    const timer = new QueuedTimer(due, this.#order++, this, fire);
    this.#push(timer);
    return timer;
  }

  /** The next live timer; it stays in the queue. */
  first(): QueuedTimer | undefined {
    const heap = this.#heap;
    while (heap[0] !== undefined && !heap[0].live) {
      this.#pop();
      this.#cancelled--;
    }
    return heap[0];
  }

  /** The next live timer, taken from the queue. */
  take(): QueuedTimer | undefined {
    const timer = this.first();
    if (timer !== undefined) this.#pop();
    return timer;
  }

  /** For {@link QueuedTimer} only. */
  noteCancelled(): void {
    this.#cancelled++;
    if (this.size === 0) this.#emptied();
    if (this.#cancelled < CANCELLED_KEPT || this.#cancelled * 2 < this.#heap.length) return;
    const live = this.#heap.filter((timer) => timer.live);
    this.#heap = [];
    this.#cancelled = 0;
    for (const timer of live) this.#push(timer);
  }

  #push(timer: QueuedTimer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !timer.isBefore(above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let smaller = heap[child];
      if (smaller === undefined) break;
      const right = heap[child + 1];
      if (right?.isBefore(smaller)) {
        smaller = right;
        child++;
      }
      if (!smaller.isBefore(last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}
