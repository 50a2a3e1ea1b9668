// Changes of membership that were asked for here: each ends in one outcome, told once, like a proposal's.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { MembershipOutcome } from '../raft-group.ts';

type Refusal = Extract<MembershipOutcome, { outcome: 'notChanged' }>;
type Done = (outcome: MembershipOutcome) => void;

export interface Changes {
  /** `begin` is called with its ticket in a later turn; `done` once, after that. */
  open(timeoutMs: Millis, begin: (ticket: number) => void, done: Done): void;
  appended(ticket: number, index: LogIndex, term: Term): void;
  refused(ticket: number, reason: Refusal['reason'], detail: string, leader: BrokerId | null): void;
  /** The entry at `index` was applied, and has this term. */
  applied(index: LogIndex, term: Term, leader: BrokerId | null): void;
  stop(): void;
}

interface Change {
  settle(outcome: MembershipOutcome): void;
}

export function createChanges(clock: Clock): Changes {
  const open = new Map<number, Change>();
  const appended = new Map<LogIndex, { readonly term: Term; readonly change: Change }>();
  let nextTicket = 1;
  let stopped = false;

  function create(ticket: number, timeoutMs: Millis, done: Done): Change {
    let timer: Timer | null = null;
    const change: Change = {
      settle(outcome) {
        if (!open.delete(ticket)) return;
        timer?.cancel();
        done(outcome);
      },
    };
    open.set(ticket, change);
    timer = clock.after(timeoutMs, () => change.settle({ outcome: 'unknown' }));
    return change;
  }

  return {
    open(timeoutMs, begin, done) {
      const ticket = nextTicket++;
      create(ticket, timeoutMs, done);
      clock.defer(() => {
        if (!stopped) begin(ticket);
      });
    },
    appended(ticket, index, term) {
      const change = open.get(ticket);
      if (change !== undefined) appended.set(index, { term, change });
    },
    refused(ticket, reason, detail, leader) {
      open.get(ticket)?.settle({ outcome: 'notChanged', reason, detail, leader });
    },
    applied(index, term, leader) {
      const here = appended.get(index);
      if (here === undefined) return;
      appended.delete(index);
      if (here.term === term) here.change.settle({ outcome: 'changed', index });
      else here.change.settle({ outcome: 'notChanged', reason: 'overwritten', detail: '', leader });
    },
    stop() {
      stopped = true;
      for (const change of [...open.values()]) change.settle({ outcome: 'unknown' });
      appended.clear();
    },
  };
}
