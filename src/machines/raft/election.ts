// Elections (§3.4, §3.6, §9.6 of the dissertation; etcd/raft for pre-vote together with check-quorum).
//
// Invariants
//   1. At most one vote per term, durable before the answer leaves: the answer waits for the write (`synced`).
//   2. A vote goes only to a log at least as up to date as one's own.
//   3. A pre-vote changes nothing at anybody. Only a quorum of them lets a term begin.
//   4. Who heard a leader within the minimum timeout refuses votes and pre-votes alike: a member that was cut off cannot depose a
//      leader that the others hear.
import type { Millis } from '../../core/ids.ts';
import { type Decision, drawHintDelay, drawTimeout, type Outcome, type RaftContext } from './context.ts';
import type { RaftEffect } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { isUpToDate, lastTerm } from './log-view.ts';
import type { PreVote, RaftMessage, Vote } from './messages.ts';

export const send = (message: RaftMessage, when: 'now' | 'synced' = 'now'): RaftEffect => ({ type: 'send', params: { message, when } });

const persist = (context: Pick<RaftContext, 'term' | 'votedFor'>): RaftEffect => ({
  type: 'persist',
  params: { hard: { term: context.term, votedFor: context.votedFor } },
});

/** Is a leader known and was it heard within the minimum election timeout? */
export function leaderIsWell(context: RaftContext, at: Millis): boolean {
  return context.leader !== null && at - context.heardAt < context.options.electionMinMs;
}

/** Has the timer fired too early, because the leader was heard since it was started? */
export function heardWithinTimeout(context: RaftContext, at: Millis): boolean {
  return at - context.heardAt < context.electionTimeout;
}

/** The timer waits for the rest of the timeout. */
export const waitOn: Decision = (context, { at }) => ({ changes: { timerDelay: context.heardAt + context.electionTimeout - at } });

export const redraw: Decision = (context) => ({ changes: drawTimeout(context) });

/** A leader that nobody answers: a follower of nobody. */
export const stepDown: Decision = (context) => ({ changes: { leader: null, ...drawTimeout(context) } });

/** A message of a newer term was seen: join it, without a vote and without a leader yet. */
export const adoptTerm: Decision = (context, event) => {
  if (!('term' in event)) return {};
  const adopted = { term: event.term, votedFor: null, leader: null };
  return { changes: { ...adopted, refused: null, ...drawTimeout(context) }, effects: [persist(adopted)] };
};

export const askForPreVotes: Decision = (context) => {
  const { self, peers, term, log } = context;
  const request = { type: 'preVote', from: self, term: term + 1, lastIndex: log.lastIndex, lastTerm: lastTerm(log) } as const;
  return {
    changes: { votes: { [self]: true }, leader: null, ...drawTimeout(context) },
    effects: peers.map((to) => send({ ...request, to })),
  };
};

/** The own vote counts at once: requests leave only after it is durable, so no answer can come before. */
export const askForVotes: Decision = (context) => {
  const { self, peers, log } = context;
  const term = context.term + 1;
  const request = { type: 'vote', from: self, term, lastIndex: log.lastIndex, lastTerm: lastTerm(log) } as const;
  return {
    changes: { term, votedFor: self, votes: { [self]: true }, leader: null, refused: null, ...drawTimeout(context) },
    effects: [persist({ term, votedFor: self }), ...peers.map((to) => send({ ...request, to }, 'synced'))],
  };
};

export const noteVote: Decision = (context, event) => ({ changes: { votes: votesWith(context, event) } });

function votesWith(context: RaftContext, event: RaftEvent): Readonly<Record<string, boolean>> {
  const isReply = event.type === 'voteReply' || event.type === 'preVoteReply';
  return isReply ? { ...context.votes, [event.from]: event.granted } : context.votes;
}

export function wins(context: RaftContext, event: RaftEvent): boolean {
  return Object.values(votesWith(context, event)).filter((granted) => granted).length >= context.quorum;
}

export function loses(context: RaftContext, event: RaftEvent): boolean {
  const members = context.peers.length + 1;
  return Object.values(votesWith(context, event)).filter((granted) => !granted).length > members - context.quorum;
}

function answerPreVote(context: RaftContext, request: PreVote, granted: boolean): RaftEffect {
  // A granted answer names the term asked for, a refusal the own one, from which a straggler learns it.
  const term = granted ? request.term : context.term;
  return send({ type: 'preVoteReply', from: context.self, to: request.from, term, granted });
}

function wouldVote(context: RaftContext, request: PreVote): boolean {
  return request.term > context.term && isUpToDate(context.log, request.lastIndex, request.lastTerm);
}

/** Any role but the leader's. */
export const considerPreVote: Decision = (context, event) => {
  if (event.type !== 'preVote') return {};
  if (!wouldVote(context, event)) return { effects: [answerPreVote(context, event, false)] };
  if (!leaderIsWell(context, event.at)) return { effects: [answerPreVote(context, event, true)] };
  return { changes: { refused: { request: event, at: event.at } }, effects: [answerPreVote(context, event, false)] };
};

export const refusePreVote: Decision = (context, event) =>
  event.type === 'preVote' ? { effects: [answerPreVote(context, event, false)] } : {};

/** Does this vote request, of the own term, get the vote? */
export function mayVote(context: RaftContext, event: RaftEvent): boolean {
  if (event.type !== 'vote' || event.term !== context.term) return false;
  const free = context.votedFor === event.from || (context.votedFor === null && context.leader === null);
  return free && isUpToDate(context.log, event.lastIndex, event.lastTerm);
}

const answerVote = (context: RaftContext, request: Vote, granted: boolean): RaftEffect =>
  send({ type: 'voteReply', from: context.self, to: request.from, term: context.term, granted }, 'synced');

export const grantVote: Decision = (context, event) => {
  if (event.type !== 'vote') return {};
  const effects: RaftEffect[] = [];
  if (context.votedFor !== event.from) effects.push(persist({ term: context.term, votedFor: event.from }));
  effects.push(answerVote(context, event, true));
  return { changes: { votedFor: event.from, ...drawTimeout(context) }, effects };
};

export const refuseVote: Decision = (context, event) => (event.type === 'vote' ? { effects: [answerVote(context, event, false)] } : {});

/**
 * The leader's process closed its connection: forget that it was heard, and wait a moment only. Who was refused a pre-vote a moment
 * ago, on the strength of this link, is answered anew.
 */
export const followHint: Decision = (context, { at }): Outcome => {
  const { refused, options } = context;
  const changes = { leader: null, heardAt: Number.NEGATIVE_INFINITY, refused: null, ...drawHintDelay(context) };
  const answersAnew = refused !== null && at - refused.at <= options.heartbeatMs && wouldVote(context, refused.request);
  return { changes, effects: answersAnew ? [answerPreVote(context, refused.request, true)] : [] };
};
