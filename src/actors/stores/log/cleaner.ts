// Lets old segments go.
//
//   oldest segment ─ nobody has anything in it ─▶ wait until that is durable ─▶ removed (a damaged one: set aside)
//        └─ some group has, and the log is mostly waste ─▶ read ─▶ written once more, at the end ─▶ again
//
// Invariants
//   1. Segments go in order, one after another, each durably before the next: what is left has no hole.
//   2. A segment goes only when one behind it tells where every group stands, and when everything that was written by then is durable:
//      what made its entries superfluous might be lost otherwise.
//   3. Copies change nothing but where entries lie, and are never more than what others wrote. However many groups are slow, the log
//      takes at most about three times what the groups have in it, and `spareSegments`.
import { present } from '../../../core/assert.ts';
import { describeError } from '../../../core/errors.ts';
import { groupFromNumber, type LogIndex } from '../../../core/ids.ts';
import type { LogEntry } from '../log.ts';
import type { GroupIndex } from './group-index.ts';
import type { GroupIndexes } from './replay.ts';
import type { SegmentFile } from './segment-files.ts';

export interface Cleaner {
  /** Something may have become superfluous. */
  check(): void;
  /** So many bytes were written: as many may be copied. */
  wrote(bytes: number): void;
  /** Begins nothing any more; calls `done` when no file is on its way out. A write or a read that never ends keeps nobody waiting. */
  close(done: () => void): void;
}

export interface CleanerPorts {
  /** In order. */
  readonly segments: Map<number, SegmentFile>;
  readonly groups: GroupIndexes;
  /** Of all segments. */
  readonly bytes: () => number;
  readonly read: (
    group: GroupIndex,
    from: LogIndex,
    through: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly LogEntry[]) => void,
  ) => void;
  /** Writes entries of the log once more; then they lie there. */
  readonly copy: (group: number, entries: readonly LogEntry[], done: () => void) => void;
  /** Calls back when all that was written is durable. */
  readonly whenDurable: (done: () => void) => void;
  readonly discard: (segment: SegmentFile, done: (error: Error | null) => void) => void;
  readonly warn: (message: string) => void;
  readonly limits: { readonly segmentBytes: number; readonly spareSegments: number; readonly copyBytes: number };
}

interface Holder {
  readonly group: number;
  readonly index: GroupIndex;
  readonly segment: number;
}

/** What an entry takes in the log beside its payload, at the least. */
const ENTRY_BYTES = 17;
/** What a copy takes beside its entries. */
const COPY_HEAD_BYTES = 128;
/** Fewer than what one batch may have. */
const COPY_ENTRIES = 500;

export function createCleaner(ports: CleanerPorts): Cleaner {
  const { segments, groups, limits, warn } = ports;
  let busy = false;
  let discarding = false;
  /** Entries that cannot be read are there: nothing is copied any more. */
  let stuck = false;
  /** Bytes that may be copied. */
  let credit = 0;
  /** Before this index the group has nothing in the segment any more: nothing comes to lie in an old one. */
  let copied = { group: -1, segment: 0, before: 0 };
  let closed = false;
  let closing: (() => void) | null = null;

  function check(): void {
    if (busy || closed) return;
    const [oldest, ...later] = segments.values();
    const next = later.find(({ begins }) => begins);
    if (oldest === undefined || next === undefined) return;
    const holder = firstHolder(next.number);
    if (holder === null) {
      busy = true;
      ports.whenDurable(() => remove(oldest));
    } else if (!stuck && credit > 0 && isWasteful()) {
      busy = true;
      gather(holder, isWhereCopied(holder) ? copied.before : 0);
    }
  }

  /** A group that has entries before segment `end`, and where. */
  function firstHolder(end: number): Holder | null {
    for (const segment of segments.keys()) {
      if (segment >= end) return null;
      for (const [group, index] of groups) if (index.held.has(segment)) return { group, index, segment };
    }
    return null;
  }

  const isWhereCopied = ({ group, segment }: Holder): boolean => group === copied.group && segment === copied.segment;

  function isWasteful(): boolean {
    let live = 0;
    for (const { held } of groups.values())
      for (const { entries, bytes } of held.values()) live += bytes + entries * ENTRY_BYTES;
    return ports.bytes() > 2 * live + limits.spareSegments * limits.segmentBytes;
  }

  function remove(segment: SegmentFile): void {
    if (closed) return;
    discarding = true;
    segments.delete(segment.number);
    ports.discard(segment, (error) => {
      discarding = false;
      if (error !== null) {
        // It is found at the next start, and goes then; those behind it stay until then, too.
        warn(`${segment.path} could not be removed: ${describeError(error)}`);
        closed = true;
      }
      rest();
    });
  }

  /** Reads neighbours in the segment, as many as make a copy. */
  function gather(holder: Holder, from: LogIndex): void {
    const { group, index, segment } = holder;
    const entries: LogEntry[] = [];
    let bytes = 0;
    const more = (at: LogIndex | null): void => {
      if (closed) return;
      const goesOn = at !== null && (entries.length === 0 || at === (entries.at(-1)?.index ?? 0) + 1);
      if (at === null || !goesOn || bytes >= limits.copyBytes || entries.length >= COPY_ENTRIES) {
        return put(holder, entries);
      }
      ports.read(index, at, index.view.lastIndex, limits.copyBytes, (error, found) => {
        if (error !== null) return giveUp(group, error);
        for (const entry of found) {
          entries.push(entry);
          bytes += entry.payload.length;
        }
        more(index.firstIn(segment, present(found.at(-1), 'one at least').index + 1));
      });
    };
    more(index.firstIn(segment, from));
  }

  /**
   * Meanwhile some may have left the log; and some of those between may lie elsewhere. A copy says only where it begins: it ends at the
   * first gap.
   */
  function put({ group, index, segment }: Holder, entries: readonly LogEntry[]): void {
    const here = entries.filter((entry) => index.lies(entry.index, entry.term, segment));
    const first = here[0]?.index ?? 0;
    const still = here.filter((entry, at) => entry.index === first + at);
    const last = still.at(-1);
    if (last === undefined) return rest();
    copied = { group, segment, before: last.index + 1 };
    credit -= still.reduce((sum, { payload }) => sum + payload.length + ENTRY_BYTES, COPY_HEAD_BYTES);
    ports.copy(group, still, rest);
  }

  function giveUp(group: number, error: Error): void {
    stuck = true;
    warn(`${groupFromNumber(group)} keeps old segments of the log: ${describeError(error)}`);
    rest();
  }

  function rest(): void {
    busy = false;
    check();
    closing?.();
  }

  return {
    check,
    wrote(bytes) {
      credit += bytes;
    },
    close(done) {
      closed = true;
      if (discarding) closing = done;
      else done();
    },
  };
}
