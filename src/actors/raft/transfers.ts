// Leadership on its way to another member: each request ends in one answer, told once.
//
//   asked ──▶ the chart ──▶ that member leads: done  ·  `endTransfer`, another leads, nothing for too long: not
import { unavailable, VedetteError } from '../../core/errors.ts';
import type { BrokerId, GroupId, Millis } from '../../core/ids.ts';
import type { TransferFailure } from '../../machines/raft/effects.ts';
import type { Clock, Timer } from '../../streams/clock.ts';

type Done = (error: Error | null) => void;

export interface Transfers {
  /** `begin` is called in a later turn, `done` once, after that. */
  open(to: BrokerId, begin: () => void, done: Done): void;
  ended(to: BrokerId, reason: TransferFailure): void;
  /** Who leads the group now, as far as this member knows, and whether that is itself. */
  leads(leader: BrokerId | null, self: BrokerId): void;
  stop(): void;
}

const WHY: Readonly<Record<TransferFailure, string>> = {
  notLeader: 'this broker does not lead it',
  notServing: 'its leader has only just begun',
  notVoter: 'it is no voter that could take over',
  replaced: 'leadership is to go to another member instead',
  timedOut: 'it did not take over in time',
  cancelled: 'it was called off',
};

export function createTransfers(group: GroupId, clock: Clock, patienceMs: Millis): Transfers {
  const open = new Map<BrokerId, { readonly dones: Done[]; readonly timer: Timer }>();

  function settle(to: BrokerId, error: Error | null): void {
    const waiting = open.get(to);
    if (waiting === undefined) return;
    open.delete(to);
    waiting.timer.cancel();
    for (const done of waiting.dones) done(error);
  }

  const failure = (to: BrokerId, why: string, code: 'UNAVAILABLE' | 'FAILED_PRECONDITION' = 'UNAVAILABLE') =>
    new VedetteError(code, `leadership of ${group} was not handed to ${to}: ${why}`);

  return {
    open(to, begin, done) {
      const waiting = open.get(to);
      if (waiting !== undefined) waiting.dones.push(done);
      else {
        const timer = clock.after(patienceMs, () => settle(to, failure(to, WHY.timedOut)));
        open.set(to, { dones: [done], timer });
      }
      clock.defer(begin);
    },
    ended(to, reason) {
      settle(to, failure(to, WHY[reason], reason === 'notVoter' ? 'FAILED_PRECONDITION' : 'UNAVAILABLE'));
    },
    leads(leader, self) {
      if (leader === null || leader === self) return;
      for (const to of [...open.keys()]) settle(to, to === leader ? null : failure(to, `${leader} was elected`));
    },
    stop() {
      for (const to of [...open.keys()]) settle(to, unavailable('this broker is stopping'));
    },
  };
}
