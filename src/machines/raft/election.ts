// Elections (§3.4, §3.6, §9.6 of the dissertation; etcd/raft for pre-vote together with check-quorum).
//
// Invariants
//   1. At most one vote per term, durable before the answer leaves: the answer waits for the write (`synced`).
//   2. A vote goes only to a log at least as up to date as one's own.
//   3. A pre-vote changes nothing at anybody. Only a quorum of them lets a term begin.
//   4. Who heard a leader within the minimum timeout refuses votes and pre-votes alike: a member that was cut off cannot depose a
//      leader that the others hear.
//   5. Nobody is stuck for ever in another term: a pre-vote of an older term is refused with the newer term, which the asker adopts;
//      a leader of an older term that reaches anybody is told the newer one (following.ts), and steps down.
import { assert } from '../../core/assert.ts';
import type { Millis } from '../../core/ids.ts';
import { drawHintDelay, drawTimeout } from './chance.ts';
import { type Campaign, type Decision, NEVER, type RaftContext } from './context.ts';
import { persist, type RaftEffect, send } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { isUpToDate, lastTerm } from './log-view.ts';
import type { PreVote, Vote } from './messages.ts';
import { inForce, isVoterIn, votersOf } from './membership.ts';
import { type Tally, tallyOf } from './quorum.ts';

// ---------------------------------------------------------------- waiting for a leader

/** When the leader was last heard, by this member or by its broker's link. */
function leaderHeardAt({ heardAt }: RaftContext, { link }: RaftEvent): Millis {
  return link === undefined ? heardAt : Math.max(heardAt, link.heardAt);
}

const vouchedAt = (context: RaftContext, event: Extract<RaftEvent, { type: 'link.silent' }>): Millis =>
  Math.max(leaderHeardAt(context, event), event.vouchedUntil);

/** How much longer than the shortest timeout the silences are that are usual on the link, just now. */
function allowance({ options }: RaftContext, { link }: RaftEvent): Millis {
  return link === undefined ? 0 : Math.max(0, link.patience - options.electionMinMs);
}

/** Is a leader known and was it heard within the minimum election timeout? One that asks for votes itself leads no more. */
export function leaderIsWell(context: RaftContext, event: RaftEvent): boolean {
  if ((event.type === 'preVote' || event.type === 'vote') && event.from === context.leader) return false;
  const silence = event.at - leaderHeardAt(context, event);
  // What was said to a leader that is not known any more may still hold up its lease.
  const isBound = context.leader !== null || context.options.leaseReads;
  return isBound && silence < context.options.electionMinMs + allowance(context, event);
}

const deadline = (context: RaftContext, event: RaftEvent): Millis =>
  leaderHeardAt(context, event) + context.timer.timeout + allowance(context, event);

/** Has the timer fired too early, because the leader was heard since it was started? */
export function heardWithinTimeout(context: RaftContext, event: RaftEvent): boolean {
  return event.at < deadline(context, event);
}

/** While somebody watches, the timer only makes sure that no mistake of theirs is for ever. */
const WATCHED_TIMEOUTS = 16;

/**
 * The timer waits for the rest of the timeout: in whole milliseconds, and at least one, so that time always moves on. Where the link
 * tells when it falls silent, it need not ask again and again.
 */
export const waitOn: Decision = (context, event) => {
  const { timer, options } = context;
  const rest = Math.max(1, Math.ceil(deadline(context, event) - event.at));
  const delay = event.link?.watched === true ? WATCHED_TIMEOUTS * options.electionMaxMs : rest;
  return { changes: { timer: { ...timer, delay } } };
};

/**
 * What vouched for the leader is gone, but not what it said: the rest of the timeout is waited for, as after a last heartbeat, and
 * votes are refused for as long (invariant 4). Where nothing is left of it the wait is one drawn by chance: all followers may be told
 * at the same moment.
 */
export const noteSilence: Decision = (context, event) => {
  if (event.type !== 'link.silent') return {};
  const { timer } = context;
  const heardAt = vouchedAt(context, event);
  const rest = Math.ceil(heardAt + timer.timeout + allowance(context, event) - event.at);
  return { changes: { heardAt, ...(rest > 0 ? { timer: { ...timer, delay: rest } } : drawHintDelay(context)) } };
};

/** Who does not stand waits for nothing, but its vote may count, and its word to the leader did. */
export const noteVouched: Decision = (context, event) =>
  event.type === 'link.silent' ? { changes: { heardAt: vouchedAt(context, event) } } : {};

/** The same hint for who does not stand: it waits for nothing, and its vote may count at once. */
export const forgetLeader: Decision = () => ({ changes: { leader: null, heardAt: NEVER } });

/** A message of a newer term was seen: join it, without a vote and without a leader yet. */
export const adoptTerm: Decision = (context, event) => {
  if (!('term' in event)) return {};
  assert(event.term > context.term, () => `term ${event.term} is no newer one than ${context.term}`);
  const adopted = { term: event.term, votedFor: null };
  return { changes: { ...adopted, leader: null, refused: null, ...drawTimeout(context) }, effects: [persist(adopted)] };
};

// ---------------------------------------------------------------- asking

/** Whose votes count, beside the own one. */
const rivalsOf = ({ self, configurations }: RaftContext) =>
  votersOf(inForce(configurations).configuration).filter((voter) => voter !== self);

export const askForPreVotes: Decision = (context, { at }) => {
  const { self, term, log } = context;
  const request = {
    type: 'preVote',
    from: self,
    term: term + 1,
    lastIndex: log.lastIndex,
    lastTerm: lastTerm(log),
  } as const;
  return {
    changes: { campaign: { since: at, votes: { [self]: true } }, leader: null, ...drawTimeout(context) },
    effects: rivalsOf(context).map((to) => send({ ...request, to })),
  };
};

/**
 * The own vote counts at once: requests leave only after it is durable, so no answer can come before. Where it suffices alone nobody is
 * waited for, so that it waits for the disk itself: of a leader whose vote a crash takes back others may have heard, and it votes again.
 */
export const askForVotes: Decision = (context, { at, type }) => {
  const { self, log, configurations } = context;
  const term = context.term + 1;
  const suffices = tallyOf(inForce(configurations).configuration, { [self]: true }) === 'won';
  const own = { type: 'voteReply', from: self, to: self, term, granted: true } as const;
  const request = {
    type: 'vote',
    from: self,
    term,
    lastIndex: log.lastIndex,
    lastTerm: lastTerm(log),
    ...(type === 'timeoutNow' ? { transfer: true } : {}),
  } as const;
  return {
    changes: {
      term,
      votedFor: self,
      campaign: { since: at, votes: suffices ? {} : { [self]: true } },
      leader: null,
      refused: null,
      ...drawTimeout(context),
    },
    effects: [
      persist({ term, votedFor: self }),
      ...(suffices ? [send(own, 'synced')] : rivalsOf(context).map((to) => send({ ...request, to }, 'synced'))),
    ],
  };
};

function campaignWith({ campaign }: RaftContext, event: RaftEvent): Campaign {
  const isAnswer = event.type === 'voteReply' || event.type === 'preVoteReply';
  return isAnswer ? { since: campaign.since, votes: { ...campaign.votes, [event.from]: event.granted } } : campaign;
}

export const noteVote: Decision = (context, event) => ({ changes: { campaign: campaignWith(context, event) } });

/** Where the election stands with this answer. */
export function standing(context: RaftContext, event: RaftEvent): Tally {
  return tallyOf(inForce(context.configurations).configuration, campaignWith(context, event).votes);
}

/** Nobody else is asked, or the answers that there are suffice. */
export const isElected = ({ configurations, campaign }: RaftContext): boolean =>
  tallyOf(inForce(configurations).configuration, campaign.votes) === 'won';

/**
 * May it stand for election? Also one that the newest configuration leaves out, until that is known to be committed: it may be the
 * only one that holds it, and needed to commit it (§4.2.2, figure 4.6). Its own vote does not count then.
 */
export function mayStand({ configurations, self, commit }: RaftContext): boolean {
  const { index, configuration } = inForce(configurations);
  const before = index > commit ? configurations.at(-2)?.configuration : undefined;
  return isVoterIn(configuration, self) || (before !== undefined && isVoterIn(before, self));
}

/** Does this answer the pre-vote that is open? A granted one names the term that was asked for, a refusal the own term. */
export function answersPreVote(context: RaftContext, event: RaftEvent): boolean {
  return event.type === 'preVoteReply' && event.term === (event.granted ? context.term + 1 : context.term);
}

// ---------------------------------------------------------------- answering

const answerPreVote = (context: RaftContext, request: PreVote, granted: boolean): RaftEffect =>
  send({
    type: 'preVoteReply',
    from: context.self,
    to: request.from,
    term: granted ? request.term : context.term,
    granted,
  });

function wouldVote(context: RaftContext, request: PreVote): boolean {
  return request.term > context.term && isUpToDate(context.log, request.lastIndex, request.lastTerm);
}

/** Any role but the leader's. */
export const considerPreVote: Decision = (context, event) => {
  if (event.type !== 'preVote') return {};
  if (!wouldVote(context, event)) return { effects: [answerPreVote(context, event, false)] };
  if (!leaderIsWell(context, event)) return { effects: [answerPreVote(context, event, true)] };
  return { changes: { refused: { request: event, at: event.at } }, effects: [answerPreVote(context, event, false)] };
};

/**
 * Of two members with equal logs that ask each other for pre-votes at the same moment, as after the same closed connections, the one
 * with the smaller id goes first: else both would grant, both begin the term, and split its votes. Only while it has just asked, so
 * that it stands in nobody's way if it cannot win.
 */
export function goesFirst({ self, term, log, campaign, options }: RaftContext, event: RaftEvent): boolean {
  if (event.type !== 'preVote' || event.term !== term + 1 || event.from < self) return false;
  const isEqual = event.lastIndex === log.lastIndex && event.lastTerm === lastTerm(log);
  return isEqual && event.at - campaign.since < options.heartbeatMs;
}

/** A leader would step down by itself if a quorum did not hear it; and a member that goes first wants others to wait. */
export const refusePreVote: Decision = (context, event) =>
  event.type === 'preVote' ? { effects: [answerPreVote(context, event, false)] } : {};

/** Does this request, of the own term, get the vote? */
export function mayVote(context: RaftContext, event: RaftEvent): boolean {
  if (event.type !== 'vote' || event.term !== context.term) return false;
  const isFree = context.votedFor === event.from || (context.votedFor === null && context.leader === null);
  return isFree && isUpToDate(context.log, event.lastIndex, event.lastTerm);
}

const answerVote = (context: RaftContext, request: Vote, granted: boolean): RaftEffect =>
  send({ type: 'voteReply', from: context.self, to: request.from, term: context.term, granted }, 'synced');

export const grantVote: Decision = (context, event) => {
  if (event.type !== 'vote') return {};
  const answer = answerVote(context, event, true);
  const isNew = context.votedFor !== event.from;
  return {
    changes: { votedFor: event.from, ...drawTimeout(context) },
    effects: isNew ? [persist({ term: context.term, votedFor: event.from }), answer] : [answer],
  };
};

export const refuseVote: Decision = (context, event) =>
  event.type === 'vote' ? { effects: [answerVote(context, event, false)] } : {};

// ---------------------------------------------------------------- the hint

/**
 * The leader's process closed its connection: forget that it was heard, and wait a moment only. Who was refused a pre-vote within the
 * last heartbeat interval, on the strength of this link, is answered anew. Safe for the log: a term still takes a quorum of votes.
 */
export const followHint: Decision = (context, { at }) => {
  const { refused, options } = context;
  const changes = { leader: null, heardAt: NEVER, refused: null, ...drawHintDelay(context) };
  const answersAnew = refused !== null && at - refused.at <= options.heartbeatMs && wouldVote(context, refused.request);
  return { changes, effects: answersAnew ? [answerPreVote(context, refused.request, true)] : [] };
};
