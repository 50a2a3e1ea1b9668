// Why others do not want this broker, and when that is reason enough to end.
//
// Invariants
//   1. A broker that more than half of the others refuse, and that never was one of a majority, has no place here. One that was goes
//      on: then the others are wrong.
//   2. What may pass counts only when it has lasted.
//   3. A broker that more than half of the others of its own cluster do not count as a member any more was removed, and ends.
import type { ErrorCode } from '../../core/errors.ts';
import { VedetteError } from '../../core/errors.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type Objection, PASSING } from './greeting.ts';

export interface Refusals {
  /** @returns why this broker is to end; null: it goes on. */
  refused(peer: BrokerId, objection: Objection, at: Millis): Verdict | null;
  welcomed(peer: BrokerId): void;
  /** Its last word, not long ago, was that it does not want this broker. */
  refuses(peer: BrokerId, at: Millis): boolean;
  /** It is no member any more: what it said does not count. */
  forget(peer: BrokerId): void;
}

export interface Verdict {
  readonly error: VedetteError;
  /** It is no member any more; else it never had a place here. */
  readonly isRemoved: boolean;
}

interface Refusal {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly since: Millis;
  readonly latest: Millis;
}

/** Who is there is called again and again, and refuses as often; one that is started again is away for a while. */
const FRESH_MS: Millis = limits.control.foundersPatienceMs;

const unfit = (message: string, field: string) => new VedetteError('FAILED_PRECONDITION', message, { field });

/** @param others how many there are. */
export function createRefusals(self: BrokerId, others: () => number, warn: (message: string) => void): Refusals {
  const refusals = new Map<BrokerId, Refusal>();
  const welcoming = new Set<BrokerId>();
  const isMajority = (count: number) => count * 2 > others();

  const lasting = ({ code, since, latest }: Refusal): boolean =>
    !PASSING.has(code) || latest - since >= limits.peers.refusalPatienceMs;

  return {
    refused(peer, { code, reason }, at) {
      const before = refusals.get(peer);
      if (before?.reason !== reason) warn(`${peer}: ${reason}`);
      const since = before !== undefined && PASSING.has(before.code) && PASSING.has(code) ? before.since : at;
      refusals.set(peer, { code, reason, since, latest: at });
      const counting = [...refusals.values()].filter(lasting);
      if (isMajority(counting.filter((refusal) => refusal.code === 'NOT_FOUND').length))
        return { error: unfit(`${self} was removed from the cluster: ${reason}`, 'id'), isRemoved: true };
      const wanted = (welcoming.size + 1) * 2 > others() + 1;
      if (wanted || !isMajority(counting.length)) return null;
      const reasons = [...new Set(counting.map((refusal) => refusal.reason))].join('; ');
      return { error: unfit(reasons, 'peers'), isRemoved: false };
    },
    welcomed(peer) {
      refusals.delete(peer);
      welcoming.add(peer);
    },
    refuses: (peer, at) => at - (refusals.get(peer)?.latest ?? Number.NEGATIVE_INFINITY) < FRESH_MS,
    forget(peer) {
      refusals.delete(peer);
      welcoming.delete(peer);
    },
  };
}
