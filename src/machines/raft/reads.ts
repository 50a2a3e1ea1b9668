// Linearizable reads without writing (ReadIndex, §6.4; leases, §6.4.1), and the leader's own doubt (check-quorum, §6.2).
//
// Any member may ask: one that does not lead asks the leader for the index that it must have applied.
//
// Invariants
//   1. A read is answered only after a quorum has answered heartbeats of a round that began after the read was asked for; or, with
//      leases, while a quorum that answered a round cannot have taken part in another election since that began.
//   2. It is answered only when an entry of the leader's own term is committed: before that the leader does not know what is.
//   3. A leader that a quorum has not answered for the longest election timeout steps down; its reads are refused.
//   4. The index of a read holds for that read whatever happens next: an answer that comes late is still true.
import type { BrokerId, Millis } from '../../core/ids.ts';
import type { Decision, Leadership, PendingRead, RaftContext } from './context.ts';
import { type RaftEffect, send } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { inForce } from './membership.ts';
import type { Progress } from './progress.ts';
import { reachedByQuorum } from './quorum.ts';
import { heartbeat } from './replication.ts';

/** How much of the shortest election timeout a lease lasts: clocks may differ in speed by the rest. */
const LEASE_SHARE = 0.8;

/** A heartbeat of this round to each of `peers`. */
export function beginRound(
  context: RaftContext,
  { progress }: Leadership,
  round: number,
  peers: readonly BrokerId[] = context.peers,
): RaftEffect[] {
  const effects: RaftEffect[] = [];
  for (const peer of peers) {
    const known = progress[peer];
    if (known !== undefined) effects.push(heartbeat(context, peer, known, round));
  }
  return effects;
}

/** What a quorum has reached, each member by its `valueOf`; whoever is in doubt has reached nothing. */
function reached(
  { self, configurations }: RaftContext,
  { progress }: Leadership,
  own: number,
  valueOf: (known: Progress) => number,
): number {
  return reachedByQuorum(inForce(configurations).configuration, (voter) => {
    if (voter === self) return own;
    const known = progress[voter];
    return known === undefined || known.doubt !== null ? Number.NEGATIVE_INFINITY : valueOf(known);
  });
}

/** The answers to reads that may be answered at `commit`, here or where they were asked. */
function answersTo({ self, term, commit }: RaftContext, ready: readonly PendingRead[]): RaftEffect[] {
  const effects: RaftEffect[] = [];
  const own = ready.filter(({ from }) => from === self).map(({ read }) => read);
  if (own.length > 0) effects.push({ type: 'answerReads', params: { reads: own, index: commit } });
  for (const { read, from } of ready)
    if (from !== self) effects.push(send({ type: 'readIndexReply', from: self, to: from, term, read, index: commit }));
  return effects;
}

/** Answers what may be answered, and gives what still waits. */
export function answerReads(context: RaftContext, leadership: Leadership, effects: RaftEffect[]): Leadership['reads'] {
  const { reads, termStart, round } = leadership;
  if (reads.length === 0 || context.commit < termStart) return reads;
  const proven = reached(context, leadership, round, (known) => known.round);
  const ready = reads.filter((read) => read.round <= proven);
  if (ready.length === 0) return reads;
  effects.push(...answersTo(context, ready));
  return reads.filter((read) => read.round > proven);
}

/** Leadership is over: what waits is refused, here or where it was asked. */
export function refuseAll({ self, term }: RaftContext, reads: readonly PendingRead[]): RaftEffect[] {
  const effects: RaftEffect[] = [];
  const own = reads.filter(({ from }) => from === self).map(({ read }) => read);
  if (own.length > 0) effects.push({ type: 'refuseReads', params: { reads: own } });
  for (const { read, from } of reads)
    if (from !== self) effects.push(send({ type: 'readIndexReply', from: self, to: from, term, read, index: null }));
  return effects;
}

// ---------------------------------------------------------------- leases

/** The round that began at `at`, to be remembered until it is proven; only leases ask for that. */
export function withRound({ options }: RaftContext, rounds: Leadership['rounds'], round: number, at: Millis) {
  return options.leaseReads ? [...rounds, { round, at }] : rounds;
}

/** When the newest round began that this follower has answered. */
export function provenAt(known: Progress, rounds: Leadership['rounds'], round: number): Millis {
  return rounds.findLast((started) => started.round <= round)?.at ?? known.provenAt;
}

/** Can a quorum not have elected anybody else by now? */
export function holdsLease(context: RaftContext, leadership: Leadership, at: Millis): boolean {
  if (!context.options.leaseReads || leadership.leaseBroken || leadership.transfer !== null) return false;
  if (context.commit < leadership.termStart) return false;
  const since = reached(context, leadership, at, (known) => known.provenAt);
  return at - since < LEASE_SHARE * context.options.electionMinMs;
}

/** Rounds older than a lease prove nothing any more. */
export function freshRounds({ options }: RaftContext, rounds: Leadership['rounds'], at: Millis): Leadership['rounds'] {
  const first = rounds.findIndex((started) => at - started.at < options.electionMinMs);
  if (first === 0 || rounds.length === 0) return rounds;
  return first === -1 ? [] : rounds.slice(first);
}

/** At once, on the strength of the lease. */
export const answerByLease = (context: RaftContext, read: Omit<PendingRead, 'round'>): RaftEffect[] =>
  answersTo(context, [{ ...read, round: 0 }]);

// ---------------------------------------------------------------- check-quorum

/** Has a quorum, the leader among it, been silent for the longest election timeout? */
export function quorumIsSilent(context: RaftContext, event: RaftEvent): boolean {
  const { self, configurations, leadership, options } = context;
  if (leadership === null) return false;
  const limit = Math.max(options.electionMaxMs, event.type === 'beat' ? (event.patience ?? 0) : 0);
  const lastHeard = reachedByQuorum(inForce(configurations).configuration, (voter) => {
    if (voter === self) return event.at;
    const known = leadership.progress[voter];
    return known === undefined || known.doubt !== null ? Number.NEGATIVE_INFINITY : answeredAt(known, voter, event);
  });
  return event.at - lastHeard > limit;
}

/** When the follower last answered, be it by its broker's answer to a pulse. Time in which this process stood still is no silence. */
export function answeredAt({ heardAt }: Progress, peer: BrokerId, event: RaftEvent): Millis {
  if (event.type !== 'beat') return heardAt;
  const vouchedAt = event.vouched?.[peer]?.at ?? heardAt;
  return Math.min(event.at, Math.max(heardAt, vouchedAt) + (event.stalledMs ?? 0));
}

/** Has the leader's disk not answered for too long? It might lead for ever, and commit nothing by itself. */
export function diskHangs({ options }: RaftContext, event: RaftEvent): boolean {
  return event.type === 'beat' && (event.diskPendingMs ?? 0) > options.diskPatienceMs;
}

// ---------------------------------------------------------------- members that do not lead

/** Is there a leader to ask? */
export function mayAskLeader({ leader, self }: RaftContext): boolean {
  return leader !== null && leader !== self;
}

export const askLeader: Decision = ({ self, term, leader }, event) =>
  event.type === 'read' && leader !== null
    ? { effects: [send({ type: 'readIndex', from: self, to: leader, term, read: event.read })] }
    : {};

export const refuseRead: Decision = (_context, event) =>
  event.type === 'read' ? { effects: [{ type: 'refuseReads', params: { reads: [event.read] } }] } : {};

/** Only a leader knows what is committed. */
export const refuseReadIndex: Decision = ({ self, term }, event) =>
  event.type === 'readIndex'
    ? { effects: [send({ type: 'readIndexReply', from: self, to: event.from, term, read: event.read, index: null })] }
    : {};

export const takeReadAnswer: Decision = (_context, event) => {
  if (event.type !== 'readIndexReply') return {};
  const reads = [event.read];
  const { index } = event;
  return {
    effects: [
      index === null ? { type: 'refuseReads', params: { reads } } : { type: 'answerReads', params: { reads, index } },
    ],
  };
};
