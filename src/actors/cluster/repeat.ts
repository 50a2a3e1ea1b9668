import type { Millis } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';

/** Calls `run` every `interval` ms, first after one, until it is cancelled. What was missed while the process stood still is not made up for. */
export function repeat(clock: Clock, interval: Millis, run: () => void): Timer {
  let cancelled = false;
  let timer: Timer;
  const again = () => {
    timer = clock.after(interval, () => {
      run();
      if (!cancelled) again();
    });
  };
  again();
  return {
    cancel() {
      cancelled = true;
      timer.cancel();
    },
  };
}
