// Reading one batch of a segment: is it whole, and if not, what may have happened to it?
//
// An unfinished write can leave just two things of a batch: a file that ends within it, and sectors of it that never arrived, which
// read as zeros (nothing else was ever there: segments only grow, and what is cut off is gone). Every other damage is damage, and so
// is this one where something was written behind it: the next batch is written only after the sync of the one before.
//
// Known limit: a bit that flips in the last batch ever written, in a payload that has a sector of zeros of its own, is taken for an
// unfinished write. (So in etcd's log, whose rule this is.)
import { assert } from './assert.ts';
import {
  BATCH_HEADER_BYTES,
  batchesAhead,
  type BatchHeader,
  type Crc32c,
  decodeBatchHeader,
  decodeMeta,
  type DecodedMeta,
  isZero,
} from './log-format.ts';
import type { LastBatch } from './log-opening.ts';

/** What disks write as a whole, at the least. */
const SECTOR_BYTES = 512;

/** Up to `length` bytes at `at`; fewer at the end of the file. */
export type ReadAt = (at: number, length: number) => Uint8Array;

/** A batch whose records are all there. */
export interface ReadBatch extends DecodedMeta {
  readonly header: BatchHeader;
  readonly payloads: Uint8Array;
  /** Which of its entries, counted through all its records, do not have their checksum. */
  readonly lost: ReadonlySet<number>;
  readonly end: number;
}

export type FoundBatch =
  | ({ readonly found: 'whole' } & ReadBatch)
  /** The end: of the file, or of what was written in it. */
  | { readonly found: 'nothing' }
  /**
   * @property read when just payloads are lost, and which is known.
   * @property next where to look for another batch.
   */
  | { readonly found: 'torn' | 'damaged'; readonly read: ReadBatch | null; readonly next: number };

export function readBatch(read: ReadAt, at: number, size: number, crc32c: Crc32c): FoundBatch {
  const headerBytes = read(at, BATCH_HEADER_BYTES);
  const header = decodeBatchHeader(headerBytes, crc32c);
  if (header === undefined) {
    if (isZero(headerBytes) && allZero(read, at, size)) return { found: 'nothing' };
    const torn = headerBytes.length < BATCH_HEADER_BYTES || hasLostSector(read, at, size, at, at + BATCH_HEADER_BYTES);
    return { found: torn ? 'torn' : 'damaged', read: null, next: at + 1 };
  }
  const metaAt = at + BATCH_HEADER_BYTES;
  const payloadsAt = metaAt + header.metaBytes;
  const end = payloadsAt + header.payloadBytes;
  const body = read(metaAt, end - metaAt);
  const meta = body.subarray(0, header.metaBytes);
  const judge = (from: number, to: number) =>
    end > size || hasLostSector(read, at, end, from, to) ? 'torn' : 'damaged';
  if (crc32c(meta) !== header.metaCrc)
    return { found: judge(metaAt, payloadsAt), read: null, next: Math.min(end, size) };
  const decoded = decodeMeta(meta);
  const payloads = body.subarray(header.metaBytes);
  const lost = new Map<number, 'torn' | 'damaged'>();
  let offset = 0;
  let count = 0;
  for (const record of decoded.records) {
    if (record.type !== 'entries' && record.type !== 'copied') continue;
    for (const { bytes, crc } of record.entries) {
      if (crc32c(payloads.subarray(offset, offset + bytes)) !== crc) {
        lost.set(count, judge(payloadsAt + offset, payloadsAt + offset + bytes));
      }
      offset += bytes;
      count++;
    }
  }
  assert(offset === header.payloadBytes, 'entries account for all payloads');
  const all = { ...decoded, header, payloads, lost: new Set(lost.keys()), end };
  if (lost.size === 0 && end <= size) return { found: 'whole', ...all };
  const found = [...lost.values()].includes('damaged') ? 'damaged' : 'torn';
  return { found, read: all, next: Math.min(end, size) };
}

/** The next place from `from` on where a whole batch begins that is later than `last`; -1 when there is none. */
export function findBatch(read: ReadAt, from: number, size: number, last: LastBatch, crc32c: Crc32c): number {
  const PIECE = 1024 * 1024;
  for (let at = from; at < size; at += PIECE) {
    // Pieces overlap by a magic number.
    const piece = read(at, PIECE + 3).slice();
    for (let p = piece.indexOf(0x56); p !== -1 && p < PIECE; p = piece.indexOf(0x56, p + 1)) {
      if (piece[p + 1] !== 0x42 || piece[p + 2] !== 0x41 || piece[p + 3] !== 0x54) continue;
      const found = readBatch(read, at + p, size, crc32c);
      if (found.found === 'whole' && isLater(found.header.number, last)) return at + p;
    }
  }
  return -1;
}

const isLater = (number: number, last: LastBatch): boolean => last === null || batchesAhead(number, last.number) > 0;

/** Is there, in a batch from `begin` to `end`, a sector with bytes of from … to of which nothing arrived? */
function hasLostSector(read: ReadAt, begin: number, end: number, from: number, to: number): boolean {
  for (let sector = from - (from % SECTOR_BYTES); sector < Math.min(to, end); sector += SECTOR_BYTES) {
    const first = Math.max(begin, sector);
    if (isZero(read(first, Math.min(end, sector + SECTOR_BYTES) - first))) return true;
  }
  return false;
}

function allZero(read: ReadAt, from: number, size: number): boolean {
  const PIECE = 64 * 1024;
  for (let at = from; at < size; at += PIECE) if (!isZero(read(at, Math.min(PIECE, size - at)))) return false;
  return true;
}
