// Bugs put in on purpose, around the real code and never in it: proof that the simulator can fail, and that each rule is worth its
// place. Each one is an old acquaintance of those who write Raft.
//
// To add one: change one port of a member (planted/planted.ts lists them), or one decision of its chart (planted/chart.ts), and name
// it here; `npm run sim:planted -- NAME` tells the first seed that finds it, for test/sim/planted.test.ts.
import { parseBrokerId } from '../../../src/core/ids.ts';
import type { SimOptions } from './options.ts';
import * as commits from './planted/commits.ts';
import type { Planted } from './planted/planted.ts';
import * as reads from './planted/reads.ts';
import * as storage from './planted/storage.ts';
import { memberName } from './schedule.ts';

export type { Planted } from './planted/planted.ts';

/** The requests for votes of a member whose log is short are taken for those of one that has everything. */
const everyLogIsGood: Planted = {
  incoming: (envelope) => {
    const { message } = envelope;
    if (message.type !== 'vote' && message.type !== 'preVote') return envelope;
    return { ...envelope, message: { ...message, lastTerm: message.term, lastIndex: Number.MAX_SAFE_INTEGER } };
  },
};

const wallClock: Planted = {
  clock: (clock) => ({
    now: () => clock.now(),
    monotonic: () => clock.now(),
    after: (delay, fire) => clock.after(delay, fire),
    defer: (run) => clock.defer(run),
  }),
};

export const plantedBugs = {
  /** Answers and counts itself as soon as it has asked for a write. */
  replyBeforeSync: () => storage.beforeSync,
  /** Remembers the term, but not for whom it voted in it. */
  voteNotPersisted: () => storage.withoutVote,
  /** Counts replicas of entries of older terms, and tells its followers that they are committed. */
  commitByCountOfOlderTerm: ({ members }) => ({ outgoing: commits.countedReplicas(members) }),
  /** While members change: a majority of the new ones is enough. */
  commitWithoutOldHalf: commits.withoutOldHalf,
  /** Counts learners. */
  learnerCounted: commits.withLearners,
  /** Votes for whoever asks, however short its log. */
  voteForStaleLog: () => everyLogIsGood,
  /** A stale message with fewer entries than the log cuts what is behind them, which may have been acknowledged. */
  cutsMatchingSuffix: commits.cutsBehindMessage,
  /** Takes an entry whose write was not finished for a whole one, and acknowledges it. */
  tornEntryTaken: storage.tornTaken,
  /** A snapshot tells the members that the group was founded with. */
  snapshotLosesMembership: ({ members }) =>
    storage.withoutMembership(Array.from({ length: members }, (_, member) => parseBrokerId(memberName(member)))),
  /** A snapshot is renamed, and counts, before it is synced. */
  snapshotRenamedUnsynced: () => storage.renamedUnsynced,
  /** Measures silence, and all else, by the wall clock. */
  wallClockMeasures: () => wallClock,
  /** Votes and acknowledges after its disk was lost, and with it what it had said. */
  voteFromAmnesia: () => storage.trusted,
  /** Whoever believes to lead answers reads at once. */
  readWithoutQuorum: () => reads.withoutQuorum,
  /** A new leader answers reads before it knows what was committed. */
  readBeforeNoop: reads.beforeNoop,
  /** Tells the client that a proposal which timed out was not applied. */
  timeoutTakenForFailure: () => reads.timeoutIsFailure,
  /** A retry that the client did not ask for: the proposal is made twice. */
  proposedTwice: () => reads.twice,
} as const satisfies Record<string, (options: SimOptions) => Planted>;

export type PlantedBug = keyof typeof plantedBugs;
