// One node's view of a common clock: its wall clock may be wrong, its oscillator fast or slow; its process may be stopped for a
// while, or dead. For the simulator: a crash revokes the view, so that whatever the dead process had started does nothing.
import { assert } from '../core/assert.ts';
import type { Millis } from '../core/ids.ts';
import type { Clock, Timer } from './clock.ts';

export interface ClockViewOptions {
  /** Called with everything that runs in this process, to run it: a place to look at the process after each turn. */
  readonly turn?: (run: () => void) => void;
  /** The wall clock is ahead by this much. */
  readonly skewMs?: Millis;
  /** Parts in a million by which this node's clocks run fast; above −1 000 000. */
  readonly driftPpm?: number;
  /** It may leap: timers that run are remembered for that. */
  readonly leaps?: boolean;
}

export interface ClockView extends Clock {
  /** Something reaches the process from outside (a message, a request): it runs now, on `resume`, or, when revoked, never. */
  enter(run: () => void): void;
  /** Sets the wall clock forward (or back). Monotonic time does not notice. */
  jump(ms: Millis): void;
  /**
   * Both clocks go forward at once, as those of a virtual machine that was stopped: what is due by then fires now, in the order in
   * which it was due. Only where `leaps` was said.
   */
  leap(ms: Millis): void;
  /** From now on its clocks run fast by this. Timers that run already fire when they would have, or as soon after as is due. */
  drift(ppm: number): void;
  /** Like SIGSTOP: time goes on, but nothing fires until `resume`. */
  pause(): void;
  /** What came due meanwhile fires, in the order in which it would have. */
  resume(): void;
  readonly paused: boolean;
  /** Nothing fires any more, for good. */
  revoke(): void;
}

interface RunningTimer {
  /** In this node's time. */
  readonly due: Millis;
  /** Waits for what is left now. */
  again(): void;
}

export function createClockView(
  base: Clock,
  { turn = (run) => run(), skewMs = 0, driftPpm = 0, leaps = false }: ClockViewOptions = {},
): ClockView {
  const rateOf = (ppm: number) => {
    assert(ppm > -1_000_000, 'a clock runs forward');
    return 1 + ppm / 1_000_000;
  };
  let rate = rateOf(driftPpm);
  let wallBegan = base.now() + skewMs;
  let began = base.monotonic();
  /** The base's time when this view's was `began`. */
  let baseBegan = began;
  let jumped: Millis = 0;
  let paused = false;
  let revoked = false;
  /** What came due while the process was stopped, and everything since, until all of it has run. */
  const held: (() => void)[] = [];
  const running = leaps ? new Set<RunningTimer>() : null;

  const elapsed = () => (base.monotonic() - baseBegan) * rate;
  // Without a sum, where there is nothing to add: moments stay exact.
  const monotonic = () => (rate === 1 && began === baseBegan ? base.monotonic() : began + elapsed());

  /** Its clocks are told anew from here on. */
  function settle(ahead: Millis): void {
    const now = monotonic();
    wallBegan += elapsed() + ahead;
    baseBegan = base.monotonic();
    began = now + ahead;
  }

  function deliver(fire: () => void): void {
    if (revoked) return;
    if (paused || held.length > 0) held.push(fire);
    else turn(fire);
  }

  /** Each in a turn of its own, as the loop of a process that was stopped would. */
  function release(): void {
    if (paused || revoked) return;
    const fire = held.shift();
    if (fire !== undefined) turn(fire);
    if (held.length > 0) base.defer(release);
  }

  return {
    now: () => wallBegan + jumped + elapsed(),
    monotonic,
    after(delay, fire): Timer {
      let open = true;
      const began = monotonic();
      const run = () => {
        if (!open) return;
        // A delay in this node's time is rounded when it becomes one of the base's.
        const left = began + delay - monotonic();
        if (left > 0) {
          timer = base.after(left / rate, () => deliver(run));
          return;
        }
        open = false;
        running?.delete(entry);
        fire();
      };
      let timer = base.after(delay / rate, () => deliver(run));
      const entry: RunningTimer = {
        due: began + delay,
        again() {
          timer.cancel();
          timer = base.after((began + delay - monotonic()) / rate, () => deliver(run));
        },
      };
      running?.add(entry);
      return {
        cancel() {
          open = false;
          running?.delete(entry);
          timer.cancel();
        },
      };
    },
    defer: (run) => base.defer(() => deliver(run)),
    enter: deliver,
    jump(ms) {
      jumped += ms;
    },
    leap(ms) {
      assert(running !== null && ms >= 0, 'a clock that may leap leaps forward');
      settle(ms);
      for (const timer of [...running].sort((a, b) => a.due - b.due)) timer.again();
    },
    drift(ppm) {
      const next = rateOf(ppm);
      settle(0);
      rate = next;
    },
    pause() {
      paused = true;
    },
    resume() {
      if (!paused) return;
      paused = false;
      base.defer(release);
    },
    get paused() {
      return paused;
    },
    revoke() {
      revoked = true;
      held.length = 0;
    },
  };
}
