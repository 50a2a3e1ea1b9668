// Bugs put in on purpose, around the real code and never in it: proof that the simulator can fail, and that each rule is worth its
// place. Each one is an old acquaintance of those who write Raft.
import type { RaftGroup } from '../../../src/actors/raft-group.ts';
import type { LogStore } from '../../../src/actors/stores/log.ts';
import type { BrokerId } from '../../../src/core/ids.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { RaftEnvelope } from '../../../src/streams/envelope.ts';
import type { Append } from '../../../src/machines/raft/messages.ts';
import type { SimOptions } from './options.ts';

/** What a planted bug changes. Nothing, when it is empty. */
export interface Planted {
  /** What a member takes for its log. */
  readonly log?: (log: LogStore, clock: Clock, self: BrokerId) => LogStore;
  /** A message on its way out. */
  readonly outgoing?: (envelope: RaftEnvelope) => RaftEnvelope;
  /** A message that arrives. */
  readonly incoming?: (envelope: RaftEnvelope) => RaftEnvelope;
  /** What clients talk to. */
  readonly group?: (group: RaftGroup, clock: Clock) => RaftGroup;
}

function logWith(log: LogStore, write: LogStore['write']): LogStore {
  return {
    recovered: (group) => log.recovered(group),
    write,
    read: (...wanted) => log.read(...wanted),
    get pendingBytes() {
      return log.pendingBytes;
    },
    get busySince() {
      return log.busySince;
    },
    get full() {
      return log.full;
    },
    close: (done) => log.close(done),
  };
}

function groupWith(group: RaftGroup, change: Partial<RaftGroup>): RaftGroup {
  return {
    id: group.id,
    members: group.members,
    get status() {
      return group.status;
    },
    statusChanges: group.statusChanges,
    propose: (payload, timeoutMs, done) => group.propose(payload, timeoutMs, done),
    read: (done) => group.read(done),
    receive: (envelope) => group.receive(envelope),
    beat: (links) => group.beat(links),
    keepsUp: (peer) => group.keepsUp(peer),
    claimTo: (peer) => group.claimTo(peer),
    follows: (leader, term, commit) => group.follows(leader, term, commit),
    peerClosed: (peer) => group.peerClosed(peer),
    peerOpened: (peer) => group.peerOpened(peer),
    snapshot: (done) => group.snapshot(done),
    changeMembership: (seen, target, timeoutMs, done) => group.changeMembership(seen, target, timeoutMs, done),
    transfer: (to, done) => group.transfer(to, done),
    trust: () => group.trust(),
    stop: () => group.stop(),
    ...change,
  };
}

/** The leader's commit index, by counting replicas of entries of whatever term: what it must not do (the dissertation's figure 3.7). */
function countedReplicas(members: number): NonNullable<Planted['outgoing']> {
  /** By group, leader and term: what each follower has acknowledged. */
  const known = new Map<string, Map<string, number>>();
  return (envelope) => {
    const { message, group } = envelope;
    if (message.type === 'appendReply' && !message.rejected) {
      const key = `${group}/${message.to}/${message.term}`;
      const matches = known.get(key) ?? new Map<string, number>();
      matches.set(message.from, Math.max(matches.get(message.from) ?? 0, message.index));
      known.set(key, matches);
    }
    // What is of an older term goes by itself, and is acknowledged before the first entry of this one.
    if (message.type === 'append' && message.runs.length > 1) return withoutLastRun(envelope, message);
    if (message.type !== 'heartbeat') return envelope;
    const matches = known.get(`${group}/${message.from}/${message.term}`) ?? new Map<string, number>();
    // As many followers as make a majority without the leader, whose own disk is not asked.
    const counted = [...matches.values()].sort((a, b) => b - a)[Math.floor(members / 2)] ?? 0;
    const commit = Math.max(message.commit, Math.min(counted, matches.get(message.to) ?? 0));
    return { ...envelope, message: { ...message, commit } };
  };
}

function withoutLastRun(envelope: RaftEnvelope, message: Append): RaftEnvelope {
  const lastIndex = (message.runs.at(-1)?.first ?? 1) - 1;
  return {
    ...envelope,
    message: { ...message, lastIndex, runs: message.runs.slice(0, -1) },
    entries: envelope.entries.slice(0, lastIndex - message.prevIndex),
  };
}

export const plantedBugs = {
  /** Answers and counts itself as soon as it has asked for a write. */
  replyBeforeSync: () => ({
    log: (log, clock) =>
      logWith(log, (write, synced) => {
        log.write(write, () => {});
        clock.defer(synced);
      }),
  }),
  /** Remembers the term, but not for whom it voted in it. */
  voteNotPersisted: () => ({
    log: (log) =>
      logWith(log, (write, synced) =>
        log.write(write.hard === undefined ? write : { ...write, hard: { ...write.hard, votedFor: null } }, synced),
      ),
  }),
  /** Counts replicas of entries of older terms, and tells its followers that they are committed. */
  commitByCountOfOlderTerm: ({ members }) => ({ outgoing: countedReplicas(members) }),
  /** Votes for whoever asks, however short its log. */
  voteForStaleLog: () => ({
    incoming: (envelope) => {
      const { message } = envelope;
      if (message.type !== 'vote' && message.type !== 'preVote') return envelope;
      return { ...envelope, message: { ...message, lastTerm: message.term, lastIndex: Number.MAX_SAFE_INTEGER } };
    },
  }),
  /** Whoever believes to lead answers reads at once. */
  readWithoutQuorum: () => ({
    group: (group, clock) =>
      groupWith(group, {
        read: (done) => (group.status.role === 'leader' ? clock.defer(() => done(null)) : group.read(done)),
      }),
  }),
  /** Tells the client that a proposal which timed out was not applied. */
  timeoutTakenForFailure: () => ({
    group: (group) =>
      groupWith(group, {
        propose: (payload, timeoutMs, done) =>
          group.propose(payload, timeoutMs, (outcome) =>
            done(
              outcome.outcome === 'unknown' ? { outcome: 'notApplied', reason: 'overwritten', leader: null } : outcome,
            ),
          ),
      }),
  }),
  /** A retry that the client did not ask for: the proposal is made twice. */
  proposedTwice: () => ({
    group: (group) =>
      groupWith(group, {
        propose(payload, timeoutMs, done) {
          group.propose(payload, timeoutMs, done);
          if (payload.length % 7 === 0) group.propose(payload, timeoutMs, () => {});
        },
      }),
  }),
} as const satisfies Record<string, (options: SimOptions) => Planted>;

export type PlantedBug = keyof typeof plantedBugs;
