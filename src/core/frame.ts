// One host's samples. Rows are instants, columns are series; all series of a host share the column of timestamps.
import type { HostId, Millis } from './ids.ts';

export type SeriesKind = 'gauge' | 'counter';

/** What a column holds: a metric with its labels (keys sorted), its unit (UCUM) and kind. */
export interface SeriesDefinition {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string;
  readonly kind: SeriesKind;
}

/** The columns of a host's rows under a number: unique in the shard, never reused, never changed. */
export interface HostSchema {
  readonly id: number;
  readonly host: HostId;
  readonly series: readonly SeriesDefinition[];
}

/** Rows of one host under one schema. */
export interface RowBlock {
  readonly schema: HostSchema;
  /** Milliseconds since 1970, strictly ascending. */
  readonly timestamps: Float64Array;
  /** Series-major: series s of row r is at s * timestamps.length + r. NaN: no sample. */
  readonly values: Float64Array;
}

export type HostState = 'unseen' | 'online' | 'suspect' | 'offline' | 'stale' | 'retired';

/** What a shard's replicas agree on about a host. */
export interface HostRecord {
  readonly host: HostId;
  readonly state: HostState;
  readonly labels: Readonly<Record<string, string>>;
  readonly firstSeenMs: Millis;
  readonly lastSeenMs: Millis;
  readonly clockSkewMs: Millis;
}

/** A record as an entry of the log tells it. */
export interface HostChange extends HostRecord {
  /** Its state is the one before: when it was seen, its clock or its labels are the news. */
  readonly stateKept?: boolean;
}

/** A committed entry of a shard's log, decoded: what subscribers are shown and queries see. */
export interface AppliedEntry {
  readonly index: number;
  /** The leader's clock when it proposed, ms since 1970. */
  readonly stampMs: Millis;
  readonly rows: readonly RowBlock[];
  readonly hosts: readonly HostChange[];
}
