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
import { apply, type RaftEffect } from './effects.ts';
import { noteDurable } from './following.ts';
import { extend } from './log-view.ts';
import { matched, newProgress, type Progress, reconnected, weighed } from './progress.ts';
import { answeredAt, answerReads, beginRound } from './reads.ts';
import { afterTransfer } from './snapshot.ts';
import { afterLoss, afterRefusal, committable, replicate, withoutCommitted } from './replication.ts';

const leadershipOf = ({ leadership }: RaftContext): Leadership => present(leadership, 'a leader has a leadership');

/** Commits what may be, sends on what there is to send, answers the reads that may be answered. */
function advance(context: RaftContext, leadership: Leadership, at: Millis): Outcome {
  const effects: RaftEffect[] = [];
  const commit = committable(context, leadership.progress);
  let after = context;
  let kept = leadership;
  if (commit > context.commit) {
    effects.push(apply(commit));
    after = { ...context, commit };
    kept = withoutCommitted(leadership, commit);
  }
  const progress = replicate(after, kept.progress, at, effects);
  const reads = answerReads(after, kept, effects);
  return { changes: { durable: context.durable, commit, leadership: { ...kept, progress, reads } }, effects };
}

/** The consequences of what was learnt of one follower. */
function advanceWith(context: RaftContext, peer: string, progress: Progress, at: Millis): Outcome {
  const leadership = leadershipOf(context);
  return advance(context, { ...leadership, progress: { ...leadership.progress, [peer]: progress } }, at);
}

/** Appends the term's first entry, which is empty. */
export const beginTerm: Decision = (context, { at }) => {
  const { self, term, peers } = context;
  const first = context.log.lastIndex + 1;
  const log = extend(context.log, term, 1);
  const effects: RaftEffect[] = [{ type: 'append', params: { first, last: first, term, source: 'noop' } }];
  const unknown = Object.fromEntries(peers.map((peer) => [peer, newProgress(first, at)]));
  const progress = replicate({ ...context, log }, unknown, at, effects);
  const leadership = { progress, termStart: first, round: 0, reads: [], uncommitted: [], uncommittedBytes: 0 };
  return { changes: { leader: self, log, leadership }, effects };
};

/** Leadership is over: reads that wait can no longer be proven here. */
export const retire: Decision = (context) => {
  const reads = leadershipOf(context).reads.map(({ read }) => read);
  return {
    changes: { leadership: null },
    effects: reads.length === 0 ? [] : [{ type: 'refuseReads', params: { reads } }],
  };
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
  const progress = replicate({ ...context, log }, leadership.progress, at, effects);
  const uncommitted = [...leadership.uncommitted, { last, bytes }];
  const uncommittedBytes = leadership.uncommittedBytes + bytes;
  return { changes: { log, leadership: { ...leadership, progress, uncommitted, uncommittedBytes } }, effects };
};

export const refuseOverLimit: Decision = (_context, event) =>
  event.type === 'propose'
    ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'uncommittedLimit' } }] }
    : {};

export const countOwnSync: Decision = (context, event) => {
  const { changes } = noteDurable(context, event);
  return changes === undefined ? {} : advance({ ...context, ...changes }, leadershipOf(context), event.at);
};

export const takeAppendReply: Decision = (context, event) => {
  if (event.type !== 'appendReply') return {};
  const { from, rejected, index, at } = event;
  const known = leadershipOf(context).progress[from];
  if (known === undefined) return {};
  assert(
    rejected || index <= context.log.lastIndex,
    `${from} holds entry ${index} of this term, which ends at ${context.log.lastIndex}`,
  );
  const progress = rejected ? { ...afterRefusal(context, known, event), heardAt: at } : matched(known, index, at);
  return advanceWith(context, from, progress, at);
};

export const takeHeartbeatReply: Decision = (context, event) => {
  if (event.type !== 'heartbeatReply') return {};
  const { from, round, at } = event;
  const known = leadershipOf(context).progress[from];
  if (known === undefined) return {};
  const progress = afterLoss(known, at, context.options.electionMinMs);
  return advanceWith(context, from, { ...progress, heardAt: at, round: Math.max(known.round, round) }, at);
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
  const { changes = {}, effects = [] } = advanceWith(context, event.peer, progress, event.at);
  return { changes, effects: [...told, ...effects] };
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
    if (kept !== known || heardAt !== known.heardAt) progress = { ...progress, [peer]: { ...kept, heardAt } };
  }
  const leadership = { ...before, progress, round };
  if (progress === before.progress) return { changes: { leadership }, effects: heartbeats };
  const { changes = {}, effects = [] } = advance(context, leadership, event.at);
  return { changes, effects: [...heartbeats, ...effects] };
};

/** A read is bound to a round that begins now. Alone in the group, a leader has proved it already. */
export const askRound: Decision = (context, event) => {
  if (event.type !== 'read') return {};
  const leadership = leadershipOf(context);
  const round = leadership.round + 1;
  const effects = beginRound(context, leadership, round);
  const asked = { ...leadership, round, reads: [...leadership.reads, { read: event.read, round }] };
  return { changes: { leadership: { ...asked, reads: answerReads(context, asked, effects) } }, effects };
};
