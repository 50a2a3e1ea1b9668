// The log's bytes. A segment is a header and batches; a batch is what one sync made durable, for any number of groups.
//
//   segment   | magic 8 | version u32 | store id 16 | number u32 | crc u32 |
//   batch     | magic u32 | number u32 | meta bytes u32 | payload bytes u32 | crc of meta u32 | previous batch's crc u32 | crc u32 |
//             | meta: groups, then records | payloads, one after another |
//   groups    | count u32 |, each | group u32 | chain before u32 | chain after u32 |
//   record    | bytes u32 | group u32 | type u8 | … |
//     hard      … term f64 | name bytes u16 | the candidate voted for, UTF-8 |
//     sound     … 1 or 0 u8 |
//     compact   … through f64 | its term f64 |
//     truncate  … after f64 |
//     entries   … first f64 | count u32 |, each | term f64 | kind u8 | payload bytes u32 | crc of payload u32 |
//
// All numbers are little-endian; indexes and terms are whole numbers below 2^53, kept as float64. Behind the last batch of a segment
// there may be zeros: space that was taken in advance.
//
// Invariants
//   1. A batch counts only when its header, its meta and all its payloads have the checksums that they should.
//   2. A batch names the checksum of the one before it: bytes of an older life of a file never pass for new ones. (The checksums of
//      header, meta and payloads are nested, so this one stands for all that was ever written.)
//   3. Each group's records form a chain of checksums in order of writing, and each batch names, for every group in it, where its
//      chain stood before and after: so each group knows its own gap, whatever happened to the others.
//   4. Every version of the format begins its segments with these 36 bytes: a newer one is told from damage.
import { assert, unreachable } from './assert.ts';
import { crc32c as portableCrc32c } from './crc32c.ts';
import type { LogIndex, Term } from './ids.ts';

const LOG_FORMAT = 1;
export const SEGMENT_HEADER_BYTES = 36;
export const BATCH_HEADER_BYTES = 28;
const SEGMENT_MAGIC = 'VEDLOG\r\n';
const BATCH_MAGIC = 0x54414256;
const GROUP_BYTES = 12;
const RECORD_HEADER_BYTES = 9;
const ENTRY_HEADER_BYTES = 17;
const ENCODER = new TextEncoder();

export type Crc32c = (bytes: Uint8Array, seed?: number) => number;

export type EntryKindNumber = 0 | 1 | 2;

export interface EntryHeader {
  readonly term: Term;
  readonly kind: EntryKindNumber;
  readonly bytes: number;
  readonly crc: number;
}

export type LogRecord =
  | { readonly type: 'hard'; readonly group: number; readonly term: Term; readonly votedFor: string | null }
  | { readonly type: 'sound'; readonly group: number; readonly sound: boolean }
  | { readonly type: 'compact'; readonly group: number; readonly through: LogIndex; readonly term: Term }
  | { readonly type: 'truncate'; readonly group: number; readonly after: LogIndex }
  | {
      readonly type: 'entries';
      readonly group: number;
      readonly first: LogIndex;
      readonly entries: readonly EntryHeader[];
    };

const RECORD_TYPES = { hard: 1, truncate: 2, entries: 3, compact: 4, sound: 5 } as const;

export interface SegmentHeader {
  readonly storeId: Uint8Array;
  readonly number: number;
}

export function encodeSegmentHeader({ storeId, number }: SegmentHeader): Uint8Array {
  assert(storeId.length === 16, 'a store id has 16 bytes');
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(SEGMENT_MAGIC), 0);
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
  if (!SEGMENT_MAGIC.startsWith(magic)) return { verdict: isZero(bytes) ? 'damaged' : 'foreign' };
  if (bytes.length < SEGMENT_HEADER_BYTES) return { verdict: 'unwritten' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (portableCrc32c(bytes.subarray(0, 32)) !== view.getUint32(32, true)) return { verdict: 'damaged' };
  if (view.getUint32(8, true) > LOG_FORMAT) return { verdict: 'newer' };
  return { verdict: 'good', header: { storeId: bytes.slice(12, 28), number: view.getUint32(28, true) } };
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

export interface EncodedBatch {
  /** Header and meta; the payloads follow in the order of the records' entries. */
  readonly head: Uint8Array;
  readonly crc: number;
  /** Where each group's chain stands after this batch. */
  readonly chains: ReadonlyMap<number, number>;
}

/** @param chainOf where a group's chain stands before this batch; 0 for a group never written. */
export function encodeBatch(
  records: readonly LogRecord[],
  batch: { readonly number: number; readonly previousCrc: number; readonly payloadBytes: number },
  chainOf: (group: number) => number,
  crc32c: Crc32c,
): EncodedBatch {
  const chains = new Map<number, number>();
  let recordsBytes = 0;
  for (const record of records) {
    recordsBytes += encodedBytes(record);
    if (!chains.has(record.group)) chains.set(record.group, chainOf(record.group));
  }
  const metaBytes = 4 + chains.size * GROUP_BYTES + recordsBytes;
  const head = new Uint8Array(BATCH_HEADER_BYTES + metaBytes);
  const view = new DataView(head.buffer);
  const groups = [...chains.keys()];
  let at = BATCH_HEADER_BYTES;
  view.setUint32(at, groups.length, true);
  at += 4;
  for (const group of groups) {
    view.setUint32(at, group, true);
    view.setUint32(at + 4, chains.get(group) ?? 0, true);
    at += GROUP_BYTES;
  }
  for (const record of records) {
    const end = writeRecord(record, view, head, at);
    chains.set(record.group, crc32c(head.subarray(at, end), chains.get(record.group) ?? 0));
    at = end;
  }
  groups.forEach((group, g) => {
    view.setUint32(BATCH_HEADER_BYTES + 4 + g * GROUP_BYTES + 8, chains.get(group) ?? 0, true);
  });
  view.setUint32(0, BATCH_MAGIC, true);
  view.setUint32(4, batch.number, true);
  view.setUint32(8, metaBytes, true);
  view.setUint32(12, batch.payloadBytes, true);
  view.setUint32(16, crc32c(head.subarray(BATCH_HEADER_BYTES)), true);
  view.setUint32(20, batch.previousCrc, true);
  const crc = crc32c(head.subarray(0, 24));
  view.setUint32(24, crc, true);
  return { head, crc, chains };
}

/** What a record takes in a batch, without payloads. */
function encodedBytes(record: LogRecord): number {
  switch (record.type) {
    case 'hard':
      return RECORD_HEADER_BYTES + 10 + (record.votedFor?.length ?? 0);
    case 'sound':
      return RECORD_HEADER_BYTES + 1;
    case 'compact':
      return RECORD_HEADER_BYTES + 16;
    case 'truncate':
      return RECORD_HEADER_BYTES + 8;
    case 'entries':
      return RECORD_HEADER_BYTES + 12 + record.entries.length * ENTRY_HEADER_BYTES;
    default:
      return unreachable(record);
  }
}

/** @returns where it ends. */
function writeRecord(record: LogRecord, view: DataView, bytes: Uint8Array, at: number): number {
  const end = at + encodedBytes(record);
  view.setUint32(at, end - at, true);
  view.setUint32(at + 4, record.group, true);
  view.setUint8(at + 8, RECORD_TYPES[record.type]);
  const body = at + RECORD_HEADER_BYTES;
  switch (record.type) {
    case 'hard': {
      const name = record.votedFor ?? '';
      view.setFloat64(body, record.term, true);
      view.setUint16(body + 8, name.length, true);
      const { written } = ENCODER.encodeInto(name, bytes.subarray(body + 10, end));
      assert(written === name.length, `a broker's name is ASCII, not ${name}`);
      break;
    }
    case 'sound':
      view.setUint8(body, record.sound ? 1 : 0);
      break;
    case 'compact':
      view.setFloat64(body, record.through, true);
      view.setFloat64(body + 8, record.term, true);
      break;
    case 'truncate':
      view.setFloat64(body, record.after, true);
      break;
    case 'entries': {
      view.setFloat64(body, record.first, true);
      view.setUint32(body + 8, record.entries.length, true);
      let to = body + 12;
      for (const entry of record.entries) {
        view.setFloat64(to, entry.term, true);
        view.setUint8(to + 8, entry.kind);
        view.setUint32(to + 9, entry.bytes, true);
        view.setUint32(to + 13, entry.crc, true);
        to += ENTRY_HEADER_BYTES;
      }
      break;
    }
    default:
      unreachable(record);
  }
  return end;
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
  const records: LogRecord[] = [];
  while (at < meta.length) {
    const length = view.getUint32(at, true);
    assert(length >= RECORD_HEADER_BYTES && at + length <= meta.length, 'a record lies within its batch');
    records.push(decodeRecord(meta.subarray(at, at + length)));
    at += length;
  }
  return { groups, records };
}

function decodeRecord(bytes: Uint8Array): LogRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const group = view.getUint32(4, true);
  const type = view.getUint8(8);
  if (type === RECORD_TYPES.hard) {
    const name = new TextDecoder().decode(bytes.subarray(19, 19 + view.getUint16(17, true)));
    return { type: 'hard', group, term: view.getFloat64(9, true), votedFor: name === '' ? null : name };
  }
  if (type === RECORD_TYPES.sound) return { type: 'sound', group, sound: view.getUint8(9) !== 0 };
  if (type === RECORD_TYPES.compact)
    return { type: 'compact', group, through: view.getFloat64(9, true), term: view.getFloat64(17, true) };
  if (type === RECORD_TYPES.truncate) return { type: 'truncate', group, after: view.getFloat64(9, true) };
  assert(type === RECORD_TYPES.entries, `unknown record type ${type}`);
  const entries: EntryHeader[] = [];
  for (let e = 0, at = 21; e < view.getUint32(17, true); e++, at += ENTRY_HEADER_BYTES) {
    const kind = view.getUint8(at + 8);
    assert(kind === 0 || kind === 1 || kind === 2, `unknown entry kind ${kind}`);
    entries.push({
      term: view.getFloat64(at, true),
      kind,
      bytes: view.getUint32(at + 9, true),
      crc: view.getUint32(at + 13, true),
    });
  }
  return { type: 'entries', group, first: view.getFloat64(9, true), entries };
}
