// The log store: all groups of a broker in one sequence of segments, so that one sync serves them all.
//
//   write ─▶ waiting ─▶ (while one sync runs, the next batch gathers) ─▶ one writev, one fdatasync ─▶ synced, in order
//
// Invariants
//   1. `synced` is called in the order of the writes, and only when the write and all before it are on stable storage.
//   2. After a failed write or sync nothing is called back: `failed` is told, once, and the process must end. What the disk holds
//      is then unknown, and asking it again would only hide that.
//   3. What was written can be read at once; what is read from disk has the checksum it was written with.
import { assert, present } from '../../core/assert.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import { groupNumber, type LogIndex } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { encodeBatch, type EntryKindNumber, type LogRecord, SEGMENT_HEADER_BYTES } from '../../core/log-format.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { Kernels } from '../kernels.ts';
import type { Disk } from './disk.ts';
import type { EntryKind, LogEntry, LogStore, LogWrite, RecoveredGroup } from './log.ts';
import { createGroupIndex, type EntryPlace, type GroupIndex } from './log/group-index.ts';
import { recover } from './log/recovery.ts';
import { createSegment, openSegments, type SegmentFile } from './log/segment-files.ts';

export interface LogStorePorts {
  readonly disk: Disk;
  /** Made when it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly kernels: Kernels;
  readonly warn: (message: string) => void;
  /** A write or a sync failed: nothing is acknowledged any more, the process must end. */
  readonly failed: (error: VedetteError) => void;
  readonly options?: Partial<typeof limits.log>;
}

const KIND_NUMBERS: Record<EntryKind, EntryKindNumber> = { noop: 0, data: 1, configuration: 2 };

interface Waiting {
  readonly write: LogWrite;
  readonly synced: () => void;
  readonly bytes: number;
  /** Of its entries; filled in when they are on disk. */
  readonly places: readonly EntryPlace[];
}

interface Batch {
  readonly chunks: readonly Uint8Array[];
  readonly writes: readonly Waiting[];
  /** Where the payloads begin in the segment. */
  readonly payloadsAt: number;
}

/**
 * Opens the log, reading all of it back; takes the directory's lock.
 * @throws VedetteError FAILED_PRECONDITION (locked, foreign or newer files), DATA_LOSS (damage that no unfinished write can leave).
 */
export function openLog(ports: LogStorePorts): LogStore {
  const { disk, directory, clock, random, kernels, warn } = ports;
  const options = { ...limits.log, ...ports.options };
  disk.makeDirectory(directory);
  const lock = disk.lock(`${directory}/lock`);
  const groups = new Map<number, GroupIndex>();
  const { segments: found, storeId: known } = openSegments(disk, directory, warn);
  const storeId = known ?? Uint8Array.from({ length: 16 }, () => random.integer(0, 255));
  const segments = new Map<number, SegmentFile>(found.map((segment) => [segment.number, segment]));
  let cachedBytes = 0;
  const recovered = recover(found, indexOf, kernels.crc32c, warn, (bytes) => {
    cachedBytes += bytes;
    evict();
  });
  let current = found.at(-1) ?? addSegment(1);
  let end = recovered.end;
  let totalBytes = recovered.bytes;
  let batchNumber = recovered.batchNumber;
  let batchCrc = recovered.batchCrc;
  let waiting: Waiting[] = [];
  let pendingBytes = 0;
  let writing = false;
  let scheduled = false;
  let failed = false;
  let closing: (() => void) | null = null;
  let full = false;
  let freeCheckedAt = Number.NEGATIVE_INFINITY;
  const recoveredGroups = new Map([...groups].map(([number, index]) => [number, snapshotOf(index)]));
  checkRoom();

  function indexOf(group: number): GroupIndex {
    let index = groups.get(group);
    if (index === undefined) {
      index = createGroupIndex();
      groups.set(group, index);
    }
    return index;
  }

  function addSegment(number: number): SegmentFile {
    const segment = createSegment(disk, directory, number, storeId);
    segments.set(number, segment);
    return segment;
  }

  /** The newest entries of all groups stay in memory, up to a limit; of each group the oldest leave, in turn. */
  function evict(): void {
    for (let freedAny = true; freedAny && cachedBytes > options.cacheBytes; ) {
      freedAny = false;
      for (const index of groups.values()) {
        const freed = index.evictOldest();
        if (freed === null) continue;
        cachedBytes -= freed;
        freedAny = true;
      }
    }
  }

  function checkRoom(): void {
    const now = clock.monotonic();
    if (now - freeCheckedAt < options.freeCheckMs) return;
    freeCheckedAt = now;
    const short = disk.free(directory) < options.reserveBytes;
    const atLimit = totalBytes >= options.bytesMax;
    if ((short || atLimit) && !full) {
      warn(
        short
          ? `less than ${options.reserveBytes} bytes are free for ${directory}: writes are refused until there is room`
          : `the log in ${directory} has reached its limit of ${options.bytesMax} bytes: writes are refused`,
      );
    }
    if (!short && !atLimit && full) warn(`there is room for ${directory} again: writes are taken`);
    full = short || atLimit;
  }

  function schedule(): void {
    if (scheduled || writing || failed || waiting.length === 0) return;
    scheduled = true;
    clock.defer(() => {
      scheduled = false;
      flush();
    });
  }

  function fail(error: Error, what: string): void {
    if (failed) return;
    failed = true;
    ports.failed(
      new VedetteError('INTERNAL', `${what} ${current.path} failed: ${describeError(error)}`, { cause: error }),
    );
  }

  function flush(): void {
    if (writing || failed || waiting.length === 0) return;
    writing = true;
    const batch = takeBatch();
    const bytes = batch.chunks.reduce((total, chunk) => total + chunk.length, 0);
    const at = end;
    end += bytes;
    totalBytes += bytes;
    current.file.write(batch.chunks, at, (error) => {
      if (error !== null) return fail(error, 'writing to');
      current.file.sync((syncError) => {
        if (syncError !== null) return fail(syncError, 'syncing');
        writing = false;
        place(batch);
        for (const { synced, bytes: size } of batch.writes) {
          pendingBytes -= size;
          if (!failed) synced();
        }
        rollOver();
        checkRoom();
        if (closing !== null && waiting.length === 0) finish();
        else if (!scheduled) flush();
      });
    });
  }

  /** Everything that waits, as one batch, in at most the bytes that one batch may have. */
  function takeBatch(): Batch {
    const writes: Waiting[] = [];
    const records: LogRecord[] = [];
    const payloads: Uint8Array[] = [];
    let payloadBytes = 0;
    for (const next of waiting) {
      if (writes.length > 0 && payloadBytes + next.bytes > options.batchBytesMax) break;
      writes.push(next);
      records.push(...recordsOf(next));
      for (const { payload } of next.write.entries ?? []) {
        payloads.push(payload);
        payloadBytes += payload.length;
      }
    }
    waiting = waiting.slice(writes.length);
    batchNumber++;
    const encoded = encodeBatch(
      records,
      { number: batchNumber, previousCrc: batchCrc, payloadBytes },
      (group) => indexOf(group).chain,
      kernels.crc32c,
    );
    batchCrc = encoded.crc;
    for (const [group, chain] of encoded.chains) indexOf(group).chain = chain;
    return { chunks: [encoded.head, ...payloads], writes, payloadsAt: end + encoded.head.length };
  }

  function recordsOf({ write: { group, hard, truncateAfter, entries = [] }, places }: Waiting): LogRecord[] {
    const number = groupNumber(group);
    const records: LogRecord[] = [];
    if (hard !== undefined) records.push({ type: 'hard', group: number, term: hard.term, votedFor: hard.votedFor });
    if (truncateAfter !== undefined) records.push({ type: 'truncate', group: number, after: truncateAfter });
    const [first] = entries;
    if (first !== undefined) {
      const headers = entries.map(({ term, kind }, e) => {
        const { bytes, crc } = present(places[e], 'every entry has its place');
        return { term, kind: KIND_NUMBERS[kind], bytes, crc };
      });
      records.push({ type: 'entries', group: number, first: first.index, entries: headers });
    }
    return records;
  }

  function place({ writes, payloadsAt }: Batch): void {
    let offset = payloadsAt;
    for (const { places } of writes) {
      for (const entryPlace of places) {
        entryPlace.segment = current.number;
        entryPlace.offset = offset;
        offset += entryPlace.bytes;
      }
    }
  }

  function rollOver(): void {
    if (end < options.segmentBytes) return;
    current = addSegment(current.number + 1);
    end = SEGMENT_HEADER_BYTES;
  }

  function finish(): void {
    for (const { file } of segments.values()) file.close();
    lock.release();
    const done = closing;
    closing = null;
    done?.();
  }

  return {
    recovered(group) {
      return recoveredGroups.get(groupNumber(group)) ?? snapshotOf(createGroupIndex());
    },
    write(write, synced) {
      assert(closing === null, 'nothing is written to a log that is closing');
      const index = indexOf(groupNumber(write.group));
      if (write.hard !== undefined) index.hard = write.hard;
      if (write.truncateAfter !== undefined) index.truncateAfter(write.truncateAfter);
      const places: EntryPlace[] = [];
      let bytes = 0;
      for (const entry of write.entries ?? []) {
        assert(
          entry.index === index.view.lastIndex + 1,
          `${write.group}: entry ${index.view.lastIndex + 1} comes next, not ${entry.index}`,
        );
        const { kind, payload } = entry;
        const entryPlace = { segment: 0, offset: 0, bytes: payload.length, crc: kernels.crc32c(payload), kind };
        index.append(entryPlace, entry);
        places.push(entryPlace);
        bytes += payload.length;
      }
      cachedBytes += bytes;
      pendingBytes += bytes;
      waiting.push({ write, synced, bytes, places });
      evict();
      schedule();
    },
    read(group, from, through, maxBytes, done) {
      const index = indexOf(groupNumber(group));
      assert(
        from >= index.view.firstIndex && from <= through && through <= index.view.lastIndex,
        `${group}: ${from} … ${through} is not in the log (${index.view.firstIndex} … ${index.view.lastIndex})`,
      );
      const entries: LogEntry[] = [];
      let bytes = 0;
      for (let at = from; at <= through; at++) {
        const entry = index.cached(at);
        if (entry === undefined) break;
        if (entries.length > 0 && bytes + entry.payload.length > maxBytes) break;
        entries.push(entry);
        bytes += entry.payload.length;
      }
      if (entries.length > 0) done(null, entries);
      else readFromDisk(index, from, through, maxBytes, done);
    },
    get pendingBytes() {
      return pendingBytes;
    },
    get full() {
      checkRoom();
      return full;
    },
    close(done) {
      closing = done;
      if (!writing && waiting.length === 0) finish();
      else schedule();
    },
  };

  function readFromDisk(
    index: GroupIndex,
    from: LogIndex,
    through: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly LogEntry[]) => void,
  ): void {
    const first = index.place(from);
    const wanted = [{ place: first, at: from }];
    let length = first.bytes;
    // Neighbours in the file come with the same read.
    for (let at = from + 1; at <= through; at++) {
      const place = index.place(at);
      const adjacent = place.segment === first.segment && place.offset === first.offset + length;
      if (!adjacent || length + place.bytes > maxBytes) break;
      wanted.push({ place, at });
      length += place.bytes;
    }
    const segment = present(segments.get(first.segment), `segment ${first.segment} is there`);
    const terms = wanted.map(({ at }) => index.term(at));
    segment.file.read(first.offset, length, (error, bytes) => {
      if (error !== null) return done(error, []);
      const entries: LogEntry[] = [];
      for (const [w, { place, at }] of wanted.entries()) {
        const start = place.offset - first.offset;
        const payload = bytes.slice(start, start + place.bytes);
        if (payload.length !== place.bytes || kernels.crc32c(payload) !== place.crc) {
          return done(
            new VedetteError(
              'DATA_LOSS',
              `${segment.path} is damaged at byte ${place.offset}: entry ${at} does not have its checksum`,
            ),
            [],
          );
        }
        entries.push({ index: at, term: present(terms[w], 'an entry has a term'), kind: place.kind, payload });
      }
      done(null, entries);
    });
  }
}

function snapshotOf({ hard, view }: GroupIndex): RecoveredGroup {
  return { hard, ...view };
}
