// A member of a Raft group: the role chart (Ongaro and Ousterhout 2014; Ongaro's dissertation for the section numbers in this
// folder; etcd/raft for pre-vote with check-quorum).
//
//                    timeout                 quorum of pre-votes            quorum of votes
//   follower ─────────────────▶ preCandidate ──────────────────▶ candidate ────────────────▶ leader ┌ settling ─ applied own no-op
//    ▲ │  ▲                        │   ▲ timeout                 ▲  │                           │   ├▶ serving
//    │ │  └── refused by a quorum ─┘   └──────────── timeout ────┼──┤                           │   └▶ transferring
//    │ └───────────────── told by its leader to campaign ────────┘  │                           │
//    └─ opening ◀── newer term · leader of this term heard · quorum silent, disk hung, removed (leader) ────────────────────────┘
//          │ by the configuration in the log, and the state of the disk
//          ├▶ learner              is sent everything, does not count
//          ├▶ removed              is no member any more
//          └▶ storageUncertain     may have lost what it acknowledged (doubt.ts)
//
// The term rule (§3.3) stands at the root: whatever role a message of a newer term finds, its term is adopted, the role is chosen
// anew, and the same message is handled again in that role, within the same step. Exceptions: pre-votes never move a term, and
// a member that hears a leader ignores a request for votes (§4.2.3), so that a returning straggler disturbs nobody; unless the leader
// itself wanted that election (§3.10).
//
// Invariants, beside those of election.ts, replication.ts, reads.ts, membership.ts, transferring.ts and doubt.ts
//   1. One leader per term: a member votes once per term, durably, and a leader had a quorum's votes.
//   2. term, commit and applied never fall.
//   3. Nothing here knows time, chance, disk or network: they come as events and go as effects (effects.ts: the driver contract).
import { initialContext } from './context.ts';
import { raft } from './vocabulary.ts';

/** A request of a newer term: join it, then handle the request in the role that follows. */
const joinNewerTerm = { guard: 'ofNewerTerm', target: '.opening', actions: ['adoptTerm', 'handleAgain'] } as const;
/** An answer of a newer term: what it answers is over. */
const learnNewerTerm = { guard: 'ofNewerTerm', target: '.opening', actions: 'adoptTerm' } as const;
/** A leader of this very term exists: follow it. */
const followLeader = { guard: 'ofThisTerm', target: 'follower', actions: 'handleAgain' } as const;
const append = [
  { guard: 'continuesLog', actions: 'takeEntries' },
  { guard: 'ofThisTerm', actions: 'refuseEntries' },
] as const;
/** Whoever does not lead takes what the leader of its term sends; with another configuration its own part may be another. */
const takesEntries = {
  append: [{ guard: 'bringsMembership', target: 'opening', actions: 'takeEntries' }, ...append],
  heartbeat: { guard: 'ofThisTerm', actions: 'takeHeartbeat' },
  installSnapshot: { guard: 'ofThisTerm', target: 'opening', actions: 'takeSnapshot' },
} as const;
/** Its configuration may be an old one: whoever asks counts the votes by a newer one. */
const votes = {
  vote: { guard: 'mayVote', actions: 'grantVote' },
  'link.silent': { actions: 'noteVouched' },
  'peer.closed': { guard: 'leaderClosed', actions: 'forgetLeader' },
} as const;

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
        { guard: 'mayStand', target: 'follower' },
        { guard: 'isStranger', target: 'removed' },
        { target: 'learner' },
      ],
    },
    storageUncertain: {
      description:
        'Its disk may have lost what it acknowledged: it takes entries, but neither votes nor counts until a leader vouches for it.',
      on: {
        ...takesEntries,
        // Whatever its part would be, it has none yet.
        append,
        preVote: {},
        vote: {},
        vouch: [{ guard: 'isVouchedFor', target: 'opening', actions: 'becomeSound' }],
        trusted: { target: 'opening', actions: 'trustStorage' },
      },
    },
    learner: {
      description: 'Is sent everything, and does not count; it waits to be made a voter, or stays as it is.',
      on: { ...takesEntries, ...votes },
    },
    removed: {
      description: 'Is no member by the newest configuration that it has heard of.',
      on: { ...takesEntries, ...votes },
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
        // The configuration that leaves it out is committed.
        applied: { guard: 'mayStandNoMore', target: 'opening', actions: 'noteApplied' },
        vote: { guard: 'mayVote', target: 'follower', reenter: true, actions: 'grantVote' },
        'peer.closed': { guard: 'leaderClosed', target: 'follower', reenter: true, actions: 'followHint' },
        'link.silent': { target: 'follower', reenter: true, actions: 'noteSilence' },
      },
    },
    preCandidate: {
      description: 'Asks whether it would be elected, in a term that has not begun.',
      entry: 'askForPreVotes',
      always: { guard: 'isElected', target: 'candidate' },
      after: { electionTimeout: { target: 'preCandidate', reenter: true } },
      on: {
        preVoteReply: [
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
        vote: [{ guard: 'isHandedOver', target: 'opening', actions: 'handleAgain' }, { actions: 'refuseVote' }],
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
