// Gathers messages into batches: one goes when it is full, by count or by bytes, or when its first message has waited long enough.
import { Observable, type OperatorFunction } from 'rxjs';
import type { Millis } from '../core/ids.ts';
import type { Clock, Timer } from './clock.ts';

export interface BatchOptions<T> {
  readonly clock: Clock;
  /** Messages in one batch, at most. */
  readonly countMax: number;
  /** Bytes in one batch, at most; a single larger message goes alone. */
  readonly bytesMax: number;
  readonly bytesOf: (message: T) => number;
  /** A message waits no longer than this; 0: until the end of the clock's turn. */
  readonly waitMaxMs: Millis;
}

/** Batches are never empty. What waits when the source completes goes as a last batch; when it fails, it is lost with it. */
export function batch<T>({
  clock,
  countMax,
  bytesMax,
  bytesOf,
  waitMaxMs,
}: BatchOptions<T>): OperatorFunction<T, readonly T[]> {
  return (source) =>
    new Observable((subscriber) => {
      let gathered: T[] = [];
      let bytes = 0;
      let timer: Timer | null = null;

      function flush(): void {
        timer?.cancel();
        timer = null;
        if (gathered.length === 0) return;
        const full = gathered;
        gathered = [];
        bytes = 0;
        subscriber.next(full);
      }

      subscriber.add(() => timer?.cancel());
      subscriber.add(
        source.subscribe({
          next(message) {
            const size = bytesOf(message);
            if (bytes + size > bytesMax) flush();
            gathered.push(message);
            bytes += size;
            if (gathered.length >= countMax || bytes >= bytesMax) flush();
            else timer ??= clock.after(waitMaxMs, flush);
          },
          error: (error) => subscriber.error(error),
          complete() {
            flush();
            subscriber.complete();
          },
        }),
      );
    });
}
