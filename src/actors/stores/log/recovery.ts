// Reads a log back: every batch, in order, each checked. What happens at each is decided in core/log-opening.ts.
//
//   segments ─▶ batches ─▶ replay ─▶ group indexes ─▶ judge: each group is known to be whole, or it is unsound
//                  └─ damage: said, skipped, and every group that may have something in it is doubtful
//
// Invariants
//   1. Only what an unfinished write can leave is cut off, only at the very end, and it is said. An unfinished write can only be the
//      last batch: nothing was acknowledged from it, and the next one begins only after its sync.
//   2. After any other damage the files stay as they were found, every byte of them.
//   3. A group is sound only when the log shows it: its chain goes on, or its state is told, behind all damage, and every entry in its
//      log is there. Of an unsound one the beginning is left that is there.
//   4. The verdict is written down before anything else is: until then, every opening comes to it anew.
import { groupFromNumber } from '../../../core/ids.ts';
import { type Crc32c, EVERYONE_ELSE, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import { decideBody, decideLink, type LastBatch, linkOf } from '../../../core/log-opening.ts';
import { findBatch, type FoundBatch, type ReadAt, type ReadBatch, readBatch } from '../../../core/log-tail.ts';
import { type GroupIndexes, replay, tellsAll } from './replay.ts';
import { foreign, type SegmentFile } from './segment-files.ts';
import type { TailCache } from './tail-cache.ts';

export interface RecoveredLog {
  readonly last: NonNullable<LastBatch>;
  /** Where the next batch goes in the last segment. */
  readonly end: number;
  /** A group was found unsound: go on in a new segment, which tells the state of every group. */
  readonly needsVerdict: boolean;
}

export interface RecoveryPorts {
  readonly groups: GroupIndexes;
  readonly cache: TailCache;
  readonly crc32c: Crc32c;
  readonly warn: (message: string) => void;
}

/** Segments are read in pieces of this size, or of one batch where that is larger. */
const READ_BYTES = 8 * 1024 * 1024;

/** How far a walk through the segments has come. */
interface Reached {
  readonly last: LastBatch;
  /** In the segment. */
  readonly end: number;
  /** Bytes that could not be read, and no batch behind them yet. */
  readonly unread: boolean;
}

/** @throws VedetteError DATA_LOSS when a batch has another past than what is before it: files of several logs are mixed. */
export function recover(segments: readonly SegmentFile[], ports: RecoveryPorts): RecoveredLog {
  const beginning = { number: 0, crc: 0 };
  const isWhole = segments[0] === undefined || segments[0].number === 1;
  let reached: Reached = { last: isWhole ? beginning : null, end: SEGMENT_HEADER_BYTES, unread: false };
  segments.forEach((segment, at) => {
    const before = segments[at - 1];
    if (before !== undefined && segment.number !== before.number + 1)
      ports.warn(`${segment.path} comes behind ${before.path}: what was between them is missing`);
    reached = walk(segment, at === segments.length - 1, reached, ports);
  });
  const { last, end, unread } = reached;
  if (unread) doubtAll(ports.groups);
  const foundUnsound = judge(ports);
  return { last: last ?? beginning, end, needsVerdict: foundUnsound || unread };
}

function doubtAll(groups: GroupIndexes): void {
  for (const index of groups.values()) if (index.knowledge === 'known') index.knowledge = 'doubtful';
}

/** Invariant 3. @returns whether a group turned out to be unsound. */
function judge({ groups, warn }: RecoveryPorts): boolean {
  const unsound: number[] = [];
  for (const [group, index] of groups) {
    const missing = index.firstMissing();
    if (index.knowledge === 'known' && missing === null) continue;
    unsound.push(group);
    index.knowledge = 'known';
    index.sound = false;
    if (missing !== null) index.truncateAfter(missing - 1);
  }
  if (unsound.length > 0)
    warn(
      `records of ${namesOf(unsound)} may be lost: there this broker neither votes nor acknowledges until the leader has repaired it`,
    );
  return unsound.length > 0;
}

const namesOf = (groups: readonly number[]): string =>
  groups.map((group) => (group === EVERYONE_ELSE ? 'every other group' : groupFromNumber(group))).join(', ');

/** Through one segment. */
function walk(segment: SegmentFile, isLast: boolean, before: Reached, ports: RecoveryPorts): Reached {
  const { path, file } = segment;
  const { groups, cache, crc32c, warn } = ports;
  const size = file.size();
  const read = windowedReader(segment, size);
  let { last, unread } = before;
  let at = SEGMENT_HEADER_BYTES;

  /** @returns whether the segment goes on behind it. */
  function step(): boolean {
    const found = readBatch(read, at, size, crc32c);
    const behindAt = isBroken(found) ? findBatch(read, found.next, size, last, crc32c) : -1;
    switch (decideBody(found.found, behindAt < 0 ? 'none' : 'batch', isLast ? 'last' : 'earlier')) {
      case 'end':
        return false;
      case 'cut':
        cut();
        return false;
      case 'quarantine':
        return quarantine(isBroken(found) ? found.read : null, behindAt);
      default:
        if (found.found === 'whole') take(found);
        return true;
    }
  }

  function cut(): void {
    warn(
      `${path}: an unfinished write of ${size - at} bytes at byte ${at} was cut off; nothing in it was acknowledged`,
    );
    file.truncateSync(at);
    file.syncSync();
  }

  function quarantine(readable: ReadBatch | null, behindAt: number): boolean {
    const behind = behindAt < 0 ? '' : `; whole records follow at byte ${behindAt}`;
    warn(`${path} is damaged at byte ${at}${behind}. It is kept, and set aside when it is no longer needed`);
    segment.damaged = true;
    if (readable !== null && readable.end <= size) {
      take(readable);
      return true;
    }
    if (readable !== null) take(readable);
    else unread = true;
    at = behindAt < 0 ? size : behindAt;
    return behindAt >= 0;
  }

  function take(batch: ReadBatch): void {
    const link = linkOf(batch.header, last);
    const decision = decideLink(link);
    if (decision === 'refuse') throw foreign(path, at);
    if (decision === 'doubtAll') {
      if (!tellsAll(batch) && !unread)
        warn(`${path}: batches before number ${batch.header.number} at byte ${at} are missing`);
      doubtAll(groups);
    }
    if (at === SEGMENT_HEADER_BYTES) segment.begins = tellsAll(batch);
    replay(batch, segment.number, groups, cache);
    last = { number: batch.header.number, crc: batch.header.crc };
    at = batch.end;
    unread = false;
  }

  while (step());
  return { last, end: at, unread };
}

const isBroken = (found: FoundBatch): found is Extract<FoundBatch, { found: 'torn' | 'damaged' }> =>
  found.found === 'torn' || found.found === 'damaged';

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
