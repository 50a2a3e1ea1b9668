// Reads a log back: every batch, in order, each checked. What happens at each is decided in core/log-opening.ts.
//
// Invariants
//   1. Only what an unfinished write can leave is cut off, only at the very end, and it is said. An unfinished write can only be the
//      last batch: nothing was acknowledged from it, and the next one begins only after its sync.
//   2. After any other damage the log stays as it was found, every byte of it.
import { assert } from '../../../core/assert.ts';
import type { VedetteError } from '../../../core/errors.ts';
import { groupFromNumber } from '../../../core/ids.ts';
import { type Crc32c, type LogRecord, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import { decideBatch, type LastBatch, linkOf } from '../../../core/log-opening.ts';
import { type FoundBatch, findBatch, type ReadAt, readBatch, type WholeBatch } from '../../../core/log-tail.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import type { LogEntry } from '../log.ts';
import { type GroupIndex, KINDS } from './group-index.ts';
import { damage, type SegmentFile } from './segment-files.ts';
import type { TailCache } from './tail-cache.ts';

export interface RecoveredLog {
  /** Zeros when there is none. */
  readonly last: LastBatch;
  /** Where the next batch goes in the last segment. */
  readonly end: number;
  /** Of all segments. */
  readonly bytes: number;
}

export interface RecoveryPorts {
  readonly groupOf: (group: number) => GroupIndex;
  readonly cache: TailCache;
  readonly crc32c: Crc32c;
  readonly warn: (message: string) => void;
}

/** Segments are read in pieces of this size, or of one batch where that is larger. */
const READ_BYTES = 8 * 1024 * 1024;

/** @throws VedetteError DATA_LOSS naming the file, the offset and, as far as they can be told, the groups concerned. */
export function recover(segments: readonly SegmentFile[], ports: RecoveryPorts): RecoveredLog {
  let last: LastBatch = { number: 0, crc: 0 };
  let end = SEGMENT_HEADER_BYTES;
  let bytes = 0;
  segments.forEach((segment, at) => {
    ({ last, end } = recoverSegment(segment, at === segments.length - 1, last, ports));
    bytes += end;
  });
  return { last, end, bytes };
}

function recoverSegment(
  segment: SegmentFile,
  isLast: boolean,
  before: LastBatch,
  ports: RecoveryPorts,
): { readonly last: LastBatch; readonly end: number } {
  const { path, file } = segment;
  const size = file.size();
  const read = windowedReader(segment, size);
  let last = before;
  for (let at = SEGMENT_HEADER_BYTES; ; ) {
    const found = readBatch(read, at, size, ports.crc32c);
    const behindAt = isBroken(found) ? findBatch(read, at + 1, size, last.number, ports.crc32c) : -1;
    const decision = decideBatch(found.found, behindAt < 0 ? 'none' : 'batch', isLast ? 'last' : 'earlier');
    if (decision === 'end') return { last, end: at };
    if (decision === 'cut') {
      cut(segment, at, size, ports.warn);
      return { last, end: at };
    }
    if (decision === 'dataLoss' || found.found !== 'whole') throw broken(path, at, found, behindAt);
    take(found, segment, at, last, ports);
    last = { number: found.header.number, crc: found.header.crc };
    at = found.end;
  }
}

const isBroken = ({ found }: FoundBatch): boolean => found === 'torn' || found === 'damaged';

function cut({ path, file }: SegmentFile, at: number, size: number, warn: (message: string) => void): void {
  warn(`${path}: an unfinished write of ${size - at} bytes at byte ${at} was cut off; nothing in it was acknowledged`);
  file.truncateSync(at);
  file.syncSync();
}

const namesOf = (groups: readonly number[]): string =>
  groups.length === 0 ? 'any group' : groups.map(groupFromNumber).join(', ');

function broken(path: string, at: number, found: FoundBatch, behindAt: number): VedetteError {
  const groups = 'groups' in found && found.found !== 'whole' ? found.groups : [];
  const behind = behindAt < 0 ? '' : `, with whole records behind it at byte ${behindAt}`;
  return damage(path, at, `records of ${namesOf(groups)} may be lost${behind}`);
}

function windowedReader({ file }: SegmentFile, size: number): ReadAt {
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  return (at, length) => {
    const end = Math.min(size, at + length);
    if (end <= at) return window.subarray(0, 0);
    if (at < windowAt || end > windowAt + window.length) {
      window = file.readSync(at, Math.min(size - at, Math.max(length, READ_BYTES)));
      windowAt = at;
    }
    return window.subarray(at - windowAt, end - windowAt);
  };
}

function take(batch: WholeBatch, segment: SegmentFile, at: number, last: LastBatch, ports: RecoveryPorts): void {
  const { header, groups, records, payloads } = batch;
  const link = linkOf(header, last);
  if (link !== 'next') {
    const what =
      link === 'gap'
        ? `batch ${last.number + 1} should come here, not ${header.number}; records of any group may be lost`
        : `batch ${header.number} belongs to another past of this log`;
    throw damage(segment.path, at, what);
  }
  for (const { group, before, after } of groups) {
    const index = ports.groupOf(group);
    if (index.chain !== before) throw damage(segment.path, at, `records of ${groupFromNumber(group)} are missing`);
    index.chain = after;
  }
  let offset = batch.end - header.payloadBytes;
  const payloadsAt = offset;
  for (const record of records) {
    const index = ports.groupOf(record.group);
    if (record.type === 'hard') index.hard = { term: record.term, votedFor: record.votedFor as HardState['votedFor'] };
    else if (record.type === 'sound') index.sound = record.sound;
    else if (record.type === 'compact') index.compactThrough(record.through, record.term);
    else if (record.type === 'truncate') index.truncateAfter(record.after);
    else offset = restore(record, index, payloads, payloadsAt, offset, segment.number, ports.cache);
  }
  assert(offset === batch.end, 'entries account for all payloads');
}

/** @param offset in the file, of its first payload. @returns that behind its last one. */
function restore(
  record: Extract<LogRecord, { type: 'entries' }>,
  group: GroupIndex,
  payloads: Uint8Array,
  payloadsAt: number,
  offset: number,
  segment: number,
  cache: TailCache,
): number {
  let at = offset;
  record.entries.forEach(({ term, kind, bytes, crc }, e) => {
    const payload = payloads.slice(at - payloadsAt, at - payloadsAt + bytes);
    const entry: LogEntry = { index: record.first + e, term, kind: KINDS[kind], payload };
    group.restore(entry, { segment, offset: at, bytes, crc, kind });
    cache.add(group, entry);
    at += bytes;
  });
  return at;
}
