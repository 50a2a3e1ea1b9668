// Group commit: what is written while a sync runs goes out together with the next.
//
//   add ─▶ waiting ─▶ one batch ─▶ write, sync ─▶ synced, in order ─▶ the next batch, of what has gathered meanwhile ─▶ placed
//                        │           └─no space─▶ the same write again, every retryMs; room() tells
//                        └─the segment has grown to its size─▶ create the next one first
//
// Invariants
//   1. One batch is under way at a time, and those who wait for it are told before the next one is formed. So an unfinished write is
//      always the last. What remains to be noted of a batch is noted while the disk works on the next one, or when there is none.
//   2. After a failed write (but for want of space) or a failed sync, nothing is written or settled any more: what the disk holds is
//      then unknown, and asking it again would only hide that. A write without space is another matter: nothing of it was taken for
//      written, and the same bytes go to the same place again.
//   3. A batch is one write of at most CHUNKS_MAX chunks: disks do it with one call, and so an unfinished one lacks whole sectors.
//      Payloads that are small are copied side by side; large ones are not.
//   4. The first batch of a segment tells the state of every group as it is before this batch: see log-format.ts.
//   5. Zeros are written ahead of small batches: a sync that need not also record that the file has grown takes half the time. With
//      large ones that is little, and to write everything twice would be much.
import { assert, present } from '../../../core/assert.ts';
import type { Millis } from '../../../core/ids.ts';
import { type Crc32c, encodeBatch, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import type { LastBatch } from '../../../core/log-opening.ts';
import type { LogRecord, StateRecord } from '../../../core/log-records.ts';
import type { Clock, Timer } from '../../../streams/clock.ts';
import { isNoSpace } from '../disk.ts';
import type { LogEntry } from '../log.ts';
import { fitting, sideBySide, zeroBytes } from './batch-chunks.ts';
import type { GroupState } from './group-index.ts';
import type { SegmentFile } from './segment-files.ts';

/** Where each group stands in the batches that were formed. */
export type GroupStates = Map<number, GroupState>;

export interface PendingWrite {
  readonly group: number;
  /** Where the group stands after it; null: not noted yet. */
  state: GroupState | null;
  readonly records: readonly LogRecord[];
  readonly entries: readonly LogEntry[];
  readonly payloadBytes: number;
  /** It is durable. */
  readonly synced: () => void;
  /** The same, a little later and before the next batch is: `offset` in the segment is where its first payload lies. */
  placed(segment: number, offset: number): void;
}

export interface BatchWriter {
  add(write: PendingWrite): void;
  /** Of all segments, without the zeros ahead. */
  bytes(): number;
  /** Of what waits and what is under way. */
  pendingBytes(): number;
  /** Since when the disk has been at work on a batch; null when it is not, or takes nothing for want of space. */
  busySince(): Millis | null;
  /** A segment of so many bytes is gone. */
  released(bytes: number): void;
  /** Stops when nothing is under way and nothing waits, or at once when the disk takes nothing; then calls `done`. */
  close(done: () => void): void;
}

export interface BatchWriterPorts {
  readonly clock: Clock;
  readonly crc32c: Crc32c;
  readonly limits: {
    readonly segmentBytes: number;
    readonly batchBytesMax: number;
    readonly preallocateBytes: number;
    readonly freeCheckMs: number;
  };
  /** All that was added is to have its state. */
  readonly note: () => void;
  readonly chainOf: (group: number) => number;
  readonly moveChain: (group: number, chain: number) => void;
  readonly createSegment: (number: number, done: (error: Error | null, segment: SegmentFile | null) => void) => void;
  /** The segment's first batch is durable. */
  readonly began: (segment: SegmentFile) => void;
  /** After each batch; and, with false, when the disk is full, with true when it takes bytes again. */
  readonly room: (there: boolean) => void;
  /** At most once. */
  readonly failed: (error: Error, doing: string, path: string) => void;
}

interface Batch {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly headBytes: number;
  readonly payloadBytes: number;
  readonly writes: readonly PendingWrite[];
}

/** What a write costs beside its payloads, roughly: so that none is for nothing. */
export const WRITE_BYTES = 64;
/** A batch that is this part of the zeros written ahead, or less, is small. */
const SMALL_SHARE = 16;

export function stateRecords(states: GroupStates): StateRecord[] {
  return [...states].map(([group, { sound, hard, view }]) => ({ type: 'state', group, sound, hard, ...view }));
}

export interface BatchWriterStart {
  /** The one that grows. */
  readonly segment: SegmentFile;
  /** Where its next batch goes. */
  readonly end: number;
  /** Of all segments. */
  readonly bytes: number;
  readonly last: NonNullable<LastBatch>;
  readonly states: GroupStates;
}

export function createBatchWriter(ports: BatchWriterPorts, start: BatchWriterStart): BatchWriter {
  const { clock, limits } = ports;
  const { states } = start;
  let { segment, end, bytes, last } = start;
  let busySince: Millis | null = null;
  /** The file's length; behind `end` there are zeros. */
  let allocated = segment.file.size();
  let waiting: PendingWrite[] = [];
  let pendingBytes = 0;
  /** Written; where its groups stand after it is to be noted. */
  let written: Batch | null = null;
  /** Settled; where it lies is to be told. */
  let unplaced: (() => void) | null = null;
  let state: 'idle' | 'scheduled' | 'busy' | 'starved' | 'failed' | 'closed' = 'idle';
  let retry: Timer | null = null;
  let closing: (() => void) | null = null;

  function fail(error: Error, doing: string): void {
    state = 'failed';
    busySince = null;
    waiting = [];
    ports.failed(error, doing, segment.path);
    if (closing !== null) finish();
  }

  /** For want of space: again, later. Anything else is the end. */
  function starvedOrFailed(error: Error, doing: string, again: () => void): void {
    if (!isNoSpace(error)) return fail(error, doing);
    ports.room(false);
    state = 'starved';
    busySince = null;
    if (closing !== null) return finish();
    retry = clock.after(limits.freeCheckMs, () => {
      begin();
      again();
    });
  }

  function begin(): void {
    state = 'busy';
    busySince = clock.monotonic();
  }

  /** Later in this turn's order, so that everything that is added in it goes out together. */
  function schedule(): void {
    if (state !== 'idle') return;
    state = 'scheduled';
    clock.defer(() => {
      if (state !== 'scheduled') return;
      if (waiting.length > 0) return flush();
      state = 'idle';
      catchUp();
      if (closing !== null) finish();
    });
  }

  /** What nobody has to wait for. */
  function catchUp(): void {
    ports.note();
    for (const { group, state: stands } of written?.writes ?? [])
      states.set(group, present(stands, 'what was added is noted'));
    written = null;
    const place = unplaced;
    unplaced = null;
    place?.();
  }

  function flush(): void {
    begin();
    if (end < limits.segmentBytes) return put(takeBatch());
    // It may be long before there is room for one, and what is noted may make some.
    catchUp();
    ports.createSegment(segment.number + 1, (error, next) => {
      if (error !== null || next === null)
        return starvedOrFailed(error ?? new Error('no segment'), 'creating a segment after', flush);
      segment = next;
      end = SEGMENT_HEADER_BYTES;
      allocated = end;
      bytes += end;
      ports.room(true);
      put(takeBatch());
    });
  }

  /** Everything that waits, in at most the bytes and chunks that one batch may have; one write in any case. */
  function takeBatch(): Batch {
    const { count, payloadBytes } = fitting(waiting, limits.batchBytesMax);
    const writes = waiting;
    waiting = writes.splice(count);
    const number = (last.number + 1) >>> 0;
    const records: LogRecord[] = end === SEGMENT_HEADER_BYTES && segment.number > 1 ? stateRecords(states) : [];
    for (const write of writes) for (const record of write.records) records.push(record);
    const { head, crc, groups, chains } = encodeBatch(
      records,
      { number, previousCrc: last.crc, payloadBytes },
      ports.chainOf,
      ports.crc32c,
    );
    last = { number, crc };
    for (let g = 0; g < groups.length; g++) ports.moveChain(groups[g] ?? 0, chains[g] ?? 0);
    const chunks = sideBySide(head, writes);
    return { chunks, bytes: head.length + payloadBytes, headBytes: head.length, payloadBytes, writes };
  }

  function put(batch: Batch, ahead = zerosBehind(batch.bytes)): void {
    const chunks = ahead === 0 ? batch.chunks : [...batch.chunks, zeroBytes(ahead)];
    segment.file.writeDurably(chunks, end, (error, step) => {
      if (error === null) {
        allocated = Math.max(allocated, end + batch.bytes + ahead);
        settle(batch);
      } else if (step === 'sync') fail(error, 'syncing');
      // The zeros are wanted, not needed: without them there may be room.
      else if (ahead > 0 && isNoSpace(error)) put(batch, 0);
      else starvedOrFailed(error, 'writing to', () => put(batch, 0));
    });
    written = batch;
    catchUp();
  }

  /** How many zeros to write behind a batch of so many bytes. */
  function zerosBehind(batchBytes: number): number {
    const through = end + batchBytes;
    if (through <= allocated || batchBytes * SMALL_SHARE > limits.preallocateBytes) return 0;
    return Math.max(0, Math.min(limits.preallocateBytes, limits.segmentBytes - through));
  }

  function settle(batch: Batch): void {
    catchUp();
    const { number } = segment;
    const begin = end + batch.headBytes;
    const isFirst = end === SEGMENT_HEADER_BYTES;
    end += batch.bytes;
    bytes += batch.bytes;
    pendingBytes -= batch.payloadBytes + batch.writes.length * WRITE_BYTES;
    busySince = null;
    ports.room(true);
    if (isFirst) ports.began(segment);
    for (const { synced } of batch.writes) synced();
    unplaced = () => {
      let offset = begin;
      for (const write of batch.writes) {
        write.placed(number, offset);
        offset += write.payloadBytes;
      }
    };
    state = 'idle';
    // Who answers by writing again does so in this turn of the loop, but not at once.
    if (waiting.length > 0) flush();
    else schedule();
  }

  function finish(): void {
    retry?.cancel();
    waiting = [];
    if (state !== 'failed') state = 'closed';
    const done = closing;
    closing = null;
    if (done !== null) clock.defer(done);
  }

  return {
    add(write) {
      assert(closing === null && state !== 'closed', 'nothing is written to a log that is closing');
      if (state === 'failed') return;
      pendingBytes += write.payloadBytes + WRITE_BYTES;
      waiting.push(write);
      schedule();
    },
    bytes: () => bytes,
    pendingBytes: () => pendingBytes,
    busySince: () => busySince,
    released(gone) {
      bytes -= gone;
    },
    close(done) {
      closing = done;
      if (state === 'idle' || state === 'starved' || state === 'failed' || state === 'closed') finish();
    },
  };
}
