// Reads a log back: every batch, in order, each checked.
//
//   batch                       behind it                               what happens
//   whole                       anything                                taken
//   not whole, last segment     nothing, or bytes without a batch       the torn tail of an unfinished write: cut, and said
//   not whole, last segment     a batch that is whole                   DATA_LOSS: damage, not an unfinished write
//   not whole, earlier segment  –                                       DATA_LOSS
//   whole, but not the next     –                                       DATA_LOSS (another number, or another predecessor)
//   whole, a chain differs      –                                       DATA_LOSS (a group's records are missing)
//
// An unfinished write can only be the last batch: nothing was acknowledged from it, and the next one began only after its sync.
import { VedetteError } from '../../../core/errors.ts';
import { groupFromNumber } from '../../../core/ids.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  type Crc32c,
  decodeBatchHeader,
  decodeMeta,
  type LogRecord,
  SEGMENT_HEADER_BYTES,
} from '../../../core/log-format.ts';
import type { EntryKind, LogEntry } from '../log.ts';
import type { GroupIndex } from './group-index.ts';
import type { SegmentFile } from './segment-files.ts';

export interface RecoveredLog {
  /** Of the last batch; 0 when there is none. */
  readonly batchNumber: number;
  readonly batchCrc: number;
  /** Where the next batch goes in the last segment. */
  readonly end: number;
  readonly bytes: number;
}

const KINDS: readonly EntryKind[] = ['noop', 'data', 'configuration'];
/** Segments are read in pieces of this size, or of one batch where that is larger. */
const READ_BYTES = 8 * 1024 * 1024;

interface Position {
  batchNumber: number;
  batchCrc: number;
}

/** @throws VedetteError DATA_LOSS naming the file, the offset and the groups concerned. */
export function recover(
  segments: readonly SegmentFile[],
  groupOf: (group: number) => GroupIndex,
  crc32c: Crc32c,
  warn: (message: string) => void,
  /** Entries of so many bytes are in memory: the place to let go of old ones. */
  took: (bytes: number) => void,
): RecoveredLog {
  const position: Position = { batchNumber: 0, batchCrc: 0 };
  let end = SEGMENT_HEADER_BYTES;
  let bytes = 0;
  segments.forEach((segment, at) => {
    end = recoverSegment(segment, at === segments.length - 1, position, groupOf, crc32c, warn, took);
    bytes += end;
  });
  return { ...position, end, bytes };
}

function recoverSegment(
  segment: SegmentFile,
  last: boolean,
  position: Position,
  groupOf: (group: number) => GroupIndex,
  crc32c: Crc32c,
  warn: (message: string) => void,
  took: (bytes: number) => void,
): number {
  const { file, path } = segment;
  const size = file.size();
  const read = windowedReader(segment, size);
  let at = SEGMENT_HEADER_BYTES;
  while (at < size) {
    const batch = readBatch(read, at, crc32c);
    if (batch === null) {
      if (!last || followedByBatch(read, at, size, crc32c)) {
        throw new VedetteError(
          'DATA_LOSS',
          `${path} is damaged at byte ${at}, and whole records lie behind it. Remove the data directory: the broker fetches everything from its peers`,
        );
      }
      warn(
        `${path}: an unfinished write of ${size - at} bytes at byte ${at} was cut off; nothing in it was acknowledged`,
      );
      file.truncateSync(at);
      file.syncSync();
      return at;
    }
    take(batch, segment, at, position, groupOf);
    took(batch.header.payloadBytes);
    at += BATCH_HEADER_BYTES + batch.header.metaBytes + batch.header.payloadBytes;
  }
  return at;
}

interface Batch {
  readonly header: BatchHeader;
  readonly meta: Uint8Array;
  readonly payloads: Uint8Array;
}

type Reader = (at: number, length: number) => Uint8Array;

/** Null when what is at `at` is not a whole batch. */
function readBatch(read: Reader, at: number, crc32c: Crc32c): Batch | null {
  const header = decodeBatchHeader(read(at, BATCH_HEADER_BYTES), crc32c);
  if (header === undefined) return null;
  const body = read(at + BATCH_HEADER_BYTES, header.metaBytes + header.payloadBytes);
  if (body.length < header.metaBytes + header.payloadBytes) return null;
  const meta = body.subarray(0, header.metaBytes);
  const payloads = body.subarray(header.metaBytes);
  if (crc32c(meta) !== header.metaCrc) return null;
  let offset = 0;
  for (const record of decodeMeta(meta).records) {
    if (record.type !== 'entries') continue;
    for (const entry of record.entries) {
      if (crc32c(payloads.subarray(offset, offset + entry.bytes)) !== entry.crc) return null;
      offset += entry.bytes;
    }
  }
  return offset === payloads.length ? { header, meta, payloads } : null;
}

/** Is there a whole batch anywhere behind a damaged place? */
function followedByBatch(read: Reader, from: number, size: number, crc32c: Crc32c): boolean {
  for (let at = from + 1; at + BATCH_HEADER_BYTES <= size; at++) {
    const head = read(at, BATCH_HEADER_BYTES);
    if (head[0] === 0x56 && decodeBatchHeader(head, crc32c) !== undefined && readBatch(read, at, crc32c) !== null)
      return true;
  }
  return false;
}

function windowedReader({ file }: SegmentFile, size: number): Reader {
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  return (at, length) => {
    const end = Math.min(size, at + length);
    if (at < windowAt || end > windowAt + window.length) {
      window = file.readSync(at, Math.min(size - at, Math.max(length, READ_BYTES)));
      windowAt = at;
    }
    return window.subarray(at - windowAt, end - windowAt);
  };
}

function take(
  { header, meta, payloads }: Batch,
  segment: SegmentFile,
  at: number,
  position: Position,
  groupOf: (group: number) => GroupIndex,
): void {
  const { groups, records } = decodeMeta(meta);
  const names = groups.map(({ group }) => groupFromNumber(group)).join(', ');
  if (
    position.batchNumber !== 0 &&
    (header.number !== position.batchNumber + 1 || header.previousCrc !== position.batchCrc)
  ) {
    throw new VedetteError(
      'DATA_LOSS',
      `${segment.path}: at byte ${at} batch ${position.batchNumber + 1} should come, not ${header.number} (groups ${names})`,
    );
  }
  for (const { group, before, after } of groups) {
    const index = groupOf(group);
    if (index.chain !== before) {
      throw new VedetteError(
        'DATA_LOSS',
        `${segment.path}: at byte ${at} records of ${groupFromNumber(group)} are missing`,
      );
    }
    index.chain = after;
  }
  let offset = 0;
  const payloadsAt = at + BATCH_HEADER_BYTES + header.metaBytes;
  for (const record of records)
    offset = replay(record, groupOf(record.group), payloads, offset, payloadsAt, segment.number);
  position.batchNumber = header.number;
  position.batchCrc = header.crc;
}

function replay(
  record: LogRecord,
  index: GroupIndex,
  payloads: Uint8Array,
  start: number,
  payloadsAt: number,
  segment: number,
): number {
  if (record.type === 'hard')
    index.hard = { term: record.term, votedFor: record.votedFor as GroupIndex['hard']['votedFor'] };
  if (record.type === 'truncate') index.truncateAfter(record.after);
  if (record.type !== 'entries') return start;
  let offset = start;
  record.entries.forEach(({ term, kind, bytes, crc }, e) => {
    const name = KINDS[kind] ?? 'data';
    const entry: LogEntry = {
      index: record.first + e,
      term,
      kind: name,
      payload: payloads.slice(offset, offset + bytes),
    };
    index.append({ segment, offset: payloadsAt + offset, bytes, crc, kind: name }, entry);
    offset += bytes;
  });
  return offset;
}
