// When this process itself stood still: what it did not hear then is no silence of others.
import type { Millis } from '../../core/ids.ts';

interface Stall {
  readonly endedAt: Millis;
  readonly ms: Millis;
}

export interface Stalls {
  /** A tick that was due at `dueAt` comes at `at`. @returns how late it is; 0 where that is the usual unpunctuality. */
  ticked(dueAt: Millis, at: Millis): Millis;
  /** Of the time from `since` to `at`, what was spent standing still; `dueAt`: the next tick's. */
  within(since: Millis, at: Millis, dueAt: Millis): Millis;
}

/** Older ones explain no silence that anybody still waits in. */
const REMEMBERED_MS: Millis = 60_000;

/** @param toleratedMs lateness up to this is none. */
export function createStalls(toleratedMs: Millis): Stalls {
  let stalls: Stall[] = [];
  const lateness = (dueAt: Millis, at: Millis): Millis => (at - dueAt > toleratedMs ? at - dueAt : 0);

  return {
    ticked(dueAt, at) {
      const ms = lateness(dueAt, at);
      if (ms > 0) stalls = [...stalls.filter(({ endedAt }) => at - endedAt < REMEMBERED_MS), { endedAt: at, ms }];
      return ms;
    },
    within(since, at, dueAt) {
      let sum = Math.min(lateness(dueAt, at), at - since);
      for (const { endedAt, ms } of stalls) if (endedAt > since) sum += Math.min(ms, endedAt - since);
      return Math.min(sum, at - since);
    },
  };
}
