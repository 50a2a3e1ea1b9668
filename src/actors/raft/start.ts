// Where a member begins: with the state of its newest snapshot that is whole, and what its log has behind that.
//
//   log ─▶ newest snapshot that is whole ─▶ state, position
//            └─ none reaches the log's beginning ─┬─ others vote, by the ──▶ the log is forgotten: it begins in doubt, with nothing
//                                                 │  damaged one's header
//                                                 └─ else ─▶ refused; the log stays as it is
//
// Invariants
//   1. What has left a log lies in a snapshot, or the member is in doubt: it may have acknowledged what it does not hold.
//   2. A log is forgotten only where a snapshot was damaged, not where there is none: a directory that was not put back, or not mounted,
//      is missing for all brokers at once. And only where others vote by all that is left to tell: the founders may be long gone.
import { describeError, VedetteError } from '../../core/errors.ts';
import type { BrokerId, GroupId, LogIndex } from '../../core/ids.ts';
import { type LogView, termAt } from '../../machines/raft/log-view.ts';
import { inForce, type PlacedConfiguration, votersOf } from '../../machines/raft/membership.ts';
import type { SavedState } from '../raft-group.ts';
import type { LogStore, RecoveredGroup } from '../stores/log.ts';
import type { SnapshotStore, StoredSnapshot } from '../stores/snapshots.ts';
import { configurationsFrom } from './configurations.ts';

/** Where a member goes on. */
export interface Start {
  /** How far its state reaches. */
  readonly state: LogIndex;
  /** The entry after which the log goes on. */
  readonly position: LogIndex;
  /** The snapshot's; null: there is none. */
  readonly configuration: PlacedConfiguration | null;
}

export interface StartPorts {
  readonly self: BrokerId;
  readonly group: GroupId;
  /** The founders, or nobody. */
  readonly members: readonly BrokerId[];
  readonly log: LogStore;
  readonly saved: SavedState | undefined;
  readonly store: SnapshotStore | undefined;
  readonly warn: (message: string) => void;
}

/** @throws VedetteError DATA_LOSS when the log's beginning has left it, no snapshot holds it, and nobody else is known to have it. */
export function startFrom(ports: StartPorts): { readonly recovered: RecoveredGroup; readonly start: Start } {
  const { self, group, members, log, store, warn } = ports;
  const recovered = log.recovered(group);
  // A snapshot's header has a checksum of its own. What is damaged is set aside when it is read.
  const known = store?.kept(group)[0]?.meta.configuration ?? null;
  const start = restored(ports, recovered);
  if (start !== null) return { recovered, start };
  const what = `the log of ${group} begins at entry ${recovered.firstIndex}, and no snapshot holds what was before`;
  if (known === null)
    throw new VedetteError(
      'DATA_LOSS',
      `${what}: there is none. Its log was not changed: put the snapshots back; or, where other brokers hold the group, delete this one's data directory and start it again`,
    );
  const later = recovered.configurations.filter(({ index }) => index > known.index);
  const voters = votersOf(inForce(configurationsFrom(members, known, later)).configuration);
  if (voters.every((voter) => voter === self))
    throw new VedetteError('DATA_LOSS', `${what}; nobody else has it. Its log was not changed`);
  warn(
    `${what}: all of it is forgotten here. This broker neither votes nor acknowledges there until the leader has repaired it`,
  );
  log.write({ group, forget: true }, () => {});
  const left = log.recovered(group);
  return { recovered: left, start: restored(ports, left) ?? NOTHING };
}

const NOTHING: Start = { state: 0, position: 0, configuration: null };

/**
 * The state becomes that of the newest snapshot which is whole and from which the log goes on; what is broken is set aside. Null: there is none, and
 * the log's beginning has left it.
 */
function restored({ group, saved, store }: StartPorts, log: LogView): Start | null {
  const base = log.firstIndex - 1;
  for (const snapshot of store?.kept(group) ?? []) {
    const { index, term } = snapshot.meta;
    if (index < base) continue;
    // Only where the log holds the snapshot's last entry is everything before it known to be what was committed.
    const position = termAt(log, index) === term ? index : base;
    if (store !== undefined && saved !== undefined && restoreNow(snapshot, saved, position, store))
      return { state: index, position, configuration: snapshot.meta.configuration };
  }
  return base === 0 ? NOTHING : null;
}

/** False: it is broken. */
function restoreNow(snapshot: StoredSnapshot, saved: SavedState, position: LogIndex, store: SnapshotStore): boolean {
  const restoring = saved.restore(snapshot.meta.index);
  const reader = store.read(snapshot);
  try {
    for (let number = 0; number < snapshot.offsets.length; number++) restoring.take(reader.readSync(number).payload);
  } catch (error) {
    restoring.abandon();
    store.setAside(snapshot, describeError(error));
    return false;
  } finally {
    reader.close();
  }
  restoring.finish(position);
  return true;
}
