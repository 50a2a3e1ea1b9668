// A leader's decisions: each takes in what happened, then `advance` draws the consequences in one order, whatever it was: commit,
// replicate, tell, answer reads. The rules themselves are in replication.ts and reads.ts.
//
// Invariants
//   1. A term begins with an entry of its own (§6.4, §3.6.2): with it everything before is committed, without waiting for a client.
//   2. What is appended and not committed is limited in bytes: a leader cut off from its quorum refuses, it does not grow without end.
//   3. When leadership ends nothing of it is left: reads are refused, what was known of followers is forgotten.
import { assert, present } from '../../core/assert.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { drawTimeout } from './chance.ts';
import type { Decision, Leadership, Outcome, RaftContext } from './context.ts';
import { copyOf, leadershipCopy, withCommit, withLog, withPeer, withProgress } from './copies.ts';
import { apply, type RaftEffect } from './effects.ts';
import { durableAfter } from './following.ts';
import { doubted, isLate, isStale, raisesDoubt, vouchFor } from './doubt.ts';
import { extend } from './log-view.ts';
import { changeTo, inForce, peersIn } from './membership.ts';
import type { AppendReply, HeartbeatReply } from './messages.ts';
import { heard, matched, newProgress, probeFrom, type Progress, proved, reconnected, weighed } from './progress.ts';
import {
  answerByLease,
  answeredAt,
  answerReads,
  beginRound,
  freshRounds,
  holdsLease,
  provenAt,
  refuseAll,
  withRound,
} from './reads.ts';
import {
  appendConfiguration,
  dueConfiguration,
  hasLeft,
  obstacleToChange,
  refused,
  tellSuccessor,
  withoutFormer,
} from './reconfiguring.ts';
import { afterTransfer } from './snapshot.ts';
import { afterLoss, afterRefusal, committable, replicate, withoutCommitted } from './replication.ts';
import { handOver } from './transferring.ts';

const leadershipOf = ({ leadership }: RaftContext): Leadership => present(leadership, 'a leader has a leadership');

/**
 * Commits what may be, changes the membership where that is due, sends on what there is to send, answers the reads that may be
 * answered, hands leadership over.
 */
function advance(before: RaftContext, leadership: Leadership, at: Millis): Outcome {
  const effects: RaftEffect[] = [];
  const commit = committable(before, leadership.progress);
  const hasCommitted = commit > before.commit;
  let context = before;
  let kept = leadership;
  if (hasCommitted) {
    effects.push(apply(commit));
    context = withCommit(before, commit);
    kept = withoutCommitted(leadership, commit);
  }
  const due = dueConfiguration(context, kept);
  if (due !== null) ({ context, leadership: kept } = appendConfiguration(context, kept, due, at, effects));
  const known = leadershipCopy(kept);
  known.progress = replicate(context, kept.progress, at, effects);
  known.reads = answerReads(context, known, effects);
  kept = handOver(context, known, effects);
  if (!hasCommitted) return { changes: changed(context, kept), effects };
  ({ context, leadership: kept } = withoutFormer(context, kept, effects));
  if (!hasLeft(context)) return { changes: changed(context, kept), effects };
  effects.push(...tellSuccessor(context, kept));
  return { changes: changed(context, kept), effects, raise: { type: 'membership.left', at } };
}

const changed = (
  { durable, commit, log, configurations, peers }: RaftContext,
  leadership: Leadership,
): Partial<RaftContext> => ({ durable, commit, log, configurations, peers, leadership });

/** The consequences of what was learnt of one follower. */
function advanceWith(context: RaftContext, peer: string, progress: Progress, at: Millis): Outcome {
  const leadership = leadershipOf(context);
  return advance(context, withProgress(leadership, withPeer(leadership.progress, peer, progress)), at);
}

/** Appends the term's first entry, which is empty. */
export const beginTerm: Decision = (context, { at }) => {
  const { self, term, configurations, commit } = context;
  const peers = peersIn(configurations, self, commit);
  const first = context.log.lastIndex + 1;
  const log = extend(context.log, term, 1);
  const effects: RaftEffect[] = [{ type: 'append', params: { first, last: first, term, source: 'noop' } }];
  const unknown = Object.fromEntries(peers.map((peer) => [peer, newProgress(first, at)]));
  const progress = replicate({ ...context, log, peers }, unknown, at, effects);
  const leadership: Leadership = {
    progress,
    termStart: first,
    round: 0,
    reads: [],
    rounds: [],
    transfer: null,
    leaseBroken: false,
    uncommitted: [],
    uncommittedBytes: 0,
  };
  return { changes: { leader: self, log, peers, leadership }, effects };
};

/** Leadership is over: reads that wait can no longer be proven here. */
export const retire: Decision = (context) => {
  return { changes: { leadership: null }, effects: refuseAll(context, leadershipOf(context).reads) };
};

/** A quorum is silent: nobody leads this term any more, as far as is known. */
export const stepDown: Decision = (context) => ({ changes: { leader: null, ...drawTimeout(context) } });

/** One leader per term: everything rests on it. */
export const refuseRival: Decision = ({ self, term }, event) => {
  assert(false, `term ${term} has two leaders: ${self}, and who sent ${event.type}`);
};

export const appendProposal: Decision = (context, event) => {
  if (event.type !== 'propose') return {};
  const { count, bytes, at } = event;
  assert(count > 0, 'a proposal has at least one entry');
  const { term } = context;
  const leadership = leadershipOf(context);
  const log = extend(context.log, term, count);
  const last = log.lastIndex;
  const effects: RaftEffect[] = [
    { type: 'append', params: { first: context.log.lastIndex + 1, last, term, source: 'proposal' } },
  ];
  const after = leadershipCopy(leadership);
  after.progress = replicate(withLog(context, log), leadership.progress, at, effects);
  after.uncommitted = [...leadership.uncommitted, { last, bytes }];
  after.uncommittedBytes += bytes;
  return { changes: { log, leadership: after }, effects };
};

export const refuseOverLimit: Decision = (_context, event) =>
  event.type === 'propose'
    ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'uncommittedLimit' } }] }
    : {};

export const changeMembership: Decision = (context, event) => {
  if (event.type !== 'changeMembership') return {};
  const leadership = leadershipOf(context);
  const obstacle = obstacleToChange(context, leadership, event);
  if (obstacle !== null) return refused(event.ticket, obstacle.reason, obstacle.detail);
  const configuration = changeTo(inForce(context.configurations).configuration, event.target);
  assert(typeof configuration === 'object', 'what is in the way of a change was asked before');
  const effects: RaftEffect[] = [];
  const after = appendConfiguration(context, leadership, configuration, event.at, effects);
  const progress = replicate(after.context, after.leadership.progress, event.at, effects);
  return { changes: changed(after.context, { ...after.leadership, progress }), effects };
};

export const countOwnSync: Decision = (context, event) => {
  const durable = durableAfter(context, event);
  if (durable === context.durable) return {};
  const after = copyOf(context);
  after.durable = durable;
  return advance(after, leadershipOf(context), event.at);
};

/** A member says for the first time that it may have lost what it acknowledged: an empty entry is to end that (doubt.ts). */
function beginDoubt(context: RaftContext, { from, uncertain = 0 }: AppendReply | HeartbeatReply, at: Millis): Outcome {
  const leadership = leadershipOf(context);
  const first = context.log.lastIndex + 1;
  const log = extend(context.log, context.term, 1);
  const noop: RaftEffect = { type: 'append', params: { first, last: first, term: context.term, source: 'noop' } };
  const effects: RaftEffect[] = [noop];
  const doubtful = { ...leadership.progress, [from]: doubted(uncertain, first, at) };
  const progress = replicate({ ...context, log }, doubtful, at, effects);
  return { changes: { log, leadership: { ...leadership, progress } }, effects };
}

/** A follower has answered; whoever is in doubt and holds what it must is vouched for. */
function advanceAnd(context: RaftContext, peer: BrokerId, progress: Progress, at: Millis): Outcome {
  const outcome = advanceWith(context, peer, progress, at);
  const vouches = vouchFor(context, peer, progress, outcome.changes?.commit ?? context.commit);
  return vouches.length === 0 ? outcome : { ...outcome, effects: [...(outcome.effects ?? []), ...vouches] };
}

/**
 * It does not count, but it tells from where on the member lacks entries: one that is sound, and far behind, gets to the entry that ends
 * the doubt. Where it is old news, the answer to what is sent then sets it right.
 */
function sendAfter(context: RaftContext, known: Progress, event: AppendReply): Progress {
  if (event.rejected) return afterRefusal(context, known, event);
  // It holds all before the log, by a snapshot or without one.
  if (known.state === 'snapshot') return event.index + 1 >= known.next ? probeFrom(known, event.index + 1) : known;
  return event.index >= known.next ? { ...known, next: event.index + 1, probing: false } : known;
}

export const takeAppendReply: Decision = (context, event) => {
  if (event.type !== 'appendReply') return {};
  const { from, rejected, index, at } = event;
  const before = leadershipOf(context).progress[from];
  if (before === undefined) return {};
  if (raisesDoubt(before, event)) return beginDoubt(context, event, at);
  const known = isLate(before, event) ? { ...before, doubt: null } : before;
  if (isStale(known, event)) return advanceAnd(context, from, heard(sendAfter(context, known, event), at), at);
  assert(
    rejected || index <= context.log.lastIndex,
    () => `${from} holds entry ${index} of this term, which ends at ${context.log.lastIndex}`,
  );
  const progress = rejected ? heard(afterRefusal(context, known, event), at) : matched(known, index, at);
  return advanceAnd(context, from, progress, at);
};

export const takeHeartbeatReply: Decision = (context, event) => {
  if (event.type !== 'heartbeatReply') return {};
  const { from, round, at } = event;
  const { progress: table, rounds } = leadershipOf(context);
  const known = table[from];
  if (known === undefined) return {};
  if (raisesDoubt(known, event)) return beginDoubt(context, event, at);
  const kept = afterLoss(known, at, context.options.electionMinMs);
  // It does not count, but it answers: what was lost on the way to it is sent again, and a snapshot where it needs one.
  if (isStale(known, event)) return advanceAnd(context, from, heard(kept, at), at);
  const proven = proved(kept, at, Math.max(known.round, round), provenAt(known, rounds, round));
  return advanceAnd(context, from, proven, at);
};

/** It holds durably what it was vouched for: it counts again. */
export const endDoubt: Decision = (context, event) => {
  if (event.type !== 'vouchReply') return {};
  const known = leadershipOf(context).progress[event.from];
  if (known === undefined || known.doubt?.boot !== event.boot) return {};
  return advanceWith(context, event.from, { ...known, doubt: null, heardAt: event.at }, event.at);
};

/** Whatever was on its way to the peer is gone with the old connection. */
export const beginAnewWith: Decision = (context, event) => {
  if (event.type !== 'peer.opened') return {};
  const known = leadershipOf(context).progress[event.peer];
  return known === undefined ? {} : advanceWith(context, event.peer, reconnected(known), event.at);
};

/** A follower has got a snapshot, or could not be brought one. */
export const noteTransfer: Decision = (context, event) => {
  if (event.type !== 'snapshot.sent' || event.term !== context.term) return {};
  const told: RaftEffect[] = [];
  const known = leadershipOf(context).progress[event.peer];
  const progress = afterTransfer(context, event.peer, known, event, told);
  if (progress === undefined) return {};
  const { effects = [], ...outcome } = advanceWith(context, event.peer, progress, event.at);
  return { ...outcome, effects: [...told, ...effects] };
};

/** The actor has weighed a message, or sent less than it said. */
export const takeWeight: Decision = (context, event) => {
  if (event.type !== 'append.sent' || event.term !== context.term) return {};
  const known = leadershipOf(context).progress[event.peer];
  return known === undefined
    ? {}
    : advanceWith(context, event.peer, weighed(known, event.lastIndex, event.bytes), event.at);
};

/**
 * All groups beat together. Each beat is a round: its answers prove leadership. Followers whose brokers vouch for them need no
 * heartbeat, unless a read waits for a round; but from them, too, messages are missing that were lost.
 */
export const beat: Decision = (context, event) => {
  if (event.type !== 'beat') return {};
  const before = leadershipOf(context);
  const { reads } = before;
  const isVouched = (peer: BrokerId) => event.vouched?.[peer]?.now === true;
  const peers = reads.length > 0 ? context.peers : context.peers.filter((peer) => !isVouched(peer));
  const round = before.round + (peers.length > 0 ? 1 : 0);
  const heartbeats = beginRound(context, before, round, peers);
  let { progress } = before;
  for (const peer of context.peers) {
    const known = progress[peer];
    if (known === undefined) continue;
    const kept = isVouched(peer) ? afterLoss(known, event.at, context.options.electionMinMs) : known;
    const heardAt = answeredAt(known, peer, event);
    const proven = Math.max(known.provenAt, event.vouched?.[peer]?.at ?? known.provenAt);
    if (kept !== known || heardAt !== known.heardAt || proven !== known.provenAt)
      progress = withPeer(progress, peer, proved(kept, heardAt, kept.round, proven));
  }
  const rounds = withRound(context, freshRounds(context, before.rounds, event.at), round, event.at);
  const transfer = before.transfer === null ? null : { ...before.transfer, told: false };
  const leadership = leadershipCopy(before);
  leadership.progress = progress;
  leadership.round = round;
  leadership.rounds = rounds;
  leadership.transfer = transfer;
  if (progress === before.progress && transfer === null) return { changes: { leadership }, effects: heartbeats };
  const { effects = [], ...outcome } = advance(context, leadership, event.at);
  return { ...outcome, effects: [...heartbeats, ...effects] };
};

/** A read is bound to a round that begins now. Alone in the group, or with a lease, a leader has proved it already. */
export const askRound: Decision = (context, event) => {
  if (event.type !== 'read' && event.type !== 'readIndex') return {};
  const { read, at } = event;
  const from = event.type === 'read' ? context.self : event.from;
  const leadership = leadershipOf(context);
  if (holdsLease(context, leadership, at)) return { effects: answerByLease(context, { read, from }) };
  const round = leadership.round + 1;
  const effects = beginRound(context, leadership, round);
  const rounds = withRound(context, leadership.rounds, round, at);
  const asked = leadershipCopy(leadership);
  asked.round = round;
  asked.rounds = rounds;
  asked.reads = [...leadership.reads, { read, from, round }];
  asked.reads = answerReads(context, asked, effects);
  return { changes: { leadership: asked }, effects };
};
