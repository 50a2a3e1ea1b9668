// How long a simulated disk takes. A disk may become slow, and well again, while something is under way: that is then drawn anew.
import type { Millis } from '../../../src/core/ids.ts';
import type { Clock, Timer } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { DiskOptions } from './options.ts';

export interface Latency {
  /** Calls `done` when the disk has done something. What was begun first need not be done first. */
  wait(clock: Clock, done: () => void): void;
  /** Whoever waited is dead. */
  forget(): void;
  /** Everything takes this many times as long. */
  slow(factor: number): void;
  /** From now on nothing takes longer. */
  calm(maxMs: Millis): void;
}

interface Waiting {
  readonly clock: Clock;
  readonly done: () => void;
  timer: Timer;
}

export function createLatency(random: Random, { syncMinMs, syncMeanMs }: DiskOptions): Latency {
  const waiting = new Set<Waiting>();
  let factor = 1;
  let longest = Number.POSITIVE_INFINITY;

  function start(clock: Clock, done: () => void): Timer {
    const ms = (syncMinMs - Math.log(1 - random.next()) * syncMeanMs) * factor;
    return clock.after(Math.min(longest, ms), done);
  }

  function drawAnew(): void {
    for (const each of waiting) {
      each.timer.cancel();
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
      for (const { timer } of waiting) timer.cancel();
      waiting.clear();
    },
    slow(next) {
      factor = next;
      drawAnew();
    },
    calm(maxMs) {
      factor = 1;
      longest = maxMs;
      drawAnew();
    },
  };
}
