// A replica of one shard on this broker: its log's applier, its hot window, its hosts. The log is the write-ahead log of the
// window; whatever the window answers was committed.
import type { Observable } from 'rxjs';
import type { AppliedEntry, HostRecord, SeriesDefinition } from '../core/frame.ts';
import type { HostId, LogIndex, Millis, ShardId } from '../core/ids.ts';
import type { ForwardOutcome, HostBeat } from '../streams/envelope.ts';
import type { RaftGroup } from './raft-group.ts';
import type { RowProposal } from './shard/row-proposal.ts';

export interface WindowColumn {
  readonly series: SeriesDefinition;
  /** As many as there are timestamps; NaN: no sample. */
  readonly values: Float64Array;
}

export interface WindowRead {
  readonly timestamps: Float64Array;
  readonly columns: readonly WindowColumn[];
  /** Rows were left out because of `maxRows`: read on from the last timestamp + 1. */
  readonly more: boolean;
  /** Rows of the range at or before this have left the window and are missing here. Null: nothing is missing. */
  readonly missingThroughMs: Millis | null;
}

export interface HotWindow {
  /** Bytes held. */
  readonly bytes: number;
  /** Rows in [startMs, endMs], both inclusive; oldest first. */
  read(
    host: HostId,
    startMs: Millis,
    endMs: Millis,
    wanted: (series: SeriesDefinition) => boolean,
    maxRows: number,
  ): WindowRead;
  /** The time of the host's newest row. */
  newest(host: HostId): Millis | undefined;
}

export interface ShardCounters {
  /** Rows in entries that were applied here. */
  readonly rowsApplied: number;
  /** Samples in them. */
  readonly samplesApplied: number;
  /** Rows that were known already when they were proposed here. */
  readonly duplicates: number;
  /** Samples proposed here with another value than the one known. */
  readonly conflicts: number;
}

export interface Shard {
  readonly id: ShardId;
  readonly raft: RaftGroup;
  readonly window: HotWindow;
  readonly hosts: ReadonlyMap<HostId, HostRecord>;
  /** Entries as they are applied here, each once. Hot. */
  readonly applied: Observable<AppliedEntry>;
  /** The state was replaced by a snapshot's: what was applied in between was never shown. */
  readonly restored: Observable<void>;
  readonly appliedIndex: LogIndex;
  /** The oldest entry that `readEntries` can still give. */
  readonly firstReadable: LogIndex;
  /** The first entry stamped at or after `stampMs` by its leader, appliedIndex + 1 when there is none. For backfill. */
  indexAt(stampMs: Millis): LogIndex;
  /** Applied entries from `from` on, decoded again, about `maxBytes` of them and at least one; for subscribers that are behind. */
  readEntries(
    from: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly AppliedEntry[]) => void,
  ): void;
  /** As the shard's leader: take out what is known already, propose the rest. `notApplied` with the leader when another leads. */
  propose(proposal: RowProposal, done: (outcome: ForwardOutcome) => void): void;
  /** Heartbeats of hosts of this shard. Only the leader's count; elsewhere they are dropped. */
  beats(hosts: readonly HostBeat[]): void;
  readonly counters: ShardCounters;
  stop(): void;
}
