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
import { type Decision, initialContext, type RaftContext, type RaftInput } from './context.ts';
import type { RaftEffect } from './effects.ts';
import * as doubt from './doubt.ts';
import * as election from './election.ts';
import type { RaftEvent } from './events.ts';
import * as following from './following.ts';
import * as leading from './leading.ts';
import { inForce, isMemberOf } from './membership.ts';
import * as reads from './reads.ts';
import { refuseChangeUnled } from './reconfiguring.ts';
import { hasRoomFor } from './replication.ts';
import * as snapshot from './snapshot.ts';
import * as transferring from './transferring.ts';

type Params<Type extends RaftEffect['type']> = Extract<RaftEffect, { type: Type }>['params'];
type Scope = { readonly context: RaftContext; readonly event: RaftEvent };

/** Only messages have a sender and a term. */
const termOf = (event: RaftEvent): number => ('term' in event && 'from' in event ? event.term : Number.NaN);

const base = setup({
  types: { context: {} as RaftContext, events: {} as RaftEvent, input: {} as RaftInput },
  // The effects: carried out by the actor.
  actions: {
    persist: (_, _params: Params<'persist'>) => {},
    truncate: (_, _params: Params<'truncate'>) => {},
    compact: (_, _params: Params<'compact'>) => {},
    restore: (_, _params: Params<'restore'>) => {},
    sendSnapshot: (_, _params: Params<'sendSnapshot'>) => {},
    markSound: (_, _params: Params<'markSound'>) => {},
    append: (_, _params: Params<'append'>) => {},
    send: (_, _params: Params<'send'>) => {},
    apply: (_, _params: Params<'apply'>) => {},
    answerReads: (_, _params: Params<'answerReads'>) => {},
    refuseReads: (_, _params: Params<'refuseReads'>) => {},
    refuseProposal: (_, _params: Params<'refuseProposal'>) => {},
    refuseChange: (_, _params: Params<'refuseChange'>) => {},
    endTransfer: (_, _params: Params<'endTransfer'>) => {},
  },
  guards: {
    ofThisTerm: ({ context, event }: Scope) => termOf(event) === context.term,
    ofNewerTerm: ({ context, event }: Scope) => termOf(event) > context.term,
    continuesLog: ({ context, event }: Scope) =>
      event.type === 'append' && event.term === context.term && following.holdsPrevious(context, event),
    bringsMembership: ({ context, event }: Scope) =>
      event.type === 'append' &&
      event.term === context.term &&
      following.changesMembership(context, event) &&
      following.holdsPrevious(context, event),
    isUncertain: ({ context }: Scope) => !context.sound,
    isVoter: ({ context }: Scope) => election.isVoter(context),
    isStranger: ({ context }: Scope) => isLeftOut(context),
    isVouchedFor: ({ context, event }: Scope) => event.type === 'vouch' && doubt.isVouchedFor(context, event),
    leaderIsWell: ({ context, event }: Scope) => election.leaderIsWell(context, event),
    heardWithinTimeout: ({ context, event }: Scope) => election.heardWithinTimeout(context, event),
    mayVote: ({ context, event }: Scope) => election.mayVote(context, event),
    refusedByNewerTerm: ({ context, event }: Scope) =>
      event.type === 'preVoteReply' && !event.granted && event.term > context.term,
    answersPreVote: ({ context, event }: Scope) => election.answersPreVote(context, event),
    winsPreVote: ({ context, event }: Scope) =>
      election.answersPreVote(context, event) && election.standing(context, event) === 'won',
    losesPreVote: ({ context, event }: Scope) =>
      election.answersPreVote(context, event) && election.standing(context, event) === 'lost',
    winsVote: ({ context, event }: Scope) =>
      termOf(event) === context.term && election.standing(context, event) === 'won',
    losesVote: ({ context, event }: Scope) =>
      termOf(event) === context.term && election.standing(context, event) === 'lost',
    goesFirst: ({ context, event }: Scope) => election.goesFirst(context, event),
    isElected: ({ context }: Scope) => election.isElected(context),
    isHandedOver: ({ context, event }: Scope) =>
      event.type === 'vote' && event.transfer === true && event.term > context.term,
    leaderClosed: ({ context, event }: Scope) =>
      event.type === 'peer.closed' && event.peer === context.leader && context.options.closedConnectionHint,
    fitsUncommitted: ({ context, event }: Scope) => event.type === 'propose' && hasRoomFor(context, event.bytes),
    quorumIsSilent: ({ context, event }: Scope) => reads.quorumIsSilent(context, event),
    diskHangs: ({ context, event }: Scope) => reads.diskHangs(context, event),
    mayAskLeader: ({ context }: Scope) => reads.mayAskLeader(context),
    mayTakeOver: ({ context, event }: Scope) => transferring.mayTakeOver(context, event),
    isSameTransfer: ({ context, event }: Scope) => transferring.isSameTransfer(context, event),
    isToSelf: ({ context, event }: Scope) => event.type === 'transfer' && event.to === context.self,
    ownNoopApplied: ({ context, event }: Scope) =>
      event.type === 'applied' && event.index >= (context.leadership?.termStart ?? Number.POSITIVE_INFINITY),
  },
  delays: {
    electionTimeout: ({ context }: Scope) => context.timer.delay,
    transferTimeout: ({ context }: Scope) => context.options.electionMaxMs,
  },
});

/** A decision (a pure function) as an action of the chart: its changes go into the context, its effects to the actor. */
const decide = (decision: Decision) =>
  base.enqueueActions(({ context, event, enqueue }) => {
    const { changes, effects, raise } = decision(context, event);
    if (changes !== undefined) enqueue.assign(changes);
    if (effects !== undefined) for (const effect of effects) enqueue(effect);
    if (raise !== undefined) enqueue.raise(raise);
  });

const raft = base.extend({
  actions: {
    adoptTerm: decide(election.adoptTerm),
    waitOn: decide(election.waitOn),
    askForPreVotes: decide(election.askForPreVotes),
    askForVotes: decide(election.askForVotes),
    noteVote: decide(election.noteVote),
    considerPreVote: decide(election.considerPreVote),
    refusePreVote: decide(election.refusePreVote),
    grantVote: decide(election.grantVote),
    refuseVote: decide(election.refuseVote),
    followHint: decide(election.followHint),
    takeEntries: decide(following.takeEntries),
    refuseEntries: decide(following.refuseEntries),
    takeHeartbeat: decide(following.takeHeartbeat),
    takeSnapshot: decide(snapshot.takeSnapshot),
    compactLog: decide(snapshot.compactLog),
    noteTransfer: decide(leading.noteTransfer),
    tellTerm: decide(following.tellTerm),
    noteDurable: decide(following.noteDurable),
    noteApplied: decide(following.noteApplied),
    refuseUnled: decide(following.refuseUnled),
    refuseRead: decide(reads.refuseRead),
    askLeader: decide(reads.askLeader),
    refuseReadIndex: decide(reads.refuseReadIndex),
    takeReadAnswer: decide(reads.takeReadAnswer),
    refuseChangeUnled: decide(refuseChangeUnled),
    becomeSound: decide(doubt.becomeSound),
    trustStorage: decide(doubt.trustStorage),
    confirmSound: decide(doubt.confirmSound),
    beginTransfer: decide(transferring.beginTransfer),
    cancelTransfer: decide(transferring.cancelTransfer),
    giveUpTransfer: decide(transferring.giveUpTransfer),
    refuseTransfer: decide(transferring.refuseTransfer),
    refuseTransferUnsettled: decide(transferring.refuseTransferUnsettled),
    refuseWhileTransferring: decide(transferring.refuseWhileTransferring),
    beginTerm: decide(leading.beginTerm),
    retire: decide(leading.retire),
    stepDown: decide(leading.stepDown),
    refuseRival: decide(leading.refuseRival),
    appendProposal: decide(leading.appendProposal),
    refuseOverLimit: decide(leading.refuseOverLimit),
    changeMembership: decide(leading.changeMembership),
    endDoubt: decide(leading.endDoubt),
    countOwnSync: decide(leading.countOwnSync),
    takeAppendReply: decide(leading.takeAppendReply),
    takeHeartbeatReply: decide(leading.takeHeartbeatReply),
    takeWeight: decide(leading.takeWeight),
    beginAnewWith: decide(leading.beginAnewWith),
    beat: decide(leading.beat),
    askRound: decide(leading.askRound),
    handleAgain: base.raise(({ event }) => event),
  },
});

/** Is there a configuration, and is this member not in it? */
function isLeftOut({ self, configurations }: RaftContext): boolean {
  const { configuration } = inForce(configurations);
  return configuration.voters.length > 0 && !isMemberOf(configuration, self);
}

/** A request of a newer term: join it, then handle the request in the role that follows. */
const joinNewerTerm = { guard: 'ofNewerTerm', target: '.opening', actions: ['adoptTerm', 'handleAgain'] } as const;
/** An answer of a newer term: what it answers is over. */
const learnNewerTerm = { guard: 'ofNewerTerm', target: '.opening', actions: 'adoptTerm' } as const;
/** A leader of this very term exists: follow it. */
const followLeader = { guard: 'ofThisTerm', target: 'follower', actions: 'handleAgain' } as const;
/** Whoever does not lead takes what the leader of its term sends; with another configuration its own part may be another. */
const takesEntries = {
  append: [
    { guard: 'bringsMembership', target: 'opening', actions: 'takeEntries' },
    { guard: 'continuesLog', actions: 'takeEntries' },
    { guard: 'ofThisTerm', actions: 'refuseEntries' },
  ],
  heartbeat: { guard: 'ofThisTerm', actions: 'takeHeartbeat' },
  installSnapshot: { guard: 'ofThisTerm', target: 'opening', actions: 'takeSnapshot' },
} as const;
/** Its configuration may be an old one: whoever asks counts the votes by a newer one. */
const votes = { guard: 'mayVote', actions: 'grantVote' } as const;

export const raftMachine = raft.createMachine({
  id: 'raft',
  description: 'The role of one member in one Raft group.',
  context: ({ input }) => initialContext(input),
  initial: 'opening',
  on: {
    preVote: { actions: 'considerPreVote' },
    preVoteReply: { guard: 'refusedByNewerTerm', target: '.opening', actions: 'adoptTerm' },
    vote: [
      // The leader itself wants another one.
      { guard: 'isHandedOver', target: '.opening', actions: ['adoptTerm', 'handleAgain'] },
      // Somebody was cut off from the leader that this member hears: no answer, and above all no newer term (§4.2.3).
      { guard: 'leaderIsWell' },
      joinNewerTerm,
      { actions: 'refuseVote' },
    ],
    voteReply: learnNewerTerm,
    // Each role takes those of its own term: what is left is older.
    append: [joinNewerTerm, { actions: 'tellTerm' }],
    heartbeat: [joinNewerTerm, { actions: 'tellTerm' }],
    installSnapshot: [joinNewerTerm, { actions: 'tellTerm' }],
    appendReply: learnNewerTerm,
    heartbeatReply: learnNewerTerm,
    timeoutNow: joinNewerTerm,
    readIndex: [joinNewerTerm, { actions: 'refuseReadIndex' }],
    readIndexReply: [joinNewerTerm, { actions: 'takeReadAnswer' }],
    vouch: [joinNewerTerm, { actions: 'confirmSound' }],
    vouchReply: learnNewerTerm,
    'log.synced': { actions: 'noteDurable' },
    applied: { actions: 'noteApplied' },
    compact: { actions: 'compactLog' },
    propose: { actions: 'refuseUnled' },
    changeMembership: { actions: 'refuseChangeUnled' },
    transfer: { actions: 'refuseTransfer' },
    read: [{ guard: 'mayAskLeader', actions: 'askLeader' }, { actions: 'refuseRead' }],
  },
  states: {
    opening: {
      description: 'What is this member, by the configuration in its log? It takes up that part at once.',
      always: [
        { guard: 'isUncertain', target: 'storageUncertain' },
        { guard: 'isStranger', target: 'removed' },
        { guard: 'isVoter', target: 'follower' },
        { target: 'learner' },
      ],
    },
    storageUncertain: {
      description:
        'Its disk may have lost what it acknowledged: it takes entries, but neither votes nor counts until a leader vouches for it.',
      on: {
        ...takesEntries,
        preVote: {},
        vote: {},
        vouch: [{ guard: 'isVouchedFor', target: 'opening', actions: 'becomeSound' }],
        trusted: { target: 'opening', actions: 'trustStorage' },
      },
    },
    learner: {
      description: 'Is sent everything, and does not count; it waits to be made a voter, or stays as it is.',
      on: { ...takesEntries, vote: votes },
    },
    removed: {
      description: 'Is no member by the newest configuration that it has heard of.',
      on: { ...takesEntries, vote: votes },
    },
    follower: {
      description:
        'Takes entries from the leader of its term; silence for the election timeout makes it ask for pre-votes.',
      after: {
        electionTimeout: [
          // Heartbeats do not start the timer anew, which costs three times as much as noting when they came.
          { guard: 'heardWithinTimeout', target: 'follower', reenter: true, actions: 'waitOn' },
          { target: 'preCandidate' },
        ],
      },
      on: {
        ...takesEntries,
        timeoutNow: { guard: 'ofThisTerm', target: 'candidate' },
        vote: { guard: 'mayVote', target: 'follower', reenter: true, actions: 'grantVote' },
        'peer.closed': { guard: 'leaderClosed', target: 'follower', reenter: true, actions: 'followHint' },
      },
    },
    preCandidate: {
      description: 'Asks whether it would be elected, in a term that has not begun.',
      entry: 'askForPreVotes',
      always: { guard: 'isElected', target: 'candidate' },
      after: { electionTimeout: { target: 'preCandidate', reenter: true } },
      on: {
        preVoteReply: [
          { guard: 'winsPreVote', target: 'candidate' },
          { guard: 'losesPreVote', target: 'follower' },
          { guard: 'answersPreVote', actions: 'noteVote' },
        ],
        preVote: { guard: 'goesFirst', actions: 'refusePreVote' },
        vote: { guard: 'mayVote', target: 'follower', actions: 'grantVote' },
        append: followLeader,
        heartbeat: followLeader,
        installSnapshot: followLeader,
      },
    },
    candidate: {
      description: 'Has begun a term, voted for itself, and asks for votes.',
      entry: 'askForVotes',
      always: { guard: 'isElected', target: 'leader' },
      after: { electionTimeout: 'preCandidate' },
      on: {
        voteReply: [
          { guard: 'winsVote', target: 'leader' },
          { guard: 'losesVote', target: 'follower' },
          { guard: 'ofThisTerm', actions: 'noteVote' },
        ],
        append: followLeader,
        heartbeat: followLeader,
        installSnapshot: followLeader,
      },
    },
    leader: {
      description: 'Appends proposals, replicates them, and commits what a quorum holds durably.',
      entry: 'beginTerm',
      exit: 'retire',
      initial: 'settling',
      on: {
        preVote: { actions: 'refusePreVote' },
        // Of whatever term: it steps down by itself when a quorum does not hear it. Until then nobody needs another leader.
        vote: [
          { guard: 'isHandedOver', target: 'opening', actions: ['adoptTerm', 'handleAgain'] },
          { actions: 'refuseVote' },
        ],
        append: { guard: 'ofThisTerm', actions: 'refuseRival' },
        heartbeat: { guard: 'ofThisTerm', actions: 'refuseRival' },
        installSnapshot: { guard: 'ofThisTerm', actions: 'refuseRival' },
        propose: [{ guard: 'fitsUncommitted', actions: 'appendProposal' }, { actions: 'refuseOverLimit' }],
        'log.synced': { actions: 'countOwnSync' },
        appendReply: { guard: 'ofThisTerm', actions: 'takeAppendReply' },
        heartbeatReply: { guard: 'ofThisTerm', actions: 'takeHeartbeatReply' },
        'append.sent': { actions: 'takeWeight' },
        'snapshot.sent': { actions: 'noteTransfer' },
        'peer.opened': { actions: 'beginAnewWith' },
        vouchReply: { guard: 'ofThisTerm', actions: 'endDoubt' },
        changeMembership: { actions: 'changeMembership' },
        read: { actions: 'askRound' },
        readIndex: { guard: 'ofThisTerm', actions: 'askRound' },
        'membership.left': { target: 'opening', actions: 'stepDown' },
        beat: [
          { guard: 'quorumIsSilent', target: 'opening', actions: 'stepDown' },
          { guard: 'diskHangs', target: 'opening', actions: 'stepDown' },
          { actions: 'beat' },
        ],
      },
      states: {
        settling: {
          description: 'Its own no-op is not applied yet: its state may lack what earlier leaders committed.',
          on: {
            applied: { guard: 'ownNoopApplied', target: 'serving', actions: 'noteApplied' },
            transfer: { actions: 'refuseTransferUnsettled' },
          },
        },
        serving: {
          description: 'Its state holds everything that was ever acknowledged.',
          on: { transfer: [{ guard: 'mayTakeOver', target: 'transferring', actions: 'beginTransfer' }] },
        },
        transferring: {
          description: 'Takes no proposals: another member is to lead, as soon as it holds the whole log.',
          after: { transferTimeout: { target: 'serving', actions: 'giveUpTransfer' } },
          on: {
            propose: { actions: 'refuseWhileTransferring' },
            transfer: [
              { guard: 'isSameTransfer' },
              { guard: 'isToSelf', target: 'serving', actions: 'cancelTransfer' },
              { guard: 'mayTakeOver', target: 'transferring', reenter: true, actions: 'beginTransfer' },
            ],
          },
        },
      },
    },
  },
});
