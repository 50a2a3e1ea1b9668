// A bounded queue between those who post and the one who handles. Handling never nests: what is posted while an item is handled
// waits its turn, so a chain of a thousand actors needs no deep stack; and a drain stops at its budget and goes on in a later turn
// of the loop, so that a ping-pong starves neither timers nor sockets.
import { assert } from '../core/assert.ts';
import type { Millis } from '../core/ids.ts';
import type { Clock } from './clock.ts';

export interface MailboxOptions<T> {
  readonly clock: Clock;
  readonly handle: (item: T) => void;
  /** Items that may wait. */
  readonly capacity: number;
  /** What happens to one more: `post` answers false, or the oldest one goes. Both are counted. */
  readonly whenFull: 'refuse' | 'dropOldest';
  /** Handled per drain, at most … */
  readonly budgetItems?: number;
  /** … and for at most this long. */
  readonly budgetMs?: Millis;
}

export interface Mailbox<T> {
  /** False: refused, because the mailbox is full or closed. */
  post(item: T): boolean;
  readonly length: number;
  readonly refused: number;
  readonly dropped: number;
  /** What waits is thrown away; nothing is handled any more. */
  close(): void;
}

const TIDIED_FROM = 64;

export function createMailbox<T>(options: MailboxOptions<T>): Mailbox<T> {
  const { clock, handle, capacity, whenFull, budgetItems = 256, budgetMs = 5 } = options;
  assert(capacity > 0, 'a mailbox holds at least one item');
  let items: T[] = [];
  /** Everything before this index in `items` was handled. */
  let head = 0;
  let scheduled = false;
  let closed = false;
  let refused = 0;
  let dropped = 0;

  function schedule(): void {
    if (scheduled || closed) return;
    scheduled = true;
    clock.defer(drain);
  }

  function drain(): void {
    const began = clock.monotonic();
    try {
      for (let handled = 0; handled < budgetItems && head < items.length && !closed; handled++) {
        handle(items[head++] as T);
        if (clock.monotonic() - began >= budgetMs) break;
      }
    } finally {
      // Where `handle` throws, what waits is still handled later.
      tidy();
      scheduled = false;
      if (items.length > head) schedule();
    }
  }

  /** Lets go of what was handled or dropped, when that is all or most of the array. */
  function tidy(): void {
    if (head < items.length && (head < TIDIED_FROM || head * 2 < items.length)) return;
    items = items.slice(head);
    head = 0;
  }

  return {
    post(item) {
      if (closed || (items.length - head >= capacity && whenFull === 'refuse')) {
        refused++;
        return false;
      }
      if (items.length - head >= capacity) {
        head++;
        dropped++;
        tidy();
      }
      items.push(item);
      schedule();
      return true;
    },
    get length() {
      return items.length - head;
    },
    get refused() {
      return refused;
    },
    get dropped() {
      return dropped;
    },
    close() {
      closed = true;
      items = [];
      head = 0;
    },
  };
}
