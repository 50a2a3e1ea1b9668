// Where a subscription's rows come from: the log of a replica on this broker, or the stream of a broker that has one.
import { NOT_BEGUN } from '../../core/cursor.ts';
import type { LogIndex, Millis, ShardId } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import type { Piece } from './selection.ts';

/** What is delivered undivided: the rows of one entry of the log, or one answer of another broker. */
export interface Parcel {
  readonly pieces: readonly Piece[];
  readonly events: readonly vedette.v1.IEvent[];
  readonly bytes: number;
  readonly gap: vedette.v1.IGap | null;
  /** Rows that another broker left out. */
  readonly conflatedRows: number;
}

export interface Feed {
  readonly shards: readonly ShardId[];
  /** It knows where each of its shards begins. */
  readonly answered: boolean;
  /** Everything that is there now was taken. */
  readonly caughtUp: boolean;
  /** What comes next must be read from the log. */
  readonly behind: boolean;
  readonly reading: boolean;
  /** Bytes that wait to be taken. */
  readonly waitingBytes: number;
  /** What comes next; null: nothing just now. Passes over what was not asked for. */
  peek(): Parcel | null;
  /** Positions move past what `peek` gave. */
  take(): void;
  /** Begins to read what is behind, unless it is being read. */
  readOn(): void;
  close(): void;
}

/** How far a subscription has come. */
export interface Positions {
  /** By shard: the last entry that was taken, or NOT_BEGUN. */
  readonly indexes: LogIndex[];
  /** By shard: everything stamped before this was taken. */
  readonly stamps: Millis[];
}

export function createPositions(shards: number, coveredMs: Millis): Positions {
  return {
    indexes: Array.from({ length: shards }, () => NOT_BEGUN),
    stamps: Array.from({ length: shards }, () => coveredMs),
  };
}
