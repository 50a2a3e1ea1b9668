// What opening a log does, whatever it finds: every combination, once.
//
// Two questions are asked of each segment's header and of each place where a batch should be; a batch that is whole is then asked
// whether it is the next one, and, for each of its groups, whether it goes on where that group's chain stood.
import type { SegmentHeaderVerdict } from './log-format.ts';
import type { FoundBatch } from './log-tail.ts';

/** `last`: no segment follows. */
export type Position = 'last' | 'earlier';

export type HeaderDecision =
  | 'take'
  /** Its creation was not finished; nothing was ever written to it. */
  | 'remove'
  | 'dataLoss'
  | 'refuseForeign'
  | 'refuseNewer';

const HEADERS: Readonly<Record<SegmentHeaderVerdict['verdict'], Readonly<Record<Position, HeaderDecision>>>> = {
  good: { last: 'take', earlier: 'take' },
  unwritten: { last: 'remove', earlier: 'dataLoss' },
  damaged: { last: 'dataLoss', earlier: 'dataLoss' },
  foreign: { last: 'refuseForeign', earlier: 'refuseForeign' },
  newer: { last: 'refuseNewer', earlier: 'refuseNewer' },
};

export function decideHeader(verdict: SegmentHeaderVerdict['verdict'], position: Position): HeaderDecision {
  return HEADERS[verdict][position];
}

export type BatchDecision =
  | 'take'
  /** The end of this segment. */
  | 'end'
  /** An unfinished write, of which nothing was acknowledged: cut off, and said. */
  | 'cut'
  | 'dataLoss';

/** What lies behind a place in its segment: a batch that is whole, or none. */
export type Behind = 'batch' | 'none';

const BATCHES: Readonly<
  Record<FoundBatch['found'], Readonly<Record<Behind, Readonly<Record<Position, BatchDecision>>>>>
> = {
  whole: { none: { last: 'take', earlier: 'take' }, batch: { last: 'take', earlier: 'take' } },
  nothing: { none: { last: 'end', earlier: 'end' }, batch: { last: 'dataLoss', earlier: 'dataLoss' } },
  torn: { none: { last: 'cut', earlier: 'dataLoss' }, batch: { last: 'dataLoss', earlier: 'dataLoss' } },
  damaged: { none: { last: 'dataLoss', earlier: 'dataLoss' }, batch: { last: 'dataLoss', earlier: 'dataLoss' } },
};

export function decideBatch(found: FoundBatch['found'], behind: Behind, position: Position): BatchDecision {
  return BATCHES[found][behind][position];
}

/** Of the batch before; zeros at the very beginning of a log. */
export interface LastBatch {
  readonly number: number;
  readonly crc: number;
}

/** How a whole batch follows: `gap` when batches are missing, `foreign` when it has another past. */
export type Link = 'next' | 'gap' | 'foreign';

export function linkOf(batch: { readonly number: number; readonly previousCrc: number }, last: LastBatch): Link {
  if (batch.number !== last.number + 1) return 'gap';
  return batch.previousCrc === last.crc ? 'next' : 'foreign';
}
