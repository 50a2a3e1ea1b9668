// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): a crowd that
// failed together does not come back together.
import { defer, Observable, type OperatorFunction } from 'rxjs';
import type { Millis } from '../core/ids.ts';
import type { Clock, Timer } from './clock.ts';
import type { Random } from './random.ts';

export interface Backoff {
  readonly baseMs: Millis;
  readonly maxMs: Millis;
}

/** Anything from 0 to base × 2^(attempt − 1), at most `maxMs`. @param attempt from 1. */
export function backoffDelay(attempt: number, { baseMs, maxMs }: Backoff, random: Random): Millis {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
  return random.next() * ceiling;
}

/** So many are tried in a row before there is a wait; then as many again. */
const BURST_MAX = 3;
const NEXT_AT_ONCE_MS: Millis = 20;

/**
 * Where one of several will do: the next is tried almost at once, and only when a few, or all, have failed there is a wait, which
 * grows from round to round. So whoever is back first is found by the first round after that.
 * @param attempt failures in a row, from 1.  @param targets how many there are.
 */
export function turnDelay(attempt: number, targets: number, backoff: Backoff, random: Random): Millis {
  const burst = Math.max(1, Math.min(targets, BURST_MAX));
  return attempt % burst === 0 ? backoffDelay(attempt / burst, backoff, random) : random.integer(0, NEXT_AT_ONCE_MS);
}

export interface RetryOptions extends Backoff {
  /** Failures in a row after which the error is passed on. A value in between begins the count anew. */
  readonly attemptsMax: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Subscribes again after a failure, later and later. */
export function retryWithBackoff<T>(options: RetryOptions): OperatorFunction<T, T> {
  const { attemptsMax, clock, random } = options;
  return (source) =>
    new Observable<T>((subscriber) => {
      let attempt = 0;
      let timer: Timer | null = null;
      let closed = false;
      const subscribe = () => {
        const inner = defer(() => source).subscribe({
          next(value) {
            attempt = 0;
            subscriber.next(value);
          },
          error(error) {
            attempt++;
            if (closed) return;
            if (attempt >= attemptsMax) subscriber.error(error);
            else timer = clock.after(backoffDelay(attempt, options, random), subscribe);
          },
          complete: () => subscriber.complete(),
        });
        subscriber.add(inner);
      };
      subscribe();
      return () => {
        closed = true;
        timer?.cancel();
      };
    });
}
