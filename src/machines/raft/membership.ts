// Who belongs to a group (§4): voters, learners, and the two halves of a change between them (joint consensus, §4.3).
//
//   {a b c} ──change──▶ joint: {a b c} and {b c d} ──once that is committed──▶ {b c d}
//                       a majority of each half must agree        (appended by whoever leads by then)
//
// A configuration is an entry of the log, and is in force at a member from when it stands there, committed or not (§4.1); when it is
// cut off again, the one before it is in force again. So a member keeps the newest that is applied, and what came after it.
//
// Invariants
//   1. The history is ascending in index and never empty; its last configuration is in force.
//   2. One change at a time: a leader appends a configuration only when the one in force is committed, and an entry of its own term
//      is (the flaw of single-server changes that Ongaro reported in 2015 is one of leaders without the latter).
//   3. Whoever votes is a voter of either half; a learner's answers count for nothing. A learner that is to become a voter (`joining`)
//      is made one by the leader when it has caught up.
import { present } from '../../core/assert.ts';
import type { BrokerId, LogIndex } from '../../core/ids.ts';

export interface Configuration {
  readonly voters: readonly BrokerId[];
  /** The voters before, until the change is complete; empty: none is under way. */
  readonly outgoing: readonly BrokerId[];
  /** They are sent everything, and do not count. */
  readonly learners: readonly BrokerId[];
  /** Those of the learners that are to become voters. */
  readonly joining: readonly BrokerId[];
}

export interface PlacedConfiguration {
  /** Of its entry; 0: the group began with it. */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export type ConfigurationHistory = readonly PlacedConfiguration[];

/** What a change asks for. */
export type MembershipTarget = Pick<Configuration, 'voters' | 'learners' | 'joining'>;

export const foundedBy = (voters: readonly BrokerId[]): ConfigurationHistory => [
  { index: 0, configuration: { voters: voters.toSorted(), outgoing: [], learners: [], joining: [] } },
];

export function inForce(history: ConfigurationHistory): PlacedConfiguration {
  return present(history.at(-1), 'a group has a configuration');
}

export const isJoint = ({ outgoing }: Configuration): boolean => outgoing.length > 0;

export function isVoterIn({ voters, outgoing }: Configuration, id: BrokerId): boolean {
  return voters.includes(id) || outgoing.includes(id);
}

export function isMemberOf(configuration: Configuration, id: BrokerId): boolean {
  return isVoterIn(configuration, id) || configuration.learners.includes(id);
}

/** Both halves' voters, sorted. */
export function votersOf({ voters, outgoing }: Configuration): readonly BrokerId[] {
  return outgoing.length === 0 ? voters : [...new Set([...voters, ...outgoing])].sort();
}

/** Everybody, sorted. */
export function membersOf(configuration: Configuration): readonly BrokerId[] {
  return [...new Set([...votersOf(configuration), ...configuration.learners])].sort();
}

/**
 * Whom a leader talks to: all but itself; those whom an uncommitted configuration leaves out, too, so that they hear of it.
 */
export function peersIn(history: ConfigurationHistory, self: BrokerId, commit: LogIndex): readonly BrokerId[] {
  const { index, configuration } = inForce(history);
  const before = index > commit ? history.at(-2)?.configuration : undefined;
  const all = before === undefined ? membersOf(configuration) : [...membersOf(before), ...membersOf(configuration)];
  return [...new Set(all)].filter((member) => member !== self).sort();
}

/** With the configurations of entries that were appended behind `cutAfter`; what stood behind it before is gone. */
export function withEntries(
  history: ConfigurationHistory,
  added: readonly PlacedConfiguration[],
  cutAfter: LogIndex,
): ConfigurationHistory {
  // The usual case, at every message with entries. (Of several, those that are committed meanwhile change whom this member talks to.)
  if (added.length === 0 && history.length === 1) return history;
  const kept = history.filter(({ index }, at) => at === 0 || index <= cutAfter);
  const end = inForce(kept).index;
  return [...kept, ...added.filter(({ index }) => index > end)];
}

/** The one that was in force when the state held everything up to `applied`, and what came after it. */
export function sinceApplied(history: ConfigurationHistory, applied: LogIndex): ConfigurationHistory {
  const last = history.findLastIndex(({ index }) => index <= applied);
  return last <= 0 ? history : history.slice(last);
}

/** In force at `index`. */
export function configurationAt(history: ConfigurationHistory, index: LogIndex): PlacedConfiguration {
  return history.findLast((placed) => placed.index <= index) ?? present(history[0], 'a group has a configuration');
}

/** What is to be appended for a change to `target`; what stands in its way, in words, when it cannot be. */
export function changeTo(current: Configuration, target: MembershipTarget): Configuration | string {
  const voters = [...new Set(target.voters)].sort();
  const learners = [...new Set(target.learners)].filter((id) => !voters.includes(id)).sort();
  const joining = [...new Set(target.joining)].filter((id) => learners.includes(id)).sort();
  if (voters.length === 0) return 'a group needs a voter';
  const votersStay = areSame(voters, current.voters);
  if (votersStay && areSame(learners, current.learners) && areSame(joining, current.joining))
    return 'that is the configuration already';
  return { voters, outgoing: votersStay ? [] : current.voters, learners, joining };
}

/** The end of a joint configuration. */
export const afterJoint = ({ voters, learners, joining }: Configuration): Configuration => ({
  voters,
  outgoing: [],
  learners,
  joining,
});

/** This learner becomes a voter. */
export function promoted(current: Configuration, id: BrokerId): Configuration {
  const others = (ids: readonly BrokerId[]) => ids.filter((other) => other !== id);
  return {
    voters: [...current.voters, id].sort(),
    outgoing: current.voters,
    learners: others(current.learners),
    joining: others(current.joining),
  };
}

const areSame = (left: readonly BrokerId[], right: readonly BrokerId[]): boolean =>
  left.length === right.length && left.every((id, at) => id === right[at]);
