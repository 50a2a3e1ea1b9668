// Proposals on their way: each ends in exactly one outcome, told once.
//
// A proposal that was appended and then cut from this member's log is not yet lost: another member may still hold it, be elected
// and commit it. It is certain not to be applied only when another entry is applied in its place.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ProposalOutcome } from '../raft-group.ts';

export interface Proposal {
  readonly payload: Uint8Array;
  settle(outcome: ProposalOutcome): void;
}

export interface Proposals {
  /** A new one, not yet appended. Its time runs from now. */
  open(payload: Uint8Array, timeoutMs: Millis, done: (outcome: ProposalOutcome) => void): Proposal;
  /** It became the entry (index, term). */
  appended(proposal: Proposal, index: LogIndex, term: Term): void;
  /** The entry at `index` was applied, and has this term. */
  applied(index: LogIndex, term: Term, leader: BrokerId | null): void;
  stop(): void;
}

export function createProposals(clock: Clock): Proposals {
  const open = new Set<Proposal>();
  const appended = new Map<LogIndex, { readonly term: Term; readonly proposal: Proposal }[]>();

  return {
    open(payload, timeoutMs, done) {
      let timer: Timer | null = null;
      const proposal: Proposal = {
        payload,
        settle(outcome) {
          if (!open.delete(proposal)) return;
          timer?.cancel();
          done(outcome);
        },
      };
      open.add(proposal);
      timer = clock.after(timeoutMs, () => proposal.settle({ outcome: 'unknown', reason: 'timeout' }));
      return proposal;
    },
    appended(proposal, index, term) {
      const here = appended.get(index);
      if (here === undefined) appended.set(index, [{ term, proposal }]);
      else here.push({ term, proposal });
    },
    applied(index, term, leader) {
      const here = appended.get(index);
      if (here === undefined) return;
      appended.delete(index);
      for (const { term: proposedIn, proposal } of here) {
        if (proposedIn === term) proposal.settle({ outcome: 'applied', index });
        else proposal.settle({ outcome: 'notApplied', reason: 'overwritten', leader });
      }
    },
    stop() {
      for (const proposal of [...open]) proposal.settle({ outcome: 'unknown', reason: 'stopped' });
      appended.clear();
    },
  };
}
