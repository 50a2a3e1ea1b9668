// The two ends of a one-way stream whose reader sets the pace.
import type { Observable } from 'rxjs';
import type { VedetteError } from '../core/errors.ts';

/** Where a producer writes that must respect its consumer's pace. */
export interface Sink<T> {
  /** False: taken, but send no more before `drained`. After the other end is gone it drops and answers false. */
  send(message: T): boolean;
  /** Emits each time there is room again after a `send` that answered false. */
  readonly drained: Observable<void>;
  /** Emits once and completes when the other end is gone (cancelled, closed, broken); replays to late subscribers. */
  readonly closed: Observable<void>;
  close(error?: VedetteError): void;
}

/** What a consumer reads that must be able to hold its producer back. */
export interface Source<T> {
  /** Hot, one subscriber. Errors with a VedetteError, completes when the producer has closed. */
  readonly inbox: Observable<T>;
  pause(): void;
  resume(): void;
  close(): void;
}
