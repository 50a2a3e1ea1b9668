// How long a simulated disk takes. A disk may become slow or hang, and be well again, while something is under way: that is then drawn
// anew.
import type { Millis } from '../../../src/core/ids.ts';
import type { Clock, Timer } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { DiskOptions } from './options.ts';

/** A fault at work. */
export interface Slowness {
  /** Everything takes this many times as long; infinite: nothing is done at all. */
  readonly factor: number;
  /** What was under way, or begun, while it lasted. */
  touched: number;
}

export interface Latency {
  /** Calls `done` when the disk has done something. What was begun first need not be done first. */
  wait(clock: Clock, done: () => void): void;
  /** Whoever waited is dead. */
  forget(): void;
  /** Of several the slowest counts. */
  impose(slowness: Slowness): void;
  lift(slowness: Slowness): void;
  /** From now on nothing takes longer. */
  calm(maxMs: Millis): void;
}

interface Waiting {
  readonly clock: Clock;
  readonly done: () => void;
  /** Null: it hangs. */
  timer: Timer | null;
}

export function createLatency(random: Random, { syncMinMs, syncMeanMs }: DiskOptions): Latency {
  const waiting = new Set<Waiting>();
  const imposed = new Set<Slowness>();
  let longest = Number.POSITIVE_INFINITY;

  function start(clock: Clock, done: () => void): Timer | null {
    let factor = 1;
    for (const slowness of imposed) {
      slowness.touched++;
      factor = Math.max(factor, slowness.factor);
    }
    const ms = syncMinMs - Math.log(1 - random.next()) * syncMeanMs;
    return factor === Number.POSITIVE_INFINITY ? null : clock.after(Math.min(longest, ms * factor), done);
  }

  function drawAnew(): void {
    for (const each of waiting) {
      each.timer?.cancel();
      each.timer = start(each.clock, each.done);
    }
  }

  return {
    wait(clock, done) {
      const finish = () => {
        waiting.delete(entry);
        done();
      };
      const entry: Waiting = { clock, done: finish, timer: start(clock, finish) };
      waiting.add(entry);
    },
    forget() {
      for (const { timer } of waiting) timer?.cancel();
      waiting.clear();
    },
    impose(slowness) {
      imposed.add(slowness);
      drawAnew();
    },
    lift(slowness) {
      if (imposed.delete(slowness)) drawAnew();
    },
    calm(maxMs) {
      imposed.clear();
      longest = maxMs;
      drawAnew();
    },
  };
}
