// What opening a log does, whatever it finds: every combination, once.
//
//   header of a segment          × is it the last?                    ─▶ HEADERS
//   body: what is at a place     × is a batch behind it? × the last?  ─▶ BODIES
//   link of a whole batch to the one before                           ─▶ LINKS
//   chain of a group in a batch  × what is known of the group         ─▶ CHAINS
//
// Nothing here is undone by what is found later, except that a doubt ends where a chain goes on: what lies behind damage is read in
// any case, so that each group knows its own gap.
import { batchesAhead, type SegmentHeaderVerdict } from './log-format.ts';
import type { FoundBatch } from './log-tail.ts';

/** `last`: no segment follows. */
export type Position = 'last' | 'earlier';

export type HeaderDecision =
  | 'take'
  /** Its creation was not finished; nothing was ever written to it. */
  | 'remove'
  /** Read on behind the header: batches are known by themselves. */
  | 'takeDamaged'
  | 'refuseForeign'
  | 'refuseNewer';

type Header = SegmentHeaderVerdict['verdict'];

const HEADERS: Readonly<Record<Header, Readonly<Record<Position, HeaderDecision>>>> = {
  good: { last: 'take', earlier: 'take' },
  // Another segment follows: so this one had been written to, and was cut short.
  unwritten: { last: 'remove', earlier: 'takeDamaged' },
  damaged: { last: 'takeDamaged', earlier: 'takeDamaged' },
  foreign: { last: 'refuseForeign', earlier: 'refuseForeign' },
  newer: { last: 'refuseNewer', earlier: 'refuseNewer' },
};

export function decideHeader(header: Header, position: Position): HeaderDecision {
  return HEADERS[header][position];
}

export type BodyDecision =
  | 'take'
  /** The end of this segment. */
  | 'end'
  /** An unfinished write, of which nothing was acknowledged: cut off, and said. */
  | 'cut'
  /** Kept as it is, and said; each group that may have something in it is doubtful. */
  | 'quarantine';

type Body = FoundBatch['found'];

/** What lies behind a place in its segment: a batch that is whole, or none. */
export type Behind = 'batch' | 'none';

const QUARANTINE = { last: 'quarantine', earlier: 'quarantine' } as const;
const TAKE = { last: 'take', earlier: 'take' } as const;

const BODIES: Readonly<Record<Body, Readonly<Record<Behind, Readonly<Record<Position, BodyDecision>>>>>> = {
  whole: { none: TAKE, batch: TAKE },
  nothing: { none: { last: 'end', earlier: 'end' }, batch: QUARANTINE },
  // The next batch is written only when this one is synced, and so is the next segment.
  torn: { none: { last: 'cut', earlier: 'quarantine' }, batch: QUARANTINE },
  damaged: { none: QUARANTINE, batch: QUARANTINE },
};

export function decideBody(body: Body, behind: Behind, position: Position): BodyDecision {
  return BODIES[body][behind][position];
}

/** Of the batch before; zeros at the very beginning of a log. Null: the log begins with another segment than its first one. */
export type LastBatch = { readonly number: number; readonly crc: number } | null;

/** How a whole batch follows: `gap` when batches are missing or may be, `foreign` when it has another past. */
export type Link = 'next' | 'gap' | 'foreign';

export function linkOf(batch: { readonly number: number; readonly previousCrc: number }, last: LastBatch): Link {
  if (last === null) return 'gap';
  const ahead = batchesAhead(batch.number, last.number);
  if (ahead === 1) return batch.previousCrc === last.crc ? 'next' : 'foreign';
  return ahead > 1 ? 'gap' : 'foreign';
}

export type LinkDecision =
  /** Nothing was between, even where some bytes could not be read. */
  'goOn' | 'doubtAll' | 'refuse';

const LINKS: Readonly<Record<Link, LinkDecision>> = { next: 'goOn', gap: 'doubtAll', foreign: 'refuse' };

export function decideLink(link: Link): LinkDecision {
  return LINKS[link];
}

/**
 * What is known of a group at some place in the log: all that it wrote, or all but for what may have been in a damaged span before,
 * or that something of it is missing.
 */
export type Knowledge = 'known' | 'doubtful' | 'lost';

/** How a batch treats a group's chain: it goes on where it stood, or elsewhere, or the group's whole state is told anew. */
export type Chain = 'goesOn' | 'breaks' | 'restated';

const CHAINS: Readonly<Record<Knowledge, Readonly<Record<Chain, Knowledge>>>> = {
  known: { goesOn: 'known', breaks: 'lost', restated: 'known' },
  doubtful: { goesOn: 'known', breaks: 'lost', restated: 'known' },
  // Its chain was taken up behind the gap: that it goes on from there says nothing of what is missing.
  lost: { goesOn: 'lost', breaks: 'lost', restated: 'known' },
};

export function decideChain(knowledge: Knowledge, chain: Chain): Knowledge {
  return CHAINS[knowledge][chain];
}
