// Proposals on their way: each ends in exactly one outcome, told once.
//
//   open ──▶ queued ──turn of the loop──▶ proposed ──▶ appended at (index, term) ──▶ applied · overwritten
//
// A proposal that was appended and then cut from this member's log is not yet lost: another member may still hold it, be elected
// and commit it. It is certain not to be applied only when another entry is applied in its place.
//
// Those of one turn of the loop become one event, one write and one message per follower, up to a limit. While some are on their way,
// the next ones gather: until those are applied, or for a moment, or until they are many. So alone a proposal goes at once, and under
// load few large batches go, which cost less than many small ones.
import { present } from '../../core/assert.ts';
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ProposalOutcome } from '../raft-group.ts';

export type ProposalRefusal = Extract<ProposalOutcome, { outcome: 'notApplied' }>['reason'];

export interface Batch {
  readonly ticket: number;
  readonly payloads: readonly Uint8Array[];
  readonly bytes: number;
}

export interface Proposals {
  /** `done` is called exactly once, never synchronously. Its time runs from now. */
  open(payload: Uint8Array, timeoutMs: Millis, done: (outcome: ProposalOutcome) => void): void;
  /** Like `open`, but it is known already that it cannot be. */
  refuse(done: (outcome: ProposalOutcome) => void, reason: ProposalRefusal, leader: BrokerId | null): void;
  /** The batch with this ticket became the entries from `first` on. Returns what they carry. */
  appended(ticket: number, first: LogIndex, term: Term): readonly Uint8Array[];
  /** The batch with this ticket was not appended. */
  refused(ticket: number, reason: ProposalRefusal, leader: BrokerId | null): void;
  /** The entry at `index` was applied, and has this term. */
  applied(index: LogIndex, term: Term, leader: BrokerId | null): void;
  stop(): void;
}

const { gatherMs, gatherBytes } = limits.raft;

interface Proposal {
  readonly payload: Uint8Array;
  settle(outcome: ProposalOutcome): void;
}

export function createProposals(clock: Clock, begin: (batch: Batch) => void): Proposals {
  const open = new Set<Proposal>();
  let queued: Proposal[] = [];
  const proposed = new Map<number, readonly Proposal[]>();
  const appended = new Map<LogIndex, { readonly term: Term; readonly proposal: Proposal }[]>();
  /** Appended, and not settled yet. */
  let underWay = 0;
  let queuedBytes = 0;
  let gathering: Timer | null = null;
  let flushing = false;
  let nextTicket = 1;
  let stopped = false;

  function add(proposal: Proposal): void {
    queued.push(proposal);
    queuedBytes += proposal.payload.length;
    if (flushing) return;
    if (underWay === 0 || queuedBytes >= gatherBytes) flushSoon();
    else gathering ??= clock.after(gatherMs, flushSoon);
  }

  /** With whatever else comes in this turn. */
  function flushSoon(): void {
    gathering?.cancel();
    gathering = null;
    if (flushing || queued.length === 0) return;
    flushing = true;
    clock.defer(flush);
  }

  function flush(): void {
    flushing = false;
    if (stopped) return;
    const waiting = queued;
    queued = [];
    queuedBytes = 0;
    for (const batch of batches(waiting)) {
      const ticket = nextTicket++;
      proposed.set(ticket, batch);
      const payloads = batch.map(({ payload }) => payload);
      begin({ ticket, payloads, bytes: payloads.reduce((sum, { length }) => sum + length, 0) });
    }
  }

  function take(ticket: number): readonly Proposal[] {
    const batch = present(proposed.get(ticket), () => `ticket ${ticket} was proposed, and is answered once`);
    proposed.delete(ticket);
    return batch;
  }

  function create(payload: Uint8Array, timeoutMs: Millis, done: (outcome: ProposalOutcome) => void): Proposal {
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
  }

  return {
    open(payload, timeoutMs, done) {
      add(create(payload, timeoutMs, done));
    },
    refuse(done, reason, leader) {
      clock.defer(() => done({ outcome: 'notApplied', reason, leader }));
    },
    appended(ticket, first, term) {
      const batch = take(ticket);
      batch.forEach((proposal, at) => {
        const here = appended.get(first + at);
        if (here === undefined) appended.set(first + at, [{ term, proposal }]);
        else here.push({ term, proposal });
      });
      underWay += batch.length;
      return batch.map(({ payload }) => payload);
    },
    refused(ticket, reason, leader) {
      for (const proposal of take(ticket)) proposal.settle({ outcome: 'notApplied', reason, leader });
    },
    applied(index, term, leader) {
      const here = appended.get(index);
      if (here === undefined) return;
      appended.delete(index);
      underWay -= here.length;
      for (const { term: proposedIn, proposal } of here) {
        if (proposedIn === term) proposal.settle({ outcome: 'applied', index });
        else proposal.settle({ outcome: 'notApplied', reason: 'overwritten', leader });
      }
      if (underWay === 0) flushSoon();
    },
    stop() {
      stopped = true;
      gathering?.cancel();
      for (const proposal of queued) proposal.settle({ outcome: 'notApplied', reason: 'stopped', leader: null });
      for (const proposal of [...open]) proposal.settle({ outcome: 'unknown', reason: 'stopped' });
      queued = [];
      proposed.clear();
      appended.clear();
    },
  };
}

/** In order, each within the limits of one event; a single larger proposal travels alone. */
function batches(proposals: readonly Proposal[]): Proposal[][] {
  const { proposeEntriesMax, appendBytesMax } = limits.raft;
  const all: Proposal[][] = [];
  let batch: Proposal[] = [];
  let bytes = 0;
  for (const proposal of proposals) {
    if (batch.length === proposeEntriesMax || (batch.length > 0 && bytes + proposal.payload.length > appendBytesMax)) {
      all.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(proposal);
    bytes += proposal.payload.length;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}
