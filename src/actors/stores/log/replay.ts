// What a batch that was read back does to the groups in it.
//
// Invariants
//   1. A group of which something is missing takes nothing more in that rests on what is missing: its entries and its cuts have no
//      place any more. What holds by itself counts: its hard state, what a snapshot replaced, its state told anew.
//   2. An entry is the same wherever it lies, by its index and term: copies, and states told anew, find it by these.
import { assert, present } from '../../../core/assert.ts';
import { EVERYONE_ELSE } from '../../../core/log-format.ts';
import { decideChain } from '../../../core/log-opening.ts';
import type { EntriesRecord, LogRecord } from '../../../core/log-records.ts';
import type { ReadBatch } from '../../../core/log-tail.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import type { LogEntry } from '../log.ts';
import type { EntryPlace } from './entry-places.ts';
import { GroupIndex, type GroupState, KINDS } from './group-index.ts';
import type { TailCache } from './tail-cache.ts';

export type GroupIndexes = Map<number, GroupIndex>;

export function createGroupIndexes(): GroupIndexes {
  return new Map([[EVERYONE_ELSE, new GroupIndex()]]);
}

/** One never written is as sound as all those are. */
export function indexOf(groups: GroupIndexes, group: number): GroupIndex {
  let index = groups.get(group);
  if (index === undefined) {
    index = new GroupIndex(present(groups.get(EVERYONE_ELSE), 'there from the beginning').sound);
    groups.set(group, index);
  }
  return index;
}

/** Does this batch tell where every group stands? */
export const tellsAll = ({ groups }: ReadBatch): boolean => groups.some(({ group }) => group === EVERYONE_ELSE);

export function replay(batch: ReadBatch, segment: number, groups: GroupIndexes, cache: TailCache): void {
  if (tellsAll(batch)) forgetOthers(batch, groups);
  for (const { group, before, after } of batch.groups) {
    const index = indexOf(groups, group);
    index.knowledge = decideChain(index.knowledge, index.chain === before ? 'goesOn' : 'breaks');
    index.chain = after;
  }
  const payloads = payloadsOf(batch, segment);
  for (const record of batch.records) {
    const index = indexOf(groups, record.group);
    if (record.type === 'entries' || record.type === 'copied') takeEntries(record, index, payloads, cache);
    else takeOther(record, index);
  }
}

/** Who is not among all groups had never been written, as far as its writer could know. */
function forgetOthers(batch: ReadBatch, groups: GroupIndexes): void {
  const told = new Set(batch.records.flatMap(({ type, group }) => (type === 'state' ? [group] : [])));
  for (const group of groups.keys()) if (!told.has(group)) groups.delete(group);
}

function takeOther(record: Exclude<LogRecord, EntriesRecord>, index: GroupIndex): void {
  switch (record.type) {
    case 'hard':
      index.hard = hardOf(record);
      break;
    case 'sound':
      index.sound = record.sound;
      break;
    case 'compact':
      index.compactThrough(record.through, record.term);
      break;
    case 'truncate':
      if (index.knowledge === 'known') index.truncateAfter(record.after);
      break;
    case 'forget':
      // Whatever is missing was forgotten.
      index.knowledge = decideChain(index.knowledge, 'restated');
      index.forget();
      break;
    default:
      index.knowledge = decideChain(index.knowledge, 'restated');
      index.restate(stateIn(record));
  }
}

const hardOf = ({ term, votedFor }: { term: number; votedFor: string | null }): HardState => ({
  term,
  votedFor: votedFor as HardState['votedFor'],
});

function stateIn(record: Extract<LogRecord, { type: 'state' }>): GroupState {
  const { sound, hard, firstIndex, previousTerm, lastIndex, runs } = record;
  return { sound, hard: hardOf(hard), view: { firstIndex, previousTerm, lastIndex, runs } };
}

interface Payloads {
  /** Of the next entry; null: it is lost. */
  next(bytes: number): { readonly payload: Uint8Array; readonly offset: number } | null;
  readonly segment: number;
}

function payloadsOf({ header, payloads, lost, end }: ReadBatch, segment: number): Payloads {
  const begin = end - header.payloadBytes;
  let at = 0;
  let count = 0;
  return {
    segment,
    next(bytes) {
      const offset = at;
      at += bytes;
      assert(at <= header.payloadBytes, 'entries account for all payloads');
      return lost.has(count++) ? null : { payload: payloads.slice(offset, at), offset: begin + offset };
    },
  };
}

function takeEntries(record: EntriesRecord, group: GroupIndex, payloads: Payloads, cache: TailCache): void {
  record.entries.forEach(({ term, kind, bytes, crc }, e) => {
    const found = payloads.next(bytes);
    const index = record.first + e;
    const place: EntryPlace | null =
      found === null ? null : { segment: payloads.segment, offset: found.offset, bytes, crc, kind };
    const entry: LogEntry = { index, term, kind: KINDS[kind], payload: found?.payload ?? new Uint8Array(0) };
    if (record.type === 'copied') {
      if (place !== null) group.recall(entry, place);
      return;
    }
    if (group.knowledge !== 'known') return;
    group.restore(entry, place);
    if (place !== null) cache.add(group, [entry]);
  });
}
