// A leader's decisions: each takes what happened, then `advance` draws the consequences in one order, whatever it was.
import { assert } from '../../core/assert.ts';
import type { Millis } from '../../core/ids.ts';
import { type Decision, NOT_LEADING, type Outcome, type RaftContext } from './context.ts';
import { apply, type RaftEffect } from './effects.ts';
import { noteDurable } from './following.ts';
import { extend } from './log-view.ts';
import { matched, newProgress, type Progress, reconnected, weighed } from './progress.ts';
import { answerReads, beginRound } from './reads.ts';
import { afterLoss, afterRefusal, committable, replicate, withoutCommitted } from './replication.ts';

/** Commits what may be, sends on what there is to send, answers the reads that may be answered. */
function advance(context: RaftContext, at: Millis): Outcome {
  const effects: RaftEffect[] = [];
  const commit = committable(context);
  let after = context;
  if (commit > context.commit) {
    effects.push(apply(commit));
    after = { ...context, ...withoutCommitted(context, commit), commit };
  }
  const progress = replicate(after, at, effects);
  const reads = answerReads(after, effects);
  const { durable, uncommitted, uncommittedBytes } = after;
  return { changes: { durable, commit, progress, reads, uncommitted, uncommittedBytes }, effects };
}

function advanceWith(context: RaftContext, peer: string, progress: Progress, at: Millis): Outcome {
  return advance({ ...context, progress: { ...context.progress, [peer]: progress } }, at);
}

/** §6.4, §3.6.2: a new leader's first entry is empty: with it everything before it is committed, without waiting for a client. */
export const beginTerm: Decision = (context, { at }) => {
  const { self, term, peers } = context;
  const first = context.log.lastIndex + 1;
  const log = extend(context.log, term, 1);
  const unknown = Object.fromEntries(peers.map((peer) => [peer, newProgress(first, at)]));
  const effects: RaftEffect[] = [{ type: 'append', params: { first, last: first, term, source: 'noop' } }];
  const progress = replicate({ ...context, log, progress: unknown }, at, effects);
  return { changes: { ...NOT_LEADING, leader: self, log, termStart: first, progress }, effects };
};

/** Leadership is over: reads that wait can no longer be proven here. */
export const retire: Decision = ({ reads }) => ({
  changes: NOT_LEADING,
  effects: reads.length === 0 ? [] : [{ type: 'refuseReads', params: { reads: reads.map(({ read }) => read) } }],
});

export const appendProposal: Decision = (context, event) => {
  if (event.type !== 'propose') return {};
  const { count, bytes, at } = event;
  const { term } = context;
  assert(count > 0, 'a proposal has at least one entry');
  const log = extend(context.log, term, count);
  const extent = { first: context.log.lastIndex + 1, last: log.lastIndex };
  const effects: RaftEffect[] = [{ type: 'append', params: { ...extent, term, source: 'proposal' } }];
  const progress = replicate({ ...context, log }, at, effects);
  const uncommitted = [...context.uncommitted, { last: extent.last, bytes }];
  return { changes: { log, progress, uncommitted, uncommittedBytes: context.uncommittedBytes + bytes }, effects };
};

/** The limit's answer, so that a leader cut off from its quorum does not grow without end. */
export const refuseOverLimit: Decision = (_context, event) =>
  event.type === 'propose' ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'uncommittedLimit' } }] } : {};

export const countOwnSync: Decision = (context, event) => {
  const { changes } = noteDurable(context, event);
  return changes === undefined ? {} : advance({ ...context, ...changes }, event.at);
};

export const takeAppendReply: Decision = (context, event) => {
  if (event.type !== 'appendReply') return {};
  const { from, rejected, index, at } = event;
  const known = context.progress[from];
  if (known === undefined) return {};
  assert(rejected || index <= context.log.lastIndex, `${from} holds entry ${index} of this term, which ends at ${context.log.lastIndex}`);
  const progress = rejected ? { ...afterRefusal(context, known, event), heardAt: at } : matched(known, index, at);
  return advanceWith(context, from, progress, at);
};

export const takeHeartbeatReply: Decision = (context, event) => {
  if (event.type !== 'heartbeatReply') return {};
  const { from, round, at } = event;
  const known = context.progress[from];
  if (known === undefined) return {};
  const progress = afterLoss(known, at, context.options.electionMinMs);
  return advanceWith(context, from, { ...progress, heardAt: at, round: Math.max(known.round, round) }, at);
};

/** Whatever was on its way to the peer is gone with the old connection. */
export const beginAnewWith: Decision = (context, event) => {
  const known = event.type === 'peer.opened' ? context.progress[event.peer] : undefined;
  if (event.type !== 'peer.opened' || known === undefined) return {};
  return advanceWith(context, event.peer, reconnected(known), event.at);
};

/** The actor has weighed a message, or sent less than it said. */
export const takeWeight: Decision = (context, event) => {
  if (event.type !== 'append.sent' || event.term !== context.term) return {};
  const known = context.progress[event.peer];
  if (known === undefined) return {};
  return advanceWith(context, event.peer, weighed(known, event.lastIndex, event.bytes), event.at);
};

/** All groups beat together. Each beat is a round: its answers prove leadership. */
export const beat: Decision = (context) => {
  const round = context.round + 1;
  return { changes: { round }, effects: beginRound(context, round) };
};

/** A read is bound to a round that begins now. Alone in the group, a leader has proved it already. */
export const askRound: Decision = (context, event) => {
  if (event.type !== 'read') return {};
  const round = context.round + 1;
  const effects = beginRound(context, round);
  const reads = answerReads({ ...context, round, reads: [...context.reads, { read: event.read, round }] }, effects);
  return { changes: { round, reads }, effects };
};
