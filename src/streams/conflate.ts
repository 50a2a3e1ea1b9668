// Keeps only the newest message of each key for a reader that is slower than its source, and counts what it left out.
//
// Invariants
//   1. While the reader keeps up, everything passes, in order.
//   2. What waits is at most one message per key; keys go in the order in which they began to wait.
//   3. For each key what passes is a subsequence of what came, and its last message passes.
import { type Observable, Subscription } from 'rxjs';
import { assert } from '../core/assert.ts';
import { describeError, VedetteError } from '../core/errors.ts';
import type { Sink } from './sink.ts';

export interface ConflateOptions<T, K> {
  readonly keyOf: (message: T) => K;
  /** Keys that may wait. At the limit the one that has waited longest goes unread, and is counted as left out. */
  readonly keysMax: number;
}

export interface Conflation<T> {
  /** Messages that wait. */
  readonly waiting: number;
  /** Messages that a newer one replaced, or that the limit drove out. */
  readonly leftOut: number;
  put(message: T): void;
  /** The message that waits longest. */
  take(): T | undefined;
}

export function createConflation<T, K>({ keyOf, keysMax }: ConflateOptions<T, K>): Conflation<T> {
  assert(keysMax > 0, 'a conflation holds at least one key');
  // A Map keeps a key's first place when its value is replaced: nobody loses its turn by being updated.
  const newest = new Map<K, T>();
  let leftOut = 0;

  function take(): T | undefined {
    for (const [key, message] of newest) {
      newest.delete(key);
      return message;
    }
    return undefined;
  }

  return {
    get waiting() {
      return newest.size;
    },
    get leftOut() {
      return leftOut;
    },
    put(message) {
      const key = keyOf(message);
      if (newest.has(key)) leftOut++;
      else if (newest.size >= keysMax) {
        take();
        leftOut++;
      }
      newest.set(key, message);
    },
    take,
  };
}

export interface ConflatedFlow {
  readonly leftOut: number;
  stop(): void;
}

/** Sends `source` to a sink at the sink's pace. When the source ends, so does the sink, after what waits; when the sink ends, the flow stops. */
export function conflateInto<T, K>(
  source: Observable<T>,
  sink: Sink<T>,
  options: ConflateOptions<T, K>,
): ConflatedFlow {
  const conflation = createConflation(options);
  const flow = new Subscription();
  let hasRoom = true;
  let end: { readonly error: VedetteError | undefined } | null = null;

  function pump(): void {
    while (hasRoom && conflation.waiting > 0 && !flow.closed) {
      const message = conflation.take();
      if (message !== undefined) hasRoom = sink.send(message);
    }
    if (end === null || conflation.waiting > 0 || flow.closed) return;
    flow.unsubscribe();
    sink.close(end.error);
  }

  function finish(error?: unknown): void {
    const known =
      error instanceof VedetteError ? error : new VedetteError('INTERNAL', describeError(error), { cause: error });
    end = { error: error === undefined ? undefined : known };
    pump();
  }

  flow.add(sink.closed.subscribe(() => flow.unsubscribe()));
  flow.add(
    sink.drained.subscribe(() => {
      hasRoom = true;
      pump();
    }),
  );
  flow.add(
    source.subscribe({
      next(message) {
        conflation.put(message);
        pump();
      },
      error: finish,
      complete: () => finish(),
    }),
  );

  return {
    get leftOut() {
      return conflation.leftOut;
    },
    stop: () => flow.unsubscribe(),
  };
}
