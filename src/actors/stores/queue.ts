// The agent's queue on disk: what is not yet acknowledged, oldest first, bounded in age and bytes.
//
//   queue/0000000000000001.q   | crc u32 | length u32 | rows u32 | newest f64 | record |, one after another; named by its first sequence
//   queue/acked                | sequence f64 |
//
// Invariants
//   1. A record that was appended survives the end of the process at once (it is in the page cache), and the loss of power within
//      SYNC_EVERY. A record leaves only when it was acknowledged, or at a limit, and then it is counted.
//   2. Sequences begin at 1, are consecutive, and never used twice in a directory.
//   3. A record counts only with the checksum of all its bytes, the header's among them, and it is never empty: zeros that a loss of
//      power left in place of records are no records.
//   4. While the disk takes nothing, rows are kept in memory, in the same order and under a limit of their own: a host whose disk is
//      full is the one that somebody wants to see.
//   5. The position up to which was acknowledged is kept without a sync: after a loss of power some records are sent again, which
//      the brokers notice.
import { assert } from '../../core/assert.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import type { Crc32c } from '../../core/log-format.ts';
import type { Millis } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Disk, DiskFile } from './disk.ts';
import { createMemoryFile } from './memory-file.ts';

export interface QueuedRecord {
  readonly sequence: number;
  readonly record: Uint8Array;
  readonly rows: number;
}

export interface SampleQueue {
  /**
   * Takes the record in any case; in memory when the disk does not.
   * @param newestMs the time of the newest row in it, for the limit in age.
   * @param durable false: what it means is not on disk, so the record must not be either.
   */
  append(record: Uint8Array, rows: number, newestMs: Millis, durable?: boolean): void;
  /** Records from `sequence` on, oldest first: about `maxBytes` of them, at least one if there is any. */
  readFrom(sequence: number, maxBytes: number): readonly QueuedRecord[];
  ackThrough(sequence: number): void;
  /** The oldest record still here; equal to nextSequence when there is none. */
  readonly firstSequence: number;
  readonly nextSequence: number;
  /** Rows lost to a limit since the process began. */
  readonly droppedRows: number;
  /** On disk and in memory. */
  readonly bytes: number;
  close(): void;
}

export interface QueuePorts {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly crc32c: Crc32c;
  readonly warn: (message: string) => void;
  readonly limits: {
    readonly queueAgeMaxMs: Millis;
    readonly queueBytesMax: number;
    readonly queueMemoryBytesMax: number;
  };
}

const HEADER_BYTES = 20;
const SEGMENT_BYTES = 4 * 1024 * 1024;
const MEMORY_SEGMENT_BYTES = 1024 * 1024;
const SYNC_EVERY: Millis = 5_000;
/** How often a disk that took nothing is asked again. */
const DISK_RETRY: Millis = 1_000;

interface Place {
  readonly offset: number;
  readonly length: number;
  readonly rows: number;
  readonly newestMs: Millis;
}
interface Segment {
  readonly first: number;
  /** Null: it is in memory. */
  readonly stored: { readonly path: string; readonly file: DiskFile } | null;
  readonly bytes: Pick<DiskFile, 'readSync' | 'writeSync'>;
  readonly places: Place[];
  end: number;
  /** Under way. */
  syncs: number;
  /** It is to be closed, or was. */
  left: boolean;
}

/** @throws VedetteError when the directory is another process's, or cannot be read or written. */
export function openQueue(ports: QueuePorts): SampleQueue {
  const { disk, directory, clock, crc32c, warn } = ports;
  disk.makeDirectory(directory);
  const lock = disk.lock(`${directory}/lock`);
  const segments: Segment[] = [];
  for (const name of disk.list(directory).filter((entry) => /^\d{16}\.q$/.test(entry))) segments.push(load(name));
  const ackedPath = `${directory}/acked`;
  const ackedFile = disk.open(ackedPath, disk.exists(ackedPath) ? 'readWrite' : 'create');
  let acked = readAcked();
  let next = Math.max(acked + 1, ...segments.map((segment) => segment.first + segment.places.length));
  let droppedRows = 0;
  let syncing: Timer | null = null;
  /** Written since the last sync. */
  const unsynced = new Set<Segment>();
  /** When the disk took nothing last; null: it takes what comes. */
  let refusedAt: Millis | null = null;
  let ackedRefused = false;
  dropAcked();

  function readAcked(): number {
    const bytes = ackedFile.readSync(0, 8);
    const sequence = bytes.length < 8 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
    return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
  }

  /** On a full disk even eight bytes may be refused: then some rows are sent again after a restart, which the brokers notice. */
  function rememberAcked(): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, acked, true);
    try {
      ackedFile.writeSync(bytes, 0);
      ackedRefused = false;
    } catch (error) {
      if (!ackedRefused) warn(`${ackedPath}: ${describeError(error)}`);
      ackedRefused = true;
    }
  }

  function load(name: string): Segment {
    const path = `${directory}/${name}`;
    const file = disk.open(path, 'readWrite');
    const bytes = file.readSync(0, file.size());
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const places: Place[] = [];
    let at = 0;
    while (at + HEADER_BYTES <= bytes.length) {
      const length = view.getUint32(at + 4, true);
      const end = at + HEADER_BYTES + length;
      if (length === 0 || end > bytes.length) break;
      if (crc32c(bytes.subarray(at + 4, end)) !== view.getUint32(at, true)) break;
      places.push({
        offset: at + HEADER_BYTES,
        length,
        rows: view.getUint32(at + 8, true),
        newestMs: view.getFloat64(at + 12, true),
      });
      at += HEADER_BYTES + length;
    }
    if (at < bytes.length) {
      warn(`${path}: ${bytes.length - at} bytes that are no whole records were cut off`);
      file.truncateSync(at);
    }
    return segmentOf(Number.parseInt(name, 10), { path, file }, places, at);
  }

  function segmentOf(first: number, stored: Segment['stored'], places: Place[] = [], end = 0): Segment {
    return { first, stored, bytes: stored?.file ?? createMemoryFile(), places, end, syncs: 0, left: false };
  }

  /** A file is closed only when nothing of it is under way. */
  function leave(segment: Segment): void {
    unsynced.delete(segment);
    segment.left = true;
    if (segment.syncs === 0) segment.stored?.file.close();
  }

  function remove(segment: Segment): void {
    leave(segment);
    if (segment.stored !== null) disk.remove(segment.stored.path);
  }

  function dropAcked(): void {
    for (
      let oldest = segments[0];
      oldest !== undefined && oldest.first + oldest.places.length - 1 <= acked;
      oldest = segments[0]
    ) {
      segments.shift();
      remove(oldest);
    }
  }

  const firstSequence = () => Math.min(next, Math.max(acked + 1, segments[0]?.first ?? next));
  const totalBytes = () => segments.reduce((total, { end }) => total + end, 0);

  /** Whole segments leave at a limit: the oldest rows, and as few files as rows allow. The one that is written stays. */
  function drop(at: number, why: string): void {
    const [segment] = segments.splice(at, 1);
    if (segment === undefined) return;
    const lost = segment.places.reduce((rows, place, n) => rows + (segment.first + n > acked ? place.rows : 0), 0);
    droppedRows += lost;
    warn(`${lost} rows were dropped unsent: ${why}`);
    remove(segment);
  }

  function holdLimits(now: Millis): void {
    const { queueAgeMaxMs, queueBytesMax, queueMemoryBytesMax } = ports.limits;
    for (;;) {
      const newest = segments[0]?.places.at(-1);
      if (newest === undefined || segments.length === 1) break;
      const tooOld = now - newest.newestMs > queueAgeMaxMs;
      if (!tooOld && totalBytes() <= queueBytesMax) break;
      drop(0, tooOld ? 'they are too old' : 'the queue has reached its limit');
    }
    const inMemory = () => segments.reduce((total, { stored, end }) => total + (stored === null ? end : 0), 0);
    while (inMemory() > queueMemoryBytesMax) {
      const oldest = segments.findIndex(({ stored }) => stored === null);
      if (oldest === segments.length - 1) break;
      drop(oldest, 'the disk takes nothing, and no more is kept in memory');
    }
  }

  function segmentOnDisk(): Segment {
    const last = segments.at(-1);
    if (last !== undefined && last.stored !== null && last.end < SEGMENT_BYTES) return last;
    const path = `${directory}/${String(next).padStart(16, '0')}.q`;
    // What an attempt has left that failed.
    if (disk.exists(path)) disk.remove(path);
    const segment = segmentOf(next, { path, file: disk.open(path, 'create') });
    disk.syncDirectory(directory);
    return segment;
  }

  function segmentInMemory(): Segment {
    const last = segments.at(-1);
    if (last !== undefined && last.stored === null && last.end < MEMORY_SEGMENT_BYTES) return last;
    return segmentOf(next, null);
  }

  /** False: the disk does not take it. */
  function writeToDisk(bytes: Uint8Array, place: Omit<Place, 'offset'>): boolean {
    if (refusedAt !== null && clock.monotonic() - refusedAt < DISK_RETRY) return false;
    let segment: Segment | null = null;
    try {
      segment = segmentOnDisk();
      write(segment, bytes, place);
    } catch (error) {
      if (segment !== null && segment !== segments.at(-1)) segment.stored?.file.close();
      if (refusedAt === null) warn(`rows are kept in memory: the disk does not take them (${describeError(error)})`);
      refusedAt = clock.monotonic();
      return false;
    }
    if (refusedAt !== null) warn('the disk takes rows again');
    refusedAt = null;
    syncSoon(segment);
    return true;
  }

  function write(segment: Segment, bytes: Uint8Array, place: Omit<Place, 'offset'>): void {
    segment.bytes.writeSync(bytes, segment.end);
    if (segment !== segments.at(-1)) segments.push(segment);
    segment.places.push({ ...place, offset: segment.end + HEADER_BYTES });
    segment.end += bytes.length;
    next++;
  }

  function syncSoon(segment: Segment): void {
    unsynced.add(segment);
    syncing ??= clock.after(SYNC_EVERY, () => {
      syncing = null;
      for (const dirty of unsynced) {
        dirty.syncs++;
        dirty.stored?.file.sync((error) => {
          dirty.syncs--;
          if (dirty.left && dirty.syncs === 0) dirty.stored?.file.close();
          if (error !== null) warn(`syncing ${dirty.stored?.path} failed: ${error.message}`);
        });
      }
      unsynced.clear();
    });
  }

  return {
    append(record, rows, newestMs, durable = true) {
      assert(record.length > 0, 'a record has bytes');
      holdLimits(newestMs);
      const bytes = new Uint8Array(HEADER_BYTES + record.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(4, record.length, true);
      view.setUint32(8, rows, true);
      view.setFloat64(12, newestMs, true);
      bytes.set(record, HEADER_BYTES);
      view.setUint32(0, crc32c(bytes.subarray(4)), true);
      const place = { length: record.length, rows, newestMs };
      if (!durable || !writeToDisk(bytes, place)) write(segmentInMemory(), bytes, place);
    },
    readFrom(sequence, maxBytes) {
      const records: QueuedRecord[] = [];
      let bytes = 0;
      for (const segment of segments) {
        if (segment.first + segment.places.length <= sequence) continue;
        for (let at = Math.max(0, sequence - segment.first); at < segment.places.length; at++) {
          const place = segment.places[at];
          if (place === undefined || segment.first + at <= acked) continue;
          if (records.length > 0 && bytes + place.length > maxBytes) return records;
          const record = segment.bytes.readSync(place.offset, place.length);
          if (record.length !== place.length)
            throw new VedetteError('DATA_LOSS', `${segment.stored?.path} is shorter than it was`);
          records.push({ sequence: segment.first + at, record, rows: place.rows });
          bytes += place.length;
        }
      }
      return records;
    },
    ackThrough(sequence) {
      if (sequence <= acked) return;
      acked = Math.min(sequence, next - 1);
      rememberAcked();
      // The file being written stays, so that an idle queue does not make a file every second.
      for (
        let oldest = segments[0];
        segments.length > 1 && oldest !== undefined && oldest.first + oldest.places.length - 1 <= acked;
        oldest = segments[0]
      ) {
        segments.shift();
        remove(oldest);
      }
    },
    get firstSequence() {
      return firstSequence();
    },
    get nextSequence() {
      return next;
    },
    get droppedRows() {
      return droppedRows;
    },
    get bytes() {
      return totalBytes();
    },
    close() {
      syncing?.cancel();
      for (const segment of segments) leave(segment);
      ackedFile.close();
      lock.release();
    },
  };
}
