// The log's bytes. A segment is a header and batches; a batch is what one sync made durable, for any number of groups.
//
//   segment   | magic 8 | version u32 | store id 16 | number u32 | crc u32 |
//   batch     | magic u32 | number u32 | meta bytes u32 | payload bytes u32 | crc of meta u32 | previous batch's crc u32 | crc u32 |
//             | meta: groups, then records | payloads, one after another |
//   groups    | count u32 |, each | group u32 | chain before u32 | chain after u32 |
//   record    of one group: see log-records.ts
//
// All numbers are little-endian. Behind the last batch of a segment there may be zeros: space that was taken in advance.
//
// Invariants
//   1. A batch counts only when its header, its meta and all its payloads have the checksums that they should.
//   2. A batch names the checksum of the one before it: bytes of an older life of a file never pass for new ones. (The checksums of
//      header, meta and payloads are nested, so this one stands for all that was ever written.)
//   3. Each group's records form a chain of checksums in order of writing, and each batch names, for every group in it, where its
//      chain stood before and after: so each group knows its own gap, whatever happened to the others. (A state told anew changes
//      nothing, and is no link of the chain: who loses just that has lost nothing.)
//   4. The first batch of every segment but the very first one begins with the state of every group, and of those never written
//      (EVERYONE_ELSE): a log may begin with any segment, and behind any damage it is known again where each group stands.
//   5. Every version of the format begins its segments with these 36 bytes: a newer one is told from damage.
import { assert } from './assert.ts';
import { crc32c as portableCrc32c } from './crc32c.ts';
import { decodeRecords, type LogRecord, recordBytes, writeRecord } from './log-records.ts';

const LOG_FORMAT = 2;
export const SEGMENT_HEADER_BYTES = 36;
export const BATCH_HEADER_BYTES = 28;
const SEGMENT_MAGIC = 'VEDLOG\r\n';
const BATCH_MAGIC = 0x54414256;
const GROUP_BYTES = 12;
const ENCODER = new TextEncoder();

/** Stands for every group that has no state of its own. */
export const EVERYONE_ELSE = 0xffffffff;

/** See core/crc32c.ts. */
export type Crc32c = (bytes: Uint8Array, seed?: number, from?: number, to?: number) => number;

export interface SegmentHeader {
  readonly storeId: Uint8Array;
  readonly number: number;
}

export function encodeSegmentHeader({ storeId, number }: SegmentHeader): Uint8Array {
  assert(storeId.length === 16, 'a store id has 16 bytes');
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(ENCODER.encode(SEGMENT_MAGIC), 0);
  view.setUint32(8, LOG_FORMAT, true);
  bytes.set(storeId, 12);
  view.setUint32(28, number, true);
  view.setUint32(32, portableCrc32c(bytes.subarray(0, 32)), true);
  return bytes;
}

export type SegmentHeaderVerdict =
  | { readonly verdict: 'good'; readonly header: SegmentHeader }
  /** `unwritten`: what an unfinished creation leaves, the beginning of a header or zeros, and nothing else. */
  | { readonly verdict: 'foreign' | 'newer' | 'damaged' | 'unwritten' };

/** @param bytes the first ones of a file. @param size the file's. */
export function decodeSegmentHeader(bytes: Uint8Array, size: number): SegmentHeaderVerdict {
  const magic = new TextDecoder().decode(bytes.subarray(0, 8));
  if (size <= SEGMENT_HEADER_BYTES && isZero(bytes)) return { verdict: 'unwritten' };
  if (!SEGMENT_MAGIC.startsWith(magic))
    return { verdict: isZero(bytes) || isOursButForMagic(bytes) ? 'damaged' : 'foreign' };
  if (bytes.length < SEGMENT_HEADER_BYTES) return { verdict: 'unwritten' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (portableCrc32c(bytes.subarray(0, 32)) !== view.getUint32(32, true)) return { verdict: 'damaged' };
  if (view.getUint32(8, true) > LOG_FORMAT) return { verdict: 'newer' };
  return { verdict: 'good', header: { storeId: bytes.slice(12, 28), number: view.getUint32(28, true) } };
}

/** Is the magic all that is wrong with it? */
function isOursButForMagic(bytes: Uint8Array): boolean {
  if (bytes.length < SEGMENT_HEADER_BYTES) return false;
  const mended = bytes.slice(0, SEGMENT_HEADER_BYTES);
  mended.set(ENCODER.encode(SEGMENT_MAGIC), 0);
  return portableCrc32c(mended.subarray(0, 32)) === new DataView(mended.buffer).getUint32(32, true);
}

export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

export interface BatchHeader {
  readonly number: number;
  readonly metaBytes: number;
  readonly payloadBytes: number;
  readonly metaCrc: number;
  readonly previousCrc: number;
  readonly crc: number;
}

/** Undefined when these are not a batch header's bytes, whole. */
export function decodeBatchHeader(bytes: Uint8Array, crc32c: Crc32c): BatchHeader | undefined {
  if (bytes.length < BATCH_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, BATCH_HEADER_BYTES);
  if (view.getUint32(0, true) !== BATCH_MAGIC) return undefined;
  const crc = view.getUint32(24, true);
  if (crc32c(bytes.subarray(0, 24)) !== crc) return undefined;
  return {
    number: view.getUint32(4, true),
    metaBytes: view.getUint32(8, true),
    payloadBytes: view.getUint32(12, true),
    metaCrc: view.getUint32(16, true),
    previousCrc: view.getUint32(20, true),
    crc,
  };
}

/** Batches are counted round 2^32. Negative: `number` comes before `last`. */
export function batchesAhead(number: number, last: number): number {
  return (number - last) | 0;
}

export interface EncodedBatch {
  /** Header and meta; the payloads follow in the order of the records' entries. */
  readonly head: Uint8Array;
  readonly crc: number;
  /** The groups in it, each once, and where the chain of each stands after this batch. */
  readonly groups: readonly number[];
  readonly chains: readonly number[];
}

/** @param chainOf where a group's chain stands before this batch; 0 for a group never written. */
export function encodeBatch(
  records: readonly LogRecord[],
  batch: { readonly number: number; readonly previousCrc: number; readonly payloadBytes: number },
  chainOf: (group: number) => number,
  crc32c: Crc32c,
): EncodedBatch {
  const { groups, placeOf, recordsBytes } = groupsIn(records);
  const chains = groups.map(chainOf);
  const metaBytes = 4 + groups.length * GROUP_BYTES + recordsBytes;
  const head = new Uint8Array(BATCH_HEADER_BYTES + metaBytes);
  const view = new DataView(head.buffer);
  const table = BATCH_HEADER_BYTES + 4;
  view.setUint32(BATCH_HEADER_BYTES, groups.length, true);
  for (let g = 0; g < groups.length; g++) {
    view.setUint32(table + g * GROUP_BYTES, groups[g] ?? 0, true);
    view.setUint32(table + g * GROUP_BYTES + 4, chains[g] ?? 0, true);
  }
  let at = table + groups.length * GROUP_BYTES;
  let r = 0;
  for (const record of records) {
    const end = writeRecord(record, view, head, at);
    const place = placeOf[r++] ?? 0;
    if (record.type !== 'state') chains[place] = crc32c(head, chains[place], at, end);
    at = end;
  }
  for (let g = 0; g < groups.length; g++) view.setUint32(table + g * GROUP_BYTES + 8, chains[g] ?? 0, true);
  view.setUint32(0, BATCH_MAGIC, true);
  view.setUint32(4, batch.number, true);
  view.setUint32(8, metaBytes, true);
  view.setUint32(12, batch.payloadBytes, true);
  view.setUint32(16, crc32c(head, 0, BATCH_HEADER_BYTES), true);
  view.setUint32(20, batch.previousCrc, true);
  const crc = crc32c(head, 0, 0, 24);
  view.setUint32(24, crc, true);
  return { head, crc, groups, chains };
}

/** The groups that have records here, each once; of each record, which of them is its; and the bytes of all. */
function groupsIn(records: readonly LogRecord[]) {
  const places = new Map<number, number>();
  const groups: number[] = [];
  const placeOf: number[] = [];
  let recordsBytes = 0;
  for (const record of records) {
    recordsBytes += recordBytes(record);
    let place = places.get(record.group);
    if (place === undefined) {
      place = groups.push(record.group) - 1;
      places.set(record.group, place);
    }
    placeOf.push(place);
  }
  return { groups, placeOf, recordsBytes };
}

export interface DecodedMeta {
  readonly groups: readonly { readonly group: number; readonly before: number; readonly after: number }[];
  readonly records: readonly LogRecord[];
}

/** Of a batch whose meta has the right checksum. @throws AssertionError when it is malformed all the same. */
export function decodeMeta(meta: Uint8Array): DecodedMeta {
  const view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
  const count = view.getUint32(0, true);
  const groups: { group: number; before: number; after: number }[] = [];
  let at = 4;
  for (let g = 0; g < count; g++, at += GROUP_BYTES) {
    groups.push({
      group: view.getUint32(at, true),
      before: view.getUint32(at + 4, true),
      after: view.getUint32(at + 8, true),
    });
  }
  return { groups, records: decodeRecords(meta.subarray(at)) };
}
