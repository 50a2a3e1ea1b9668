// Who owns time. Everything that waits or asks the time does so through a Clock: the real one in production, the virtual one
// in tests and in the simulator.
import type { Millis } from '../core/ids.ts';

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970. May jump, both ways: for stamps, never for measuring. */
  now(): Millis;
  /** Milliseconds since some moment. Never goes back: for measuring and for all timeouts. */
  monotonic(): Millis;
  /** Calls `fire` once, not before `delay` ms have passed, never synchronously. Timers due together fire in the order of their start. */
  after(delay: Millis, fire: () => void): Timer;
  /** Calls `run` in a later turn of the loop, after pending I/O had its chance. */
  defer(run: () => void): void;
}
