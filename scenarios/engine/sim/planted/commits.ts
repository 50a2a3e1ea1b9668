// Bugs of what counts for a commit, and of what is cut.
import type { BrokerId, LogIndex } from '../../../../src/core/ids.ts';
import type { Decision, RaftContext } from '../../../../src/machines/raft/context.ts';
import { apply, type RaftEffect } from '../../../../src/machines/raft/effects.ts';
import * as following from '../../../../src/machines/raft/following.ts';
import * as leading from '../../../../src/machines/raft/leading.ts';
import { cutAfter, termAt } from '../../../../src/machines/raft/log-view.ts';
import {
  type Configuration,
  inForce,
  isJoint,
  membersOf,
  peersIn,
  withEntries,
} from '../../../../src/machines/raft/membership.ts';
import type { Append } from '../../../../src/machines/raft/messages.ts';
import { majorityOf, reachedByMajority } from '../../../../src/machines/raft/quorum.ts';
import { withoutFormer } from '../../../../src/machines/raft/reconfiguring.ts';
import type { RaftEnvelope } from '../../../../src/streams/envelope.ts';
import { chartWith } from './chart.ts';
import type { Planted } from './planted.ts';

/** The leader's commit index, by counting replicas of entries of whatever term: what it must not do (the dissertation's figure 3.7). */
export function countedReplicas(members: number): NonNullable<Planted['outgoing']> {
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

/** How far a member's log is known to reach, durably. */
function reachOf({ self, durable, leadership }: RaftContext, member: BrokerId): LogIndex {
  const known = leadership?.progress[member];
  return member === self ? durable : known?.doubt === null ? known.match : 0;
}

/** Commits, on top of what is right, entries of the own term up to `reached`. */
function committing(reached: (context: RaftContext, configuration: Configuration) => LogIndex): Planted {
  const more =
    (decide: Decision): Decision =>
    (context, event) => {
      const { changes, effects = [], ...outcome } = decide(context, event);
      const after = { ...context, ...changes };
      const commit = reached(after, inForce(after.configurations).configuration);
      if (after.leadership === null || commit <= after.commit || termAt(after.log, commit) !== after.term)
        return { ...outcome, effects, ...(changes && { changes }) };
      const told: RaftEffect[] = [apply(commit)];
      const { context: known, leadership } = withoutFormer({ ...after, commit }, after.leadership, told);
      return {
        ...outcome,
        changes: { ...changes, commit, peers: known.peers, leadership },
        effects: [...effects, ...told],
      };
    };
  return chartWith({ takeAppendReply: more(leading.takeAppendReply), countOwnSync: more(leading.countOwnSync) });
}

/** While a change of members is under way: a majority of the new ones is enough. */
export const withoutOldHalf = () =>
  committing((context, { voters }) => reachedByMajority(voters.map((voter) => reachOf(context, voter))));

/** As many as a majority of the voters is, learners among them. */
export const withLearners = () =>
  committing((context, configuration) => {
    if (isJoint(configuration)) return 0;
    const reached = membersOf(configuration).map((member) => reachOf(context, member));
    return reached.sort((a, b) => b - a)[majorityOf(configuration.voters.length) - 1] ?? 0;
  });

/** What stands behind a message's last entry is cut, though nothing of it conflicts. */
export const cutsBehindMessage = () =>
  chartWith({
    takeEntries: (context, event) => {
      const outcome = following.takeEntries(context, event);
      if (event.type !== 'append' || outcome.changes?.log !== undefined) return outcome;
      const after = Math.max(event.lastIndex, context.commit, outcome.changes?.commit ?? 0);
      if (after >= context.log.lastIndex) return outcome;
      const configurations = withEntries(context.configurations, [], after);
      return {
        changes: {
          ...outcome.changes,
          log: cutAfter(context.log, after),
          durable: Math.min(context.durable, after),
          configurations,
          peers: peersIn(configurations, context.self, context.commit),
        },
        effects: [{ type: 'truncate', params: { after } }, ...(outcome.effects ?? [])],
      };
    },
  });
