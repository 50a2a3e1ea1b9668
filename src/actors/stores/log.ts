// The log store: one per broker, for all its groups, so that one sync serves them all (group commit).
import type { GroupId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { HardState } from '../../machines/raft/effects.ts';
import type { TermRun } from '../../machines/raft/messages.ts';

export type EntryKind = 'noop' | 'data' | 'configuration';

export interface LogEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
}

/** One step's change to one group: applied in this order, durable as a whole or not at all. */
export interface LogWrite {
  readonly group: GroupId;
  readonly hard?: HardState;
  /**
   * false: what this group acknowledged may be lost; it stays unsound, over restarts, until a write says true. The first write of a
   * member that lost its directory says false.
   */
  readonly sound?: boolean;
  /**
   * Forget every entry up to this one: a durable snapshot holds them. When the log does not hold this very entry, it is empty
   * afterwards and goes on behind it: a snapshot was installed. What was compacted already stays so.
   */
  readonly compactTo?: { readonly index: LogIndex; readonly term: Term };
  /** Forget every entry after this one. */
  readonly truncateAfter?: LogIndex;
  /**
   * The member is gone from here for good, or what has left its log is lost: every entry is forgotten, and the group is unsound, so that a
   * member of it that begins here is not taken for one that still holds what this one acknowledged. Its term and vote stay. Alone in
   * its write.
   */
  readonly forget?: true;
  /** Consecutive, beginning right after what is there by then. */
  readonly entries?: readonly LogEntry[];
}

/** What opening found of a group. A group never written is all zeros, and sound. */
export interface RecoveredGroup {
  /** Nothing was ever written of it here, as far as the log shows. */
  readonly isNew: boolean;
  /**
   * false: what it acknowledged may be lost, by damage or because a write said so. What is here is a beginning of its log, and the
   * newest hard state known, which may be an old one.
   */
  readonly sound: boolean;
  readonly hard: HardState;
  /** The first entry still there; entries before it were compacted. 1 when nothing was. */
  readonly firstIndex: LogIndex;
  /** The term of the entry before firstIndex; 0 when firstIndex is 1. */
  readonly previousTerm: Term;
  readonly lastIndex: LogIndex;
  /** Terms of firstIndex … lastIndex; empty when there are no entries. */
  readonly runs: readonly TermRun[];
  /** The entries of kind `configuration` among them, in order. */
  readonly configurations: readonly ConfigurationEntry[];
}

export type ConfigurationEntry = Pick<LogEntry, 'index' | 'payload'>;

export interface LogStore {
  recovered(group: GroupId): RecoveredGroup;
  /**
   * Takes a write; entries can be read at once. `synced` is called when it is durable: in order of the calls, never
   * synchronously, not at all after a failure (the store's `failed` is told instead, once, and the process must end).
   */
  write(write: LogWrite, synced: () => void): void;
  /**
   * Entries from `from` on, at most through `through` and about `maxBytes` of payload, but at least one. Answers at once
   * (synchronously) from the cached tail, later from disk.
   * @throws AssertionError when `from` is outside the log.
   */
  read(
    group: GroupId,
    from: LogIndex,
    through: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly LogEntry[]) => void,
  ): void;
  /** Bytes waiting to be written and synced: backpressure for those who propose. */
  readonly pendingBytes: number;
  /** Since when the disk has been at work on the oldest of these, by the clock's `monotonic`; null when it is not, or is full. */
  readonly busySince: Millis | null;
  /** True while the disk has less room than the reserve: proposals must be refused. */
  readonly full: boolean;
  close(done: () => void): void;
}

export interface BrokerLog extends LogStore {
  /** Those of which opening found a log, in their order. */
  readonly groups: readonly GroupId[];
}
