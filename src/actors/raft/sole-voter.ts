// What makes a broker the only voter of a group whose majority is lost for ever: decided from what the broker has, written by
// cluster/recovery.ts while nothing runs.
//
//   in the log      1 ……… 90 │ 91  configuration {self}   92 …  what the group is to be told with it
//   term            … 3 … 4  │ 5   voted for self
//
// Invariants
//   1. What the log holds stays, and is committed when the broker starts: it elects itself, and an entry that is committed commits all
//      before it. What was acknowledged and is here is kept; what was not may come with it, as after any election.
//   2. A snapshot holds only what was committed. Where the log does not hold its last entry, the log is the one that is behind, or
//      wrong: it goes on behind the snapshot.
//   3. The term is above all that is known here. Others may know higher ones: nobody of the old group may be heard any more.
//   4. Where something may be missing that this broker acknowledged itself, or that it was never sent, that is said, and is for a
//      person to accept. Where the log's beginning is missing, what follows says nothing: a shard goes on from an older snapshot,
//      or empty; of the control group nothing can be made.
import type { BrokerId, GroupId, LogIndex, Term } from '../../core/ids.ts';
import { lastTerm, termAt } from '../../machines/raft/log-view.ts';
import { type Configuration, inForce, isVoterIn, membersOf } from '../../machines/raft/membership.ts';
import type { LogEntry, LogWrite, RecoveredGroup } from '../stores/log.ts';
import type { SnapshotMeta } from '../stores/snapshots.ts';
import { encodeConfiguration } from './configuration-codec.ts';
import { configurationsFrom } from './configurations.ts';

export interface GroupHeld {
  readonly self: BrokerId;
  readonly group: GroupId;
  /** The founders, or nobody. */
  readonly founders: readonly BrokerId[];
  readonly recovered: RecoveredGroup;
  /** The newest that is whole; null: there is none. */
  readonly snapshot: Pick<SnapshotMeta, 'index' | 'term' | 'configuration'> | null;
}

export type Doubt =
  /** Nothing of the group is here: it begins empty. */
  | 'nothing'
  /** Its log has lost its beginning: what is left is forgotten, and it goes on from an older snapshot, or empty. */
  | 'broken'
  /** What this broker acknowledged may be missing. */
  | 'unsound'
  /** It was a learner: the voters went on without it. */
  | 'learner'
  /** It was no member by the last that it knows: what is here is what was there when it left. */
  | 'outsider';

export interface SoleVoter {
  readonly group: GroupId;
  /** The last entry that is here. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Up to here it is known to be committed: a snapshot holds it. */
  readonly certain: LogIndex;
  /** Who belonged to it, by what is here. */
  readonly before: Configuration;
  readonly doubt: Doubt | null;
  /** It is the only member as it is: nothing has to be written. */
  readonly isAlone: boolean;
  /** Before `write`, in a write of its own: what is here goes. */
  readonly isForgotten: boolean;
  /** @param told further entries that the group is to apply. */
  write(told: readonly Uint8Array[]): LogWrite & { readonly entries: readonly LogEntry[] };
}

/** A text: why nothing can be made of what is here. */
export function soleVoter(held: GroupHeld): SoleVoter | string {
  const { self, group, founders, recovered, snapshot } = held;
  const isBroken = recovered.firstIndex > 1 && (snapshot === null || snapshot.index < recovered.firstIndex - 1);
  if (isBroken && group === 'control')
    return `its log begins at entry ${recovered.firstIndex}, and no snapshot that is whole holds what was before`;
  if (isBroken) return beginsAgain(held);
  const goesOn = snapshot === null || termAt(recovered, snapshot.index) === snapshot.term;
  const end = goesOn ? { index: recovered.lastIndex, term: lastTerm(recovered) } : snapshot;
  const configurations = goesOn ? recovered.configurations : [];
  const before = inForce(configurationsFrom(founders, snapshot?.configuration ?? null, configurations)).configuration;
  const doubt = doubtAbout(self, before, recovered.sound, end.index);
  const term = Math.max(recovered.hard.term, lastTerm(recovered), end.term) + 1;
  return {
    group,
    ...end,
    certain: snapshot?.index ?? 0,
    before,
    doubt,
    isForgotten: false,
    isAlone: doubt === null && membersOf(before).every((id) => id === self) && before.outgoing.length === 0,
    write: (told) => ({
      group,
      hard: { term, votedFor: self },
      ...(recovered.sound ? {} : { sound: true }),
      ...(goesOn ? {} : { compactTo: { index: end.index, term: end.term } }),
      entries: [
        { index: end.index + 1, term, kind: 'configuration', payload: encodeConfiguration(alone(self)) },
        ...told.map((payload, at) => ({ index: end.index + 2 + at, term, kind: 'data' as const, payload })),
      ],
    }),
  };
}

/** From an older snapshot where there is one. Ended between its two writes, the group is one of which no more than that is here. */
function beginsAgain({ self, group, founders, recovered, snapshot }: GroupHeld): SoleVoter {
  const { index, term: of } = snapshot ?? { index: 0, term: 0 };
  const { configuration } = inForce(configurationsFrom(founders, snapshot?.configuration ?? null, []));
  const term = Math.max(recovered.hard.term, lastTerm(recovered), of) + 1;
  return {
    group,
    index,
    term: of,
    certain: index,
    before: configuration,
    doubt: 'broken',
    isAlone: false,
    isForgotten: true,
    write: () => ({
      group,
      hard: { term, votedFor: self },
      sound: true,
      ...(snapshot === null ? {} : { compactTo: { index, term: of } }),
      entries: [{ index: index + 1, term, kind: 'configuration', payload: encodeConfiguration(alone(self)) }],
    }),
  };
}

const alone = (self: BrokerId): Configuration => ({ voters: [self], outgoing: [], learners: [], joining: [] });

function doubtAbout(self: BrokerId, before: Configuration, sound: boolean, last: LogIndex): Doubt | null {
  if (last === 0) return 'nothing';
  if (!sound) return 'unsound';
  if (isVoterIn(before, self)) return null;
  return before.learners.includes(self) ? 'learner' : 'outsider';
}
