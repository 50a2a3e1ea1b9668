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

/** A factor on what the base measures. */
function rateOf(driftPpm: number): number {
  assert(driftPpm > -1_000_000, 'a clock runs forward');
  return 1 + driftPpm / 1_000_000;
}

export function createClockView(base: Clock, options: ClockViewOptions = {}): ClockView {
  return new View(base, options);
}

class View implements ClockView {
  readonly #base: Clock;
  readonly #turn: (run: () => void) => void;
  #rate: number;
  #wallBegan: Millis;
  #began: Millis;
  /** The base's time when this view's was `began`. */
  #baseBegan: Millis;
  #jumped: Millis = 0;
  #paused = false;
  #revoked = false;
  /** What came due while the process was stopped, and everything since, until all of it has run. */
  readonly #held: (() => void)[] = [];
  readonly #running: Set<ViewTimer> | null;

  constructor(base: Clock, { turn = (run) => run(), skewMs = 0, driftPpm = 0, leaps = false }: ClockViewOptions) {
    this.#base = base;
    this.#turn = turn;
    this.#rate = rateOf(driftPpm);
    this.#wallBegan = base.now() + skewMs;
    this.#began = base.monotonic();
    this.#baseBegan = this.#began;
    this.#running = leaps ? new Set() : null;
  }

  now(): Millis {
    return this.#wallBegan + this.#jumped + this.#elapsed();
  }

  monotonic(): Millis {
    // Without a sum, where there is nothing to add: moments stay exact.
    return this.#rate === 1 && this.#began === this.#baseBegan ? this.#base.monotonic() : this.#began + this.#elapsed();
  }

  after(delay: Millis, fire: () => void): Timer {
    const timer = new ViewTimer(this, this.monotonic() + delay, fire);
    timer.wait(delay);
    this.#running?.add(timer);
    return timer;
  }

  defer(run: () => void): void {
    this.#base.defer(() => this.enter(run));
  }

  enter(run: () => void): void {
    if (this.#revoked) return;
    if (this.#paused || this.#held.length > 0) this.#held.push(run);
    else this.#turn(run);
  }

  jump(ms: Millis): void {
    this.#jumped += ms;
  }

  leap(ms: Millis): void {
    assert(this.#running !== null && ms >= 0, 'a clock that may leap leaps forward');
    this.#settle(ms);
    for (const timer of [...this.#running].sort((a, b) => a.due - b.due)) timer.again();
  }

  drift(ppm: number): void {
    const next = rateOf(ppm);
    this.#settle(0);
    this.#rate = next;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#base.defer(() => this.#release());
  }

  get paused(): boolean {
    return this.#paused;
  }

  revoke(): void {
    this.#revoked = true;
    this.#held.length = 0;
  }

  /** For {@link ViewTimer} only. @param delay in this node's time: it is rounded when it becomes one of the base's. */
  onBase(delay: Millis, run: () => void): Timer {
    return this.#base.after(delay / this.#rate, run);
  }

  /** For {@link ViewTimer} only. */
  ended(timer: ViewTimer): void {
    this.#running?.delete(timer);
  }

  #elapsed(): Millis {
    return (this.#base.monotonic() - this.#baseBegan) * this.#rate;
  }

  /** Its clocks are told anew from here on. */
  #settle(ahead: Millis): void {
    const now = this.monotonic();
    this.#wallBegan += this.#elapsed() + ahead;
    this.#baseBegan = this.#base.monotonic();
    this.#began = now + ahead;
  }

  /** Each in a turn of its own, as the loop of a process that was stopped would. */
  #release(): void {
    if (this.#paused || this.#revoked) return;
    const fire = this.#held.shift();
    if (fire !== undefined) this.#turn(fire);
    if (this.#held.length > 0) this.#base.defer(() => this.#release());
  }
}

class ViewTimer implements Timer {
  /** In this node's time. */
  readonly due: Millis;
  readonly #view: View;
  readonly #fire: () => void;
  #open = true;
  #timer: Timer | null = null;

  constructor(view: View, due: Millis, fire: () => void) {
    this.due = due;
    this.#view = view;
    this.#fire = fire;
  }

  wait(delay: Millis): void {
    this.#timer = this.#view.onBase(delay, this.#reached);
  }

  /** Waits for what is left now. */
  again(): void {
    this.#timer?.cancel();
    this.wait(this.due - this.#view.monotonic());
  }

  cancel(): void {
    this.#open = false;
    this.#view.ended(this);
    this.#timer?.cancel();
  }

  readonly #reached = (): void => this.#view.enter(this.#run);

  readonly #run = (): void => {
    if (!this.#open) return;
    const left = this.due - this.#view.monotonic();
    if (left > 0) {
      this.wait(left);
      return;
    }
    this.#open = false;
    this.#view.ended(this);
    this.#fire();
  };
}
