// One group's snapshots: when one is taken, what may leave the log then, how the state is restored from one, and which is sent.
//
//   applied ─▶ enough since the last one ─▶ state, chunk by chunk ─▶ store ─▶ `compact` ─▶ the log begins later
//   start ──▶ newest that is whole ─▶ state          `restore` ─▶ the one that has arrived ─▶ state
//   `sendSnapshot` ─▶ transfer ─▶ `snapshot.sent`
//
// Invariants
//   1. The log begins no later than behind the older of the two snapshots that are kept: when the newer one is broken, the older one
//      and the log still make the state. While one is being sent, the log begins no later than behind that.
//   2. While the state is being replaced nothing is applied to it, and no snapshot of it is taken.
import { describeError, VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, GroupId, LogIndex, Term } from '../../core/ids.ts';
import { limits, type SnapshotLimits } from '../../core/limits.ts';
import type { RaftContext } from '../../machines/raft/context.ts';
import type { RaftEvent } from '../../machines/raft/events.ts';
import { termAt } from '../../machines/raft/log-view.ts';
import { configurationAt, type PlacedConfiguration } from '../../machines/raft/membership.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Restoring, SavedState } from '../raft-group.ts';
import type { SnapshotTransfers } from '../snapshot-transfer.ts';
import type { LogEntry } from '../stores/log.ts';
import type { SnapshotStore, StoredSnapshot } from '../stores/snapshots.ts';
import type { SnapshotReader } from '../stores/snapshots/reader.ts';
import type { Applier } from './applier.ts';
import { createHorizon } from './horizon.ts';

export interface SnapshotPorts {
  readonly store: SnapshotStore;
  readonly transfers: SnapshotTransfers;
  readonly cluster: () => ClusterId | '';
  readonly options?: Partial<SnapshotLimits>;
}

export interface GroupSnapshots {
  /** Of the newest durable one: how far it reaches (0: there is none), and the configuration there. */
  held(): LogIndex;
  heldConfiguration(): PlacedConfiguration | undefined;
  /** These were applied, or passed. */
  noted(entries: readonly LogEntry[]): void;
  take(done: (error: Error | null, index: LogIndex) => void): void;
  restore(base: LogIndex): void;
  send(to: BrokerId, term: Term): void;
  stop(): void;
}

export interface GroupSnapshotsPorts extends SnapshotPorts {
  readonly group: GroupId;
  readonly clock: Clock;
  readonly state: SavedState;
  readonly applier: Applier;
  readonly context: () => RaftContext;
  readonly send: (event: RaftEvent) => void;
  /** The state is that of a snapshot now, and `applied` counts. */
  readonly restored: (applied: LogIndex) => void;
  readonly failed: (error: Error) => void;
}

export function createGroupSnapshots(ports: GroupSnapshotsPorts): GroupSnapshots {
  const { group, store, transfers, clock, applier, context } = ports;
  const options = { ...limits.snapshots, ...ports.options };
  const horizon = createHorizon(options, applier.applied, clock.monotonic());
  const sending = new Map<BrokerId, StoredSnapshot>();
  let bytesThen = 0;
  let taking: ((error: Error | null, index: LogIndex) => void)[] | null = null;
  let reader: SnapshotReader | null = null;
  let restores = 0;
  let restoring = false;
  let stopped = false;

  const newest = () => store.newest(group);

  function isDue(): boolean {
    return horizon.bytes() - bytesThen >= Math.max(options.everyBytes, newest()?.bytes ?? 0);
  }

  function take(done: (error: Error | null, index: LogIndex) => void): void {
    if (taking !== null) {
      taking.push(done);
      return;
    }
    taking = [done];
    bytesThen = horizon.bytes();
    store.save(begin, (stored) => {
      const waiting = taking ?? [];
      taking = null;
      if (stopped) return;
      compact();
      const reached = newest()?.meta.index ?? 0;
      const isThere = stored !== null || reached >= applier.applied;
      const error = isThere ? null : new VedetteError('RESOURCE_EXHAUSTED', `no snapshot of ${group} could be written`);
      for (const one of waiting) one(error, reached);
    });
  }

  /** Null: there is nothing that the newest one does not hold, no whole state to take it of, or nobody knows here yet who votes. */
  function begin() {
    const { log, configurations } = context();
    const index = applier.applied;
    const term = termAt(log, index);
    if (stopped || restoring || term === undefined || index <= (newest()?.meta.index ?? 0)) return null;
    const configuration = configurationAt(configurations, index);
    if (configuration.configuration.voters.length === 0) return null;
    return { meta: { group, index, term, cluster: ports.cluster(), configuration }, chunks: ports.state.snapshot() };
  }

  function compact(): void {
    const kept = store.kept(group);
    const older = kept[1];
    if (older === undefined || restoring) return;
    const sent = [...sending.values()].map(({ meta }) => meta.index);
    const through = Math.min(horizon.mayLeave(clock.monotonic()), older.meta.index, ...sent);
    if (through >= context().log.firstIndex) ports.send({ type: 'compact', through, at: clock.monotonic() });
  }

  function restoreFrom(snapshots: readonly StoredSnapshot[], base: LogIndex): void {
    const [snapshot, ...others] = snapshots;
    if (snapshot === undefined) {
      ports.failed(new VedetteError('DATA_LOSS', `no snapshot of ${group} that reaches entry ${base} can be read`));
      return;
    }
    const { index } = snapshot.meta;
    const state = ports.state.restore(index);
    const source = store.read(snapshot);
    reader = source;
    const broken = (error: unknown) => {
      source.close();
      state.abandon();
      store.setAside(snapshot, describeError(error));
      restoreFrom(others, base);
    };
    const next = (number: number) => {
      if (number === snapshot.offsets.length) return finish(state, base, index);
      source.read(number, (error, chunk) => {
        if (error !== null || chunk === null) return broken(error);
        try {
          state.take(chunk.payload);
        } catch (unreadable) {
          return broken(unreadable);
        }
        next(number + 1);
      });
    };
    next(0);
  }

  function finish(state: Restoring, base: LogIndex, index: LogIndex): void {
    reader?.close();
    reader = null;
    restoring = false;
    state.finish(base);
    horizon.beginAfter(base, clock.monotonic());
    applier.restored(base, index);
    ports.restored(base);
  }

  return {
    held: () => newest()?.meta.index ?? 0,
    heldConfiguration: () => newest()?.meta.configuration,
    noted(entries) {
      horizon.note(entries, clock.monotonic());
      if (taking === null && isDue()) take(() => {});
      else compact();
    },
    take,
    restore(base) {
      restores++;
      restoring = true;
      reader?.close();
      applier.hold();
      const born = restores;
      // The step that asked for it is not over.
      clock.defer(() => {
        if (stopped || born !== restores) return;
        restoreFrom(
          store.kept(group).filter(({ meta }) => meta.index >= base),
          base,
        );
      });
    },
    send(to, term) {
      const told = (index: LogIndex | null) => {
        sending.delete(to);
        if (!stopped) ports.send({ type: 'snapshot.sent', peer: to, term, index, at: clock.monotonic() });
      };
      const snapshot = newest();
      if (snapshot === null) {
        clock.defer(() => told(null));
        return;
      }
      sending.set(to, snapshot);
      transfers.send({
        to,
        term,
        snapshot,
        isWanted: () => !stopped && context().term === term && context().leadership?.progress[to]?.state === 'snapshot',
        done: (arrived) => told(arrived ? snapshot.meta.index : null),
      });
    },
    stop() {
      stopped = true;
      reader?.close();
    },
  };
}
