// The words of the role chart (raft-machine.ts): what its effects, guards and actions are called, and which decision each stands for.
import { setup } from 'xstate';
import type { Decision, RaftContext, RaftInput } from './context.ts';
import { copyOf } from './copies.ts';
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
    mayStand: ({ context }: Scope) => election.mayStand(context),
    mayStandNoMore: ({ context }: Scope) => !election.mayStand(context),
    isStranger: ({ context }: Scope) => isLeftOut(context),
    isVouchedFor: ({ context, event }: Scope) => event.type === 'vouch' && doubt.isVouchedFor(context, event),
    leaderIsWell: ({ context, event }: Scope) => election.leaderIsWell(context, event),
    heardWithinTimeout: ({ context, event }: Scope) => election.heardWithinTimeout(context, event),
    mayVote: ({ context, event }: Scope) => election.mayVote(context, event),
    refusedByNewerTerm: ({ context, event }: Scope) =>
      event.type === 'preVoteReply' && !event.granted && event.term > context.term,
    answersPreVote: ({ context, event }: Scope) => election.answersPreVote(context, event),
    losesPreVote: ({ context, event }: Scope) =>
      election.answersPreVote(context, event) && election.standing(context, event) === 'lost',
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

type Collect = Parameters<typeof base.enqueueActions>[0];

/**
 * A decision (a pure function) as an action of the chart: its changes go into the context, its effects to the actor. What it decides and
 * how the context is copied stand beside it, for the compiled step (streams/quiet-step.ts).
 */
export function decide(decision: Decision) {
  const collect: Collect = ({ context, event, enqueue }) => {
    const { changes, effects, raise } = decision(context, event);
    if (changes !== undefined) enqueue.assign(changes);
    if (effects !== undefined) for (const effect of effects) enqueue(effect);
    if (raise !== undefined) enqueue.raise(raise);
  };
  return base.enqueueActions(Object.assign(collect, { decision, copyOf }));
}

export const raft = base.extend({
  actions: {
    adoptTerm: decide(election.adoptTerm),
    waitOn: decide(election.waitOn),
    noteSilence: decide(election.noteSilence),
    noteVouched: decide(election.noteVouched),
    forgetLeader: decide(election.forgetLeader),
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
