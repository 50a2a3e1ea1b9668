// A member of a Raft group: the role chart (Ongaro and Ousterhout 2014; Ongaro's dissertation for the section numbers in this
// folder; etcd/raft for pre-vote with check-quorum).
//
//                    timeout                 quorum of pre-votes            quorum of votes
//   follower ─────────────────▶ preCandidate ──────────────────▶ candidate ────────────────▶ leader ┌ settling ─ applied own no-op
//      ▲  ▲                        │   ▲ timeout                    │                           │   └▶ serving
//      │  └── refused by a quorum ─┘   └───────── timeout ──────────┤                           │
//      └──────────── newer term · leader of this term heard · quorum silent (leader) ──────────┴───────────────────────────────┘
//
// The term rule (§3.3) stands at the root: whatever role a message of a newer term finds, its term is adopted, the role becomes
// follower, and the same message is handled again in that role, within the same step. Exceptions: pre-votes never move a term, and
// a member that hears a leader ignores a request for votes (§4.2.3), so that a returning straggler disturbs nobody.
//
// Invariants, beside those of election.ts, replication.ts and reads.ts
//   1. One leader per term: a member votes once per term, durably, and a leader had a quorum's votes.
//   2. term, commit and applied never fall.
//   3. Nothing here knows time, chance, disk or network: they come as events and go as effects (effects.ts: the driver contract).
import { setup } from 'xstate';
import { AssertionError } from '../../core/assert.ts';
import { type Decision, initialContext, type RaftContext, type RaftInput } from './context.ts';
import type { HardState, RaftEffect, ReadId } from './effects.ts';
import * as election from './election.ts';
import type { RaftEvent } from './events.ts';
import type { RaftMessage } from './messages.ts';
import * as reads from './reads.ts';
import * as replication from './replication.ts';

type EffectParams<Type extends RaftEffect['type']> = Extract<RaftEffect, { type: Type }>['params'];
type Scope = { readonly context: RaftContext; readonly event: RaftEvent };

const termOf = (event: RaftEvent): number => ('term' in event && 'from' in event ? event.term : Number.NaN);

const base = setup({
  types: { context: {} as RaftContext, events: {} as RaftEvent, input: {} as RaftInput },
  actions: {
    persist: (_, _params: { readonly hard: HardState }) => {},
    truncate: (_, _params: EffectParams<'truncate'>) => {},
    append: (_, _params: EffectParams<'append'>) => {},
    send: (_, _params: { readonly message: RaftMessage; readonly when: 'now' | 'synced' }) => {},
    apply: (_, _params: EffectParams<'apply'>) => {},
    answerReads: (_, _params: { readonly reads: readonly ReadId[]; readonly index: number }) => {},
    refuseReads: (_, _params: { readonly reads: readonly ReadId[] }) => {},
    refuseProposal: (_, _params: EffectParams<'refuseProposal'>) => {},
  },
  guards: {
    ofThisTerm: ({ context, event }: Scope) => termOf(event) === context.term,
    ofNewerTerm: ({ context, event }: Scope) => termOf(event) > context.term,
    ofOlderTerm: ({ context, event }: Scope) => termOf(event) < context.term,
    continuesLog: ({ context, event }: Scope) =>
      event.type === 'append' && event.term === context.term && replication.holdsPrevious(context, event),
    leaderIsWell: ({ context, event }: Scope) => election.leaderIsWell(context, event.at),
    heardWithinTimeout: ({ context, event }: Scope) => election.heardWithinTimeout(context, event.at),
    mayVote: ({ context, event }: Scope) => election.mayVote(context, event),
    refusedByNewerTerm: ({ context, event }: Scope) => event.type === 'preVoteReply' && !event.granted && event.term > context.term,
    // A granted pre-vote names the term that was asked for, a refusal of this term the own one.
    answersPreVote: ({ context, event }: Scope) =>
      event.type === 'preVoteReply' && event.term === (event.granted ? context.term + 1 : context.term),
    winsPreVote: ({ context, event }: Scope) =>
      event.type === 'preVoteReply' && event.granted && event.term === context.term + 1 && election.wins(context, event),
    losesPreVote: ({ context, event }: Scope) =>
      event.type === 'preVoteReply' && !event.granted && event.term === context.term && election.loses(context, event),
    winsVote: ({ context, event }: Scope) => termOf(event) === context.term && election.wins(context, event),
    losesVote: ({ context, event }: Scope) => termOf(event) === context.term && election.loses(context, event),
    alone: ({ context }: Scope) => context.quorum === 1,
    leaderClosed: ({ context, event }: Scope) =>
      event.type === 'peer.closed' && event.peer === context.leader && context.options.closedConnectionHint,
    fitsUncommitted: ({ context, event }: Scope) => event.type === 'propose' && replication.hasRoomFor(context, event.bytes),
    quorumIsSilent: ({ context, event }: Scope) => reads.quorumIsSilent(context, event),
    ownNoopApplied: ({ context, event }: Scope) => event.type === 'applied' && event.index >= context.termStart,
  },
  delays: { electionTimeout: ({ context }: Scope) => context.timerDelay },
});

/** A decision (a pure function) as a named action of the chart. */
const decide = (decision: Decision) =>
  base.enqueueActions(({ context, event, enqueue }) => {
    const { changes, effects } = decision(context, event);
    if (changes !== undefined) enqueue.assign(changes);
    for (const effect of effects ?? []) enqueue(effect);
  });

const raft = base.extend({
  actions: {
    adoptTerm: decide(election.adoptTerm),
    redraw: decide(election.redraw),
    stepDown: decide(election.stepDown),
    waitOn: decide(election.waitOn),
    followHint: decide(election.followHint),
    askForPreVotes: decide(election.askForPreVotes),
    askForVotes: decide(election.askForVotes),
    noteVote: decide(election.noteVote),
    considerPreVote: decide(election.considerPreVote),
    refusePreVote: decide(election.refusePreVote),
    grantVote: decide(election.grantVote),
    refuseVote: decide(election.refuseVote),
    hear: decide(replication.hear),
    takeEntries: decide(replication.takeEntries),
    refuseEntries: decide(replication.refuseEntries),
    tellTerm: decide(replication.tellTerm),
    answerHeartbeat: decide(replication.answerHeartbeat),
    noteDurable: decide(replication.noteDurable),
    noteApplied: decide(replication.noteApplied),
    beginTerm: decide(replication.beginTerm),
    appendProposal: decide(replication.appendProposal),
    countOwnSync: decide(replication.countOwnSync),
    takeAppendReply: decide(replication.takeAppendReply),
    takeHeartbeatReply: decide(replication.takeHeartbeatReply),
    beginAnewWith: decide(replication.beginAnewWith),
    takeCut: decide(replication.takeCut),
    beat: decide(reads.beat),
    askRound: decide(reads.askRound),
    answerReadyReads: decide(reads.answerReads),
    refuseRead: decide(reads.refuseRead),
    refuseAllReads: decide(reads.refuseAllReads),
    refuseNotLeader: decide((_context, event) =>
      event.type === 'propose' ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'notLeader' } }] } : {},
    ),
    refuseTooMuch: decide((_context, event) =>
      event.type === 'propose' ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'uncommittedLimit' } }] } : {},
    ),
    handleAgain: base.raise(({ event }) => event),
    twoLeaders: decide((context, event) => {
      throw new AssertionError(`term ${context.term} has two leaders: this one, and whoever sent ${event.type}`);
    }),
  },
});

/** A message of a newer term: join it as a follower, then handle the message as one. */
const joinNewerTerm = { guard: 'ofNewerTerm', target: '.follower', actions: ['adoptTerm', 'handleAgain'] } as const;
/** A leader of this very term exists: follow it. */
const followLeader = { guard: 'ofThisTerm', target: 'follower', actions: ['redraw', 'handleAgain'] } as const;

export const raftMachine = raft.createMachine({
  id: 'raft',
  description: 'The role of one member in one Raft group.',
  context: ({ input }) => initialContext(input),
  initial: 'follower',
  on: {
    preVote: { actions: 'considerPreVote' },
    preVoteReply: { guard: 'refusedByNewerTerm', target: '.follower', actions: 'adoptTerm' },
    vote: [
      { guard: 'leaderIsWell' },
      joinNewerTerm,
      { actions: 'refuseVote' },
    ],
    voteReply: joinNewerTerm,
    append: [joinNewerTerm, { guard: 'ofOlderTerm', actions: 'tellTerm' }],
    heartbeat: [joinNewerTerm, { guard: 'ofOlderTerm', actions: 'tellTerm' }],
    appendReply: joinNewerTerm,
    heartbeatReply: joinNewerTerm,
    'log.synced': { actions: 'noteDurable' },
    applied: { actions: 'noteApplied' },
    propose: { actions: 'refuseNotLeader' },
    read: { actions: 'refuseRead' },
  },
  states: {
    follower: {
      description: 'Takes entries from the leader of its term; silence for the election timeout makes it ask for pre-votes.',
      after: {
        electionTimeout: [
          { guard: 'heardWithinTimeout', target: 'follower', reenter: true, actions: 'waitOn' },
          { target: 'preCandidate' },
        ],
      },
      on: {
        append: [
          { guard: 'continuesLog', actions: ['hear', 'takeEntries'] },
          { guard: 'ofThisTerm', actions: ['hear', 'refuseEntries'] },
        ],
        heartbeat: { guard: 'ofThisTerm', actions: ['hear', 'answerHeartbeat'] },
        vote: { guard: 'mayVote', target: 'follower', reenter: true, actions: 'grantVote' },
        'peer.closed': { guard: 'leaderClosed', target: 'follower', reenter: true, actions: 'followHint' },
      },
    },
    preCandidate: {
      description: 'Asks whether it would be elected, in a term that has not begun.',
      entry: 'askForPreVotes',
      always: { guard: 'alone', target: 'candidate' },
      after: { electionTimeout: { target: 'preCandidate', reenter: true } },
      on: {
        preVoteReply: [
          { guard: 'winsPreVote', target: 'candidate' },
          { guard: 'losesPreVote', target: 'follower', actions: 'redraw' },
          { guard: 'answersPreVote', actions: 'noteVote' },
        ],
        vote: { guard: 'mayVote', target: 'follower', actions: 'grantVote' },
        append: followLeader,
        heartbeat: followLeader,
      },
    },
    candidate: {
      description: 'Has begun a term, voted for itself, and asks for votes.',
      entry: 'askForVotes',
      always: { guard: 'alone', target: 'leader' },
      after: { electionTimeout: 'preCandidate' },
      on: {
        voteReply: [
          { guard: 'winsVote', target: 'leader' },
          { guard: 'losesVote', target: 'follower', actions: 'redraw' },
          { guard: 'ofThisTerm', actions: 'noteVote' },
        ],
        append: followLeader,
        heartbeat: followLeader,
      },
    },
    leader: {
      description: 'Appends proposals, replicates them, and commits what a quorum holds durably.',
      entry: 'beginTerm',
      exit: 'refuseAllReads',
      initial: 'settling',
      on: {
        preVote: { actions: 'refusePreVote' },
        // It would step down by itself if a quorum did not hear it: until then nobody needs another leader.
        vote: [{ guard: 'ofNewerTerm' }, { actions: 'refuseVote' }],
        append: { guard: 'ofThisTerm', actions: 'twoLeaders' },
        heartbeat: { guard: 'ofThisTerm', actions: 'twoLeaders' },
        propose: [{ guard: 'fitsUncommitted', actions: 'appendProposal' }, { actions: 'refuseTooMuch' }],
        'log.synced': { actions: ['countOwnSync', 'answerReadyReads'] },
        appendReply: { guard: 'ofThisTerm', actions: ['takeAppendReply', 'answerReadyReads'] },
        heartbeatReply: { guard: 'ofThisTerm', actions: ['takeHeartbeatReply', 'answerReadyReads'] },
        'append.cut': { actions: 'takeCut' },
        'peer.opened': { actions: 'beginAnewWith' },
        read: { actions: 'askRound' },
        beat: [{ guard: 'quorumIsSilent', target: 'follower', actions: 'stepDown' }, { actions: 'beat' }],
      },
      states: {
        settling: {
          description: 'Its own no-op is not applied yet: its state may lack what earlier leaders committed.',
          on: { applied: [{ guard: 'ownNoopApplied', target: 'serving', actions: 'noteApplied' }, { actions: 'noteApplied' }] },
        },
        serving: {
          description: 'Its state holds everything that was ever acknowledged.',
        },
      },
    },
  },
});
