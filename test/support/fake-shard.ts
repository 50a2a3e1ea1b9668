// A shard whose committed log the test writes, and replicas of it that apply as far as the test lets them. The hot window is the
// real one; Raft is what the test says it is.
import { BehaviorSubject, Subject } from 'rxjs';
import type { RaftGroup, RaftStatus } from '../../src/actors/raft-group.ts';
import { createHotWindow, createWindowBudget, type WritableWindow } from '../../src/actors/shard/hot-window.ts';
import type { Shard } from '../../src/actors/shard.ts';
import { unavailable } from '../../src/core/errors.ts';
import type {
  AppliedEntry,
  HostRecord,
  HostSchema,
  HostState,
  RowBlock,
  SeriesDefinition,
} from '../../src/core/frame.ts';
import {
  type BrokerId,
  type HostId,
  type LogIndex,
  type Millis,
  type ShardId,
  shardGroup,
} from '../../src/core/ids.ts';
import type { Clock } from '../../src/streams/clock.ts';
import { foundedBy, inForce } from '../../src/machines/raft/membership.ts';

export function series(metric: string, labels: Record<string, string> = {}): SeriesDefinition {
  return { metric, labels, unit: '1', kind: 'gauge' };
}

/** @param columns one array of values per series. */
export function block(
  schema: HostSchema,
  timestamps: readonly number[],
  columns: readonly (readonly number[])[],
): RowBlock {
  return { schema, timestamps: Float64Array.from(timestamps), values: Float64Array.from(columns.flat()) };
}

export function hostRecord(host: string, state: HostState, seenMs: Millis, more: Partial<HostRecord> = {}): HostRecord {
  return {
    host: host as HostId,
    state,
    labels: {},
    firstSeenMs: seenMs,
    lastSeenMs: seenMs,
    clockSkewMs: 0,
    ...more,
  };
}

/** What a quorum agreed on: the same for all replicas. */
export class FakeLog {
  readonly id: ShardId;
  readonly entries: AppliedEntry[] = [];
  #schemas = 0;

  constructor(id: ShardId) {
    this.id = id;
  }

  schema(host: string, definitions: readonly SeriesDefinition[]): HostSchema {
    return { id: ++this.#schemas, host: host as HostId, series: definitions };
  }

  /** Without rows and hosts it is a no-op: it has no stamp, and nobody is shown it. */
  append(stampMs: Millis, rows: readonly RowBlock[], hosts: readonly HostRecord[] = []): AppliedEntry {
    const noop = rows.length + hosts.length === 0;
    const entry = { index: this.entries.length + 1, stampMs: noop ? 0 : stampMs, rows, hosts };
    this.entries.push(entry);
    return entry;
  }
}

export interface FakeReplica extends Shard {
  /** Applies up to this entry of the log. */
  applyTo(index: LogIndex): void;
  readonly log: FakeLog;
  readonly window: WritableWindow;
  firstReadable: LogIndex;
  /** Readings of the log take this long; 0: at once, from the cache. */
  readMs: Millis;
  readError: Error | null;
  /** Readings so far. */
  reads: number;
  setStatus(status: Partial<RaftStatus>): void;
  /** Reads of the leader are confirmed; false: they hang. */
  quorum: boolean;
}

export interface FakeReplicaOptions {
  readonly log: FakeLog;
  readonly broker: BrokerId;
  readonly clock: Clock;
  readonly members: readonly BrokerId[];
  /** 0: rows are not kept. */
  readonly windowBytes?: number;
}

export function createFakeReplica({
  log,
  broker,
  clock,
  members,
  windowBytes = 1 << 24,
}: FakeReplicaOptions): FakeReplica {
  const window = createHotWindow(createWindowBudget(() => windowBytes));
  const hosts = new Map<HostId, HostRecord>();
  const applied = new Subject<AppliedEntry>();
  let appliedIndex = 0;
  const statuses = new BehaviorSubject<RaftStatus>({
    role: 'follower',
    term: 1,
    leader: null,
    serving: false,
    commit: 0,
    applied: 0,
    firstIndex: 1,
    lastIndex: 0,
    configuration: inForce(foundedBy(members)),
  });

  const raft: RaftGroup = {
    id: shardGroup(log.id),
    members,
    get status() {
      return { ...statuses.value, applied: appliedIndex };
    },
    statusChanges: statuses,
    propose: () => {
      throw new Error('nothing is proposed here');
    },
    read(done) {
      clock.defer(() => {
        const { role, leader } = statuses.value;
        if (role !== 'leader') done(unavailable(`${leader ?? 'nobody'} leads ${shardGroup(log.id)}, not ${broker}`));
        else if (replica.quorum) done(null);
      });
    },
    receive: () => {},
    beat: () => {},
    keepsUp: () => false,
    claimTo: () => null,
    follows: () => false,
    linkSilent: () => {},
    peerClosed: () => {},
    peerOpened: () => {},
    snapshot: () => {},
    changeMembership: () => {},
    transfer: () => {},
    trust: () => {},
    stop: () => {},
  };

  const replica: FakeReplica = {
    id: log.id,
    log,
    raft,
    window,
    hosts,
    applied,
    restored: new Subject<void>(),
    firstReadable: 1,
    readMs: 0,
    readError: null,
    reads: 0,
    quorum: true,
    get appliedIndex() {
      return appliedIndex;
    },
    indexAt(stampMs) {
      const at = log.entries.find((entry) => entry.index <= appliedIndex && entry.stampMs >= stampMs);
      return Math.max(replica.firstReadable, at?.index ?? appliedIndex + 1);
    },
    readEntries(from, maxBytes, done) {
      replica.reads++;
      const answer = () => {
        if (replica.readError !== null) return done(replica.readError, []);
        if (from < replica.firstReadable || from > appliedIndex)
          return done(new Error(`entry ${from} is not in ${replica.firstReadable}..${appliedIndex}`), []);
        const read: AppliedEntry[] = [];
        let bytes = 0;
        for (let index = from; index <= appliedIndex && (bytes < maxBytes || read.length === 0); index++) {
          const entry = log.entries[index - 1];
          if (entry === undefined) break;
          // Decoded again: the schemas are the same objects, the entries are not.
          read.push({ ...entry });
          bytes += entry.rows.reduce((sum, { values }) => sum + values.byteLength, 0);
        }
        done(null, read);
      };
      if (replica.readMs === 0) answer();
      else clock.after(replica.readMs, answer);
    },
    applyTo(index) {
      while (appliedIndex < Math.min(index, log.entries.length)) {
        const entry = log.entries[appliedIndex];
        appliedIndex++;
        if (entry === undefined || entry.stampMs === 0) continue;
        for (const record of entry.hosts) hosts.set(record.host, record);
        if (windowBytes > 0) for (const rows of entry.rows) window.add(rows);
        applied.next(entry);
      }
    },
    setStatus(status) {
      statuses.next({ ...statuses.value, ...status });
    },
    propose: () => {
      throw new Error('nothing is proposed here');
    },
    beats: () => {},
    counters: { rowsApplied: 0, samplesApplied: 0, duplicates: 0, conflicts: 0 },
    stop: () => applied.complete(),
  };
  return replica;
}
