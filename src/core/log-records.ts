// The records of the log: what a batch says of each group, in order of writing. One record is
//
//   record    | bytes u32 | group u32 | type u8 | … |
//     hard      … term f64 | name bytes u16 | the candidate voted for, UTF-8 |
//     sound     … 1 or 0 u8 |
//     compact   … through f64 | its term f64 |
//     truncate  … after f64 |
//     entries   … first f64 | count u32 |, each | term f64 | kind u8 | payload bytes u32 | crc of payload u32 |
//     copied    … the same: entries that the log has already, written once more so that an old segment can go
//     state     … sound u8 | term f64 | name bytes u16 | name | first f64 | its previous term f64 | last f64 | count u32 |,
//               each | first index f64 | term f64 |: all of a group but its entries, whatever came before
//     forget    … nothing: the group's member is gone from here, and all entries with it
//
// All numbers are little-endian; indexes and terms are whole numbers below 2^53, kept as float64.
import { assert, unreachable } from './assert.ts';
import type { LogIndex, Term } from './ids.ts';

const RECORD_HEADER_BYTES = 9;
const ENTRY_HEADER_BYTES = 17;
const RUN_BYTES = 16;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

export type EntryKindNumber = 0 | 1 | 2;

export interface EntryHeader {
  readonly term: Term;
  readonly kind: EntryKindNumber;
  readonly bytes: number;
  readonly crc: number;
}

interface Run {
  readonly group: number;
  readonly first: LogIndex;
  readonly entries: readonly EntryHeader[];
}

/** A run of entries; their payloads follow the batch's records. */
export type EntriesRecord = (Run & { readonly type: 'entries' }) | (Run & { readonly type: 'copied' });

export interface StateRecord {
  readonly type: 'state';
  readonly group: number;
  readonly sound: boolean;
  readonly hard: { readonly term: Term; readonly votedFor: string | null };
  readonly firstIndex: LogIndex;
  readonly previousTerm: Term;
  readonly lastIndex: LogIndex;
  readonly runs: readonly { readonly first: LogIndex; readonly term: Term }[];
}

export type LogRecord =
  | { readonly type: 'hard'; readonly group: number; readonly term: Term; readonly votedFor: string | null }
  | { readonly type: 'sound'; readonly group: number; readonly sound: boolean }
  | { readonly type: 'compact'; readonly group: number; readonly through: LogIndex; readonly term: Term }
  | { readonly type: 'truncate'; readonly group: number; readonly after: LogIndex }
  | { readonly type: 'forget'; readonly group: number }
  | EntriesRecord
  | StateRecord;

const RECORD_TYPES = {
  hard: 1,
  truncate: 2,
  entries: 3,
  compact: 4,
  sound: 5,
  copied: 6,
  state: 7,
  forget: 8,
} as const;

/** What a record takes in a batch, without payloads. */
export function recordBytes(record: LogRecord): number {
  switch (record.type) {
    case 'hard':
      return RECORD_HEADER_BYTES + 10 + (record.votedFor?.length ?? 0);
    case 'sound':
      return RECORD_HEADER_BYTES + 1;
    case 'compact':
      return RECORD_HEADER_BYTES + 16;
    case 'truncate':
      return RECORD_HEADER_BYTES + 8;
    case 'forget':
      return RECORD_HEADER_BYTES;
    case 'entries':
    case 'copied':
      return RECORD_HEADER_BYTES + 12 + record.entries.length * ENTRY_HEADER_BYTES;
    case 'state':
      return RECORD_HEADER_BYTES + 39 + (record.hard.votedFor?.length ?? 0) + record.runs.length * RUN_BYTES;
    default:
      return unreachable(record);
  }
}

/** @returns where it ends. */
export function writeRecord(record: LogRecord, view: DataView, bytes: Uint8Array, at: number): number {
  const end = at + recordBytes(record);
  view.setUint32(at, end - at, true);
  view.setUint32(at + 4, record.group, true);
  view.setUint8(at + 8, RECORD_TYPES[record.type]);
  const body = at + RECORD_HEADER_BYTES;
  switch (record.type) {
    case 'hard':
      writeHard(record, view, bytes, body);
      break;
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
    case 'forget':
      break;
    case 'entries':
    case 'copied':
      writeEntries(record, view, body);
      break;
    case 'state':
      writeState(record, view, bytes, body);
      break;
    default:
      unreachable(record);
  }
  return end;
}

/** @returns where it ends. */
function writeHard({ term, votedFor }: StateRecord['hard'], view: DataView, bytes: Uint8Array, at: number): number {
  const name = votedFor ?? '';
  view.setFloat64(at, term, true);
  view.setUint16(at + 8, name.length, true);
  const { written } = ENCODER.encodeInto(name, bytes.subarray(at + 10, at + 10 + name.length));
  assert(written === name.length, () => `a broker's name is ASCII, not ${name}`);
  return at + 10 + name.length;
}

function writeEntries({ first, entries }: EntriesRecord, view: DataView, at: number): void {
  view.setFloat64(at, first, true);
  view.setUint32(at + 8, entries.length, true);
  let to = at + 12;
  for (const entry of entries) {
    view.setFloat64(to, entry.term, true);
    view.setUint8(to + 8, entry.kind);
    view.setUint32(to + 9, entry.bytes, true);
    view.setUint32(to + 13, entry.crc, true);
    to += ENTRY_HEADER_BYTES;
  }
}

function writeState(record: StateRecord, view: DataView, bytes: Uint8Array, at: number): void {
  view.setUint8(at, record.sound ? 1 : 0);
  let to = writeHard(record.hard, view, bytes, at + 1);
  view.setFloat64(to, record.firstIndex, true);
  view.setFloat64(to + 8, record.previousTerm, true);
  view.setFloat64(to + 16, record.lastIndex, true);
  view.setUint32(to + 24, record.runs.length, true);
  to += 28;
  for (const { first, term } of record.runs) {
    view.setFloat64(to, first, true);
    view.setFloat64(to + 8, term, true);
    to += RUN_BYTES;
  }
}

/** All records in `bytes`, which have their checksum. @throws AssertionError when they are malformed all the same. */
export function decodeRecords(bytes: Uint8Array): LogRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at, true);
    assert(length >= RECORD_HEADER_BYTES && at + length <= bytes.length, 'a record lies within its batch');
    records.push(decodeRecord(bytes.subarray(at, at + length)));
    at += length;
  }
  return records;
}

function decodeRecord(bytes: Uint8Array): LogRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const group = view.getUint32(4, true);
  const type = view.getUint8(8);
  const body = RECORD_HEADER_BYTES;
  switch (type) {
    case RECORD_TYPES.hard:
      return { type: 'hard', group, ...readHard(view, bytes, body).hard };
    case RECORD_TYPES.sound:
      return { type: 'sound', group, sound: view.getUint8(body) !== 0 };
    case RECORD_TYPES.compact:
      return { type: 'compact', group, through: view.getFloat64(body, true), term: view.getFloat64(body + 8, true) };
    case RECORD_TYPES.truncate:
      return { type: 'truncate', group, after: view.getFloat64(body, true) };
    case RECORD_TYPES.forget:
      return { type: 'forget', group };
    case RECORD_TYPES.entries:
      return { type: 'entries', group, first: view.getFloat64(body, true), entries: readEntries(view, body + 8) };
    case RECORD_TYPES.copied:
      return { type: 'copied', group, first: view.getFloat64(body, true), entries: readEntries(view, body + 8) };
    case RECORD_TYPES.state:
      return readState(view, bytes, group);
    default:
      assert(false, `unknown record type ${type}`);
  }
}

function readHard(view: DataView, bytes: Uint8Array, at: number): { hard: StateRecord['hard']; end: number } {
  const end = at + 10 + view.getUint16(at + 8, true);
  const name = DECODER.decode(bytes.subarray(at + 10, end));
  return { hard: { term: view.getFloat64(at, true), votedFor: name === '' ? null : name }, end };
}

/** @param at of their count. */
function readEntries(view: DataView, at: number): EntryHeader[] {
  const count = view.getUint32(at, true);
  return Array.from({ length: count }, (_, e) => {
    const from = at + 4 + e * ENTRY_HEADER_BYTES;
    const kind = view.getUint8(from + 8);
    assert(kind === 0 || kind === 1 || kind === 2, () => `unknown entry kind ${kind}`);
    return {
      term: view.getFloat64(from, true),
      kind,
      bytes: view.getUint32(from + 9, true),
      crc: view.getUint32(from + 13, true),
    };
  });
}

function readState(view: DataView, bytes: Uint8Array, group: number): StateRecord {
  const sound = view.getUint8(RECORD_HEADER_BYTES) !== 0;
  const { hard, end: at } = readHard(view, bytes, RECORD_HEADER_BYTES + 1);
  const runs = Array.from({ length: view.getUint32(at + 24, true) }, (_, r) => ({
    first: view.getFloat64(at + 28 + r * RUN_BYTES, true),
    term: view.getFloat64(at + 36 + r * RUN_BYTES, true),
  }));
  return {
    type: 'state',
    group,
    sound,
    hard,
    firstIndex: view.getFloat64(at, true),
    previousTerm: view.getFloat64(at + 8, true),
    lastIndex: view.getFloat64(at + 16, true),
    runs,
  };
}
