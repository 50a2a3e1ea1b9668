// The log store: all groups of a broker in one sequence of segments, so that one sync serves them all.
//
//   write ─▶ batch writer ─▶ segment files                                     (log/batch-writer.ts)
//     └─▶ group index, tail cache: while the disk is at work, or when asked
//   read  ─▶ tail cache, else entry reader ─▶ segment files                    (log/entry-reader.ts)
//   open  ─▶ segment files ─▶ recovery ─▶ group index, tail cache              (log/recovery.ts, core/log-opening.ts)
//   then  ─▶ old segments go                                                    (log/cleaner.ts)
//
// Invariants
//   1. `synced` is called in the order of the writes, and only when the write and all before it are on stable storage.
//   2. After a failed write or sync nothing is called back: `failed` is told, once, and the process must end. A disk without space
//      is no failure: the store is `full`, what it took waits, and goes on by itself.
//   3. What was written can be read at once; what is read from disk has the checksum it was written with.
//   4. A group that may have lost something by damage is unsound from then on, over restarts, until a write says that it is not.
//   5. Payloads are neither copied nor changed on their way to the disk, and must not be changed by others after `write`.
import { assert } from '../../core/assert.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import { groupFromNumber, groupNumber, type LogIndex } from '../../core/ids.ts';
import { type LogLimits, limits } from '../../core/limits.ts';
import { EVERYONE_ELSE } from '../../core/log-format.ts';
import type { EntryHeader, LogRecord } from '../../core/log-records.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { Kernels } from '../kernels.ts';
import type { Disk } from './disk.ts';
import type { BrokerLog, LogEntry, LogStore, LogWrite } from './log.ts';
import { type Arrival, createArrivals } from './log/arrivals.ts';
import { createBatchWriter, WRITE_BYTES } from './log/batch-writer.ts';
import { createCleaner } from './log/cleaner.ts';
import { createDiskRoom } from './log/disk-room.ts';
import { createEntryReader } from './log/entry-reader.ts';
import { GroupIndex, recoveredOf, stateOf } from './log/group-index.ts';
import { openFiles } from './log/opening.ts';
import { createGroupIndexes, indexOf } from './log/replay.ts';
import { createSegmentLater, discardSegment } from './log/segment-files.ts';
import { createTailCache } from './log/tail-cache.ts';
import { createWriteOrder } from './log/write-order.ts';

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
  readonly options?: Partial<LogLimits>;
}

type ReadDone = Parameters<LogStore['read']>[4];

/**
 * Opens the log, reading all of it back; takes the directory's lock.
 * @throws VedetteError FAILED_PRECONDITION (locked, foreign or newer files), DATA_LOSS (files of several logs are mixed).
 */
export function openLog(ports: LogStorePorts): BrokerLog {
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

function openLocked(ports: LogStorePorts, lock: { release(): void }): BrokerLog {
  const { disk, directory, clock, random, kernels, warn } = ports;
  const { crc32c } = kernels;
  const options = { ...limits.log, ...ports.options };
  const cache = createTailCache(options.cacheBytes);
  const groups = createGroupIndexes();
  const newId = () => Uint8Array.from({ length: 16 }, () => random.integer(0, 255));
  const { segments, storeId, start } = openFiles(disk, directory, newId, { groups, cache, crc32c, warn });
  const recoveredGroups = new Map([...groups].map(([number, index]) => [number, recoveredOf(index)]));
  const found = [...groups]
    .filter(([, { view }]) => view.lastIndex > 0)
    .map(([number]) => number)
    .sort((a, b) => a - b)
    .map(groupFromNumber);
  const order = createWriteOrder();
  const arrivals = createArrivals(crc32c);

  const reader = createEntryReader(segments, crc32c);
  const writer = createBatchWriter(
    {
      clock,
      crc32c,
      limits: options,
      note: arrivals.note,
      chainOf: (group) => indexOf(groups, group).chain,
      moveChain(group, chain) {
        indexOf(groups, group).chain = chain;
      },
      createSegment(number, done) {
        createSegmentLater(disk, directory, number, storeId, (error, segment) => {
          if (segment !== null) segments.set(number, segment);
          done(error, segment);
        });
      },
      began(segment) {
        segment.begins = segment.number > 1;
        cleaner.check();
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
    bytes: () => writer.bytes(),
    warn,
    limits: options,
  });
  const cleaner = createCleaner({
    segments,
    groups,
    bytes: () => writer.bytes(),
    read: readFrom,
    copy,
    whenDurable: order.whenDurable,
    discard(segment, done) {
      writer.released(segment.file.size());
      reader.whenUnread(segment.number, () => segment.file.close());
      discardSegment(disk, segment, done);
    },
    warn,
    limits: options,
  });

  /** A group's, with all that was taken of it. */
  function noted(number: number): GroupIndex {
    arrivals.note();
    return indexOf(groups, number);
  }

  function copy(group: number, entries: readonly LogEntry[], done: () => void): void {
    const index = noted(group);
    const headers = entries.map((entry) => ({ ...index.place(entry.index), term: entry.term }));
    order.added();
    writer.add({
      group,
      state: stateOf(index),
      records: [{ type: 'copied', group, first: entries[0]?.index ?? 0, entries: headers }],
      entries,
      payloadBytes: entries.reduce((bytes, { payload }) => bytes + payload.length, 0),
      synced() {},
      placed(segment, offset) {
        let at = offset;
        entries.forEach(({ index: of, term, payload }, e) => {
          const header = headers[e];
          if (header !== undefined) index.move(of, term, { ...header, segment, offset: at });
          at += payload.length;
        });
        done();
        order.settled();
      },
    });
  }

  /** One for all of them: there are many. */
  function placeArrival(this: Arrival, segment: number, offset: number): void {
    this.index.settle(this.entries, this.serial, segment, offset);
    cache.add(this.index, this.entries);
    if (this.shrinks) cleaner.check();
    order.settled();
  }

  function readFrom(index: GroupIndex, from: LogIndex, through: LogIndex, maxBytes: number, done: ReadDone): void {
    const entries = cachedFrom(index, from, through, maxBytes);
    if (entries.length > 0) done(null, entries);
    else reader.read(index, from, through, maxBytes, done);
  }

  return {
    recovered: (group) =>
      recoveredGroups.get(groupNumber(group)) ??
      recoveredOf(new GroupIndex(recoveredGroups.get(EVERYONE_ELSE)?.sound), true),
    groups: found,
    write(write, synced) {
      const { group, hard, sound, compactTo, truncateAfter, forget, entries = [] } = write;
      const number = groupNumber(group);
      const index = indexOf(groups, number);
      const shrinks = compactTo !== undefined || truncateAfter !== undefined || forget === true;
      if (shrinks || hard !== undefined || sound !== undefined) arrivals.note();
      if (hard !== undefined) index.hard = hard;
      if (sound !== undefined) index.sound = sound;
      if (compactTo !== undefined) index.compactThrough(compactTo.index, compactTo.term);
      if (truncateAfter !== undefined) index.truncateAfter(truncateAfter);
      if (forget === true) {
        index.forget();
        recoveredGroups.set(number, recoveredOf(index));
      }
      const headers = arrivals.take(index, entries);
      let payloadBytes = 0;
      for (const { bytes } of headers) payloadBytes += bytes;
      cleaner.wrote(payloadBytes + WRITE_BYTES);
      order.added();
      const taken: Arrival = {
        group: number,
        state: null,
        records: recordsOf(number, write, headers),
        entries,
        payloadBytes,
        synced,
        placed: placeArrival,
        index,
        headers,
        serial: 0,
        shrinks,
      };
      arrivals.add(taken);
      writer.add(taken);
    },
    read(group, from, through, maxBytes, done) {
      const index = noted(groupNumber(group));
      const { firstIndex, lastIndex } = index.view;
      assert(
        from >= firstIndex && from <= through && through <= lastIndex,
        () => `${group}: ${from} … ${through} is not in the log (${firstIndex} … ${lastIndex})`,
      );
      readFrom(index, from, through, maxBytes, done);
    },
    get pendingBytes() {
      return writer.pendingBytes();
    },
    get busySince() {
      return writer.busySince();
    },
    get full() {
      return room.full;
    },
    close(done) {
      let parts = 2;
      const part = (): void => {
        parts--;
        if (parts > 0) return;
        reader.whenUnread('any', () => {
          for (const { file } of segments.values()) file.close();
          lock.release();
          done();
        });
      };
      cleaner.close(part);
      writer.close(part);
    },
  };
}

function recordsOf(group: number, write: LogWrite, headers: readonly EntryHeader[]): LogRecord[] {
  const { hard, sound, compactTo, truncateAfter, forget, entries } = write;
  const first = entries?.[0];
  const added: LogRecord[] =
    first === undefined ? [] : [{ type: 'entries', group, first: first.index, entries: headers }];
  const records: LogRecord[] = [];
  if (hard !== undefined) records.push({ type: 'hard', group, term: hard.term, votedFor: hard.votedFor });
  if (sound !== undefined) records.push({ type: 'sound', group, sound });
  if (compactTo !== undefined) records.push({ type: 'compact', group, through: compactTo.index, term: compactTo.term });
  if (truncateAfter !== undefined) records.push({ type: 'truncate', group, after: truncateAfter });
  if (forget === true) records.push({ type: 'forget', group });
  // Mostly there is nothing else.
  return records.length === 0 ? added : records.concat(added);
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
