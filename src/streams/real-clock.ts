// The real clock: a port adapter, and one of the few places that may ask the system for the time.
import type { Clock } from './clock.ts';

export function createRealClock(): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    after(delay, fire) {
      const timer = setTimeout(fire, Math.max(0, delay));
      return { cancel: () => clearTimeout(timer) };
    },
    defer(run) {
      setImmediate(run);
    },
  };
}
