// The log store: all groups of a broker in one sequence of segments, so that one sync serves them all.
//
//   write ─▶ group index, tail cache ─▶ batch writer ─▶ segment files          (log/batch-writer.ts)
//   read  ─▶ tail cache, else entry reader ─▶ segment files                    (log/entry-reader.ts)
//   open  ─▶ segment files ─▶ recovery ─▶ group index, tail cache              (log/recovery.ts, core/log-opening.ts)
//
// Invariants
//   1. `synced` is called in the order of the writes, and only when the write and all before it are on stable storage.
//   2. After a failed write or sync nothing is called back: `failed` is told, once, and the process must end. A disk without space
//      is no failure: the store is `full`, what it took waits, and goes on by itself.
//   3. What was written can be read at once; what is read from disk has the checksum it was written with.
//   4. Payloads are neither copied nor changed on their way to the disk, and must not be changed by others after `write`.
import { assert } from '../../core/assert.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import { groupNumber } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { EntryHeader, LogRecord } from '../../core/log-format.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { Kernels } from '../kernels.ts';
import type { Disk } from './disk.ts';
import type { LogEntry, LogStore, LogWrite } from './log.ts';
import { createBatchWriter } from './log/batch-writer.ts';
import { createDiskRoom } from './log/disk-room.ts';
import { createEntryReader } from './log/entry-reader.ts';
import { createGroupIndex, type GroupIndex, KIND_NUMBERS, recoveredOf } from './log/group-index.ts';
import { recover } from './log/recovery.ts';
import { createSegment, createSegmentLater, openSegments, type SegmentFile } from './log/segment-files.ts';
import { createTailCache } from './log/tail-cache.ts';

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

/** What a write costs beside its payloads, roughly: so that none is for nothing. */
const WRITE_BYTES = 64;

/**
 * Opens the log, reading all of it back; takes the directory's lock.
 * @throws VedetteError FAILED_PRECONDITION (locked, foreign or newer files), DATA_LOSS (damage that no unfinished write can leave).
 */
export function openLog(ports: LogStorePorts): LogStore {
  const { disk, directory } = ports;
  disk.makeDirectory(directory);
  const lock = disk.lock(`${directory}/lock`);
  try {
    return openLocked(ports, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openLocked(ports: LogStorePorts, lock: { release(): void }): LogStore {
  const { disk, directory, clock, random, kernels, warn } = ports;
  const { crc32c } = kernels;
  const options = { ...limits.log, ...ports.options };
  const cache = createTailCache(options.cacheBytes);
  const groups = new Map<number, GroupIndex>();
  const { segments: found, storeId: known } = openSegments(disk, directory, warn);
  const storeId = known ?? Uint8Array.from({ length: 16 }, () => random.integer(0, 255));
  const segments = new Map<number, SegmentFile>(found.map((segment) => [segment.number, segment]));
  const start = recoverOrClose();
  const recoveredGroups = new Map([...groups].map(([number, index]) => [number, recoveredOf(index)]));
  let pendingBytes = 0;

  const reader = createEntryReader(segments, crc32c);
  const writer = createBatchWriter(
    {
      clock,
      crc32c,
      limits: options,
      chainOf: (group) => indexOf(group).chain,
      moveChain(group, chain) {
        indexOf(group).chain = chain;
      },
      createSegment(number, done) {
        createSegmentLater(disk, directory, number, storeId, (error, segment) => {
          if (segment !== null) segments.set(number, segment);
          done(error, segment);
        });
      },
      room: (there) => room.told(there),
      failed: (error, doing, path) =>
        ports.failed(
          new VedetteError('INTERNAL', `${doing} ${path} failed: ${describeError(error)}`, { cause: error }),
        ),
    },
    start,
  );
  const room = createDiskRoom({
    clock,
    directory,
    free: () => disk.free(directory),
    bytes: () => writer.bytes,
    warn,
    limits: options,
  });

  function indexOf(group: number): GroupIndex {
    let index = groups.get(group);
    if (index === undefined) {
      index = createGroupIndex();
      groups.set(group, index);
    }
    return index;
  }

  function recoverOrClose() {
    try {
      const { last, end, bytes } = recover(found, { groupOf: indexOf, cache, crc32c, warn });
      const segment = found.at(-1) ?? createSegment(disk, directory, 1, storeId);
      segments.set(segment.number, segment);
      return { segment, end, bytes, last };
    } catch (error) {
      for (const { file } of segments.values()) file.close();
      throw error;
    }
  }

  /** The entries go into the index, where they can be read from now on. @returns their headers and serials. */
  function append(group: GroupIndex, entries: readonly LogEntry[]) {
    const headers: EntryHeader[] = [];
    const serials: number[] = [];
    for (const entry of entries) {
      const { lastIndex } = group.view;
      assert(entry.index === lastIndex + 1, `entry ${lastIndex + 1} comes next, not ${entry.index}`);
      const { term, kind, payload } = entry;
      const crc = crc32c(payload);
      headers.push({ term, kind: KIND_NUMBERS[kind], bytes: payload.length, crc });
      serials.push(group.append(entry, crc));
      cache.add(group, entry);
    }
    return { headers, serials };
  }

  return {
    recovered(group) {
      return recoveredGroups.get(groupNumber(group)) ?? recoveredOf(createGroupIndex());
    },
    write(write, synced) {
      const { group, hard, sound, compactTo, truncateAfter, entries = [] } = write;
      const number = groupNumber(group);
      const index = indexOf(number);
      if (hard !== undefined) index.hard = hard;
      if (sound !== undefined) index.sound = sound;
      if (compactTo !== undefined) index.compactThrough(compactTo.index, compactTo.term);
      if (truncateAfter !== undefined) index.truncateAfter(truncateAfter);
      const { headers, serials } = append(index, entries);
      const payloads = entries.map(({ payload }) => payload);
      const payloadBytes = payloads.reduce((total, { length }) => total + length, 0);
      pendingBytes += payloadBytes + WRITE_BYTES;
      writer.add({
        records: recordsOf(number, write, headers),
        payloads,
        payloadBytes,
        settled(segment, offset) {
          pendingBytes -= payloadBytes + WRITE_BYTES;
          let at = offset;
          entries.forEach((entry, e) => {
            index.settle(entry.index, serials[e] ?? 0, segment, at);
            at += entry.payload.length;
          });
          cache.evict();
          synced();
        },
      });
    },
    read(group, from, through, maxBytes, done) {
      const index = indexOf(groupNumber(group));
      const { firstIndex, lastIndex } = index.view;
      assert(
        from >= firstIndex && from <= through && through <= lastIndex,
        `${group}: ${from} … ${through} is not in the log (${firstIndex} … ${lastIndex})`,
      );
      const entries = cachedFrom(index, from, through, maxBytes);
      if (entries.length > 0) done(null, entries);
      else reader.read(index, from, through, maxBytes, done);
    },
    get pendingBytes() {
      return pendingBytes;
    },
    get full() {
      return room.full;
    },
    close(done) {
      writer.close(() =>
        reader.whenIdle(() => {
          for (const { file } of segments.values()) file.close();
          lock.release();
          done();
        }),
      );
    },
  };
}

function recordsOf(
  group: number,
  { hard, sound, compactTo, truncateAfter, entries }: LogWrite,
  headers: readonly EntryHeader[],
): LogRecord[] {
  const records: LogRecord[] = [];
  if (hard !== undefined) records.push({ type: 'hard', group, term: hard.term, votedFor: hard.votedFor });
  if (sound !== undefined) records.push({ type: 'sound', group, sound });
  if (compactTo !== undefined) records.push({ type: 'compact', group, through: compactTo.index, term: compactTo.term });
  if (truncateAfter !== undefined) records.push({ type: 'truncate', group, after: truncateAfter });
  const first = entries?.[0];
  if (first !== undefined) records.push({ type: 'entries', group, first: first.index, entries: headers });
  return records;
}

/** Entries in memory from `from` on, about `maxBytes` of them; none when it has left. */
function cachedFrom({ cached }: GroupIndex, from: number, through: number, maxBytes: number): LogEntry[] {
  const entries: LogEntry[] = [];
  let bytes = 0;
  for (let at = from; at <= through; at++) {
    const entry = cached.get(at);
    if (entry === undefined) break;
    if (entries.length > 0 && bytes + entry.payload.length > maxBytes) break;
    entries.push(entry);
    bytes += entry.payload.length;
  }
  return entries;
}
