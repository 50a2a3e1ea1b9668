// Credits: a producer may send as many messages as its consumer has granted, so that a slow consumer is never overrun and nothing
// is buffered without a bound between them.
import { Observable, type OperatorFunction } from 'rxjs';
import { assert } from '../core/assert.ts';
import { VedetteError } from '../core/errors.ts';

export interface Credits {
  /** What may still be sent. */
  readonly available: number;
  /** Takes `count` credits, all or none. */
  take(count?: number): boolean;
  /** The consumer can take `count` more. Beyond `max` it has granted too much: what is above is ignored. */
  grant(count: number): void;
  /** Called after each grant that left credit; returns how to stop. One listener. */
  onGranted(listener: () => void): () => void;
}

export function createCredits({ initial, max }: { readonly initial: number; readonly max: number }): Credits {
  assert(initial >= 0 && initial <= max, 'credits begin between none and the most there may be');
  let available = initial;
  let listener: (() => void) | null = null;
  return {
    get available() {
      return available;
    },
    take(count = 1) {
      if (available < count) return false;
      available -= count;
      return true;
    },
    grant(count) {
      assert(count >= 0, 'credit is granted, not taken back');
      available = Math.min(max, available + count);
      if (available > 0) listener?.();
    },
    onGranted(next) {
      assert(listener === null, 'credits have one listener');
      listener = next;
      return () => {
        if (listener === next) listener = null;
      };
    },
  };
}

/**
 * Lets one message pass for each credit; the others wait, in order.
 * Errors with RESOURCE_EXHAUSTED when more than `waitingMax` would wait: whoever produces must look at the credits itself then.
 */
export function spendCredits<T>(
  credits: Credits,
  { waitingMax }: { readonly waitingMax: number },
): OperatorFunction<T, T> {
  return (source) =>
    new Observable((subscriber) => {
      const waiting: T[] = [];
      let completed = false;

      function pump(): void {
        while (waiting.length > 0 && !subscriber.closed && credits.take()) subscriber.next(waiting.shift() as T);
        if (completed && waiting.length === 0) subscriber.complete();
      }

      subscriber.add(credits.onGranted(pump));
      subscriber.add(
        source.subscribe({
          next(message) {
            if (waiting.length === 0 && credits.take()) {
              subscriber.next(message);
              return;
            }
            if (waiting.length >= waitingMax) {
              subscriber.error(
                new VedetteError('RESOURCE_EXHAUSTED', `${waitingMax} messages wait for credit already`),
              );
              return;
            }
            waiting.push(message);
          },
          error: (error) => subscriber.error(error),
          complete() {
            completed = true;
            pump();
          },
        }),
      );
    });
}
