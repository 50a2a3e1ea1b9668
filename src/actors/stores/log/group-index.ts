// What a store knows of one group's log: its terms, where each entry's bytes are, and the newest entries themselves.
import { present } from '../../../core/assert.ts';
import type { LogIndex } from '../../../core/ids.ts';
import { cutAfter, emptyLog, extend, type LogView, termAt } from '../../../machines/raft/log-view.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import type { EntryKind, LogEntry } from '../log.ts';

/** Where an entry's payload is. Not on disk yet while `segment` is 0: until then the entry stays in memory. */
export interface EntryPlace {
  segment: number;
  offset: number;
  readonly bytes: number;
  readonly crc: number;
  readonly kind: EntryKind;
}

export interface GroupIndex {
  hard: HardState;
  readonly view: LogView;
  /** The group's chain of records. */
  chain: number;
  append(place: EntryPlace, entry: LogEntry): void;
  truncateAfter(after: LogIndex): void;
  place(index: LogIndex): EntryPlace;
  /** The entry, when it is still in memory. */
  cached(index: LogIndex): LogEntry | undefined;
  term(index: LogIndex): number;
  /** Lets go of the oldest entry in memory. Returns its payload's bytes; null when none can go. */
  evictOldest(): number | null;
}

export function createGroupIndex(): GroupIndex {
  let hard: HardState = { term: 0, votedFor: null };
  let view: LogView = emptyLog;
  let chain = 0;
  const places: EntryPlace[] = [];
  const entries = new Map<LogIndex, LogEntry>();
  /** No entry below this one is in memory. */
  let firstCached: LogIndex = 1;

  return {
    get hard() {
      return hard;
    },
    set hard(next) {
      hard = next;
    },
    get view() {
      return view;
    },
    get chain() {
      return chain;
    },
    set chain(next) {
      chain = next;
    },
    append(place, entry) {
      view = extend(view, entry.term, 1);
      places.push(place);
      entries.set(entry.index, entry);
    },
    truncateAfter(after) {
      for (let index = after + 1; index <= view.lastIndex; index++) entries.delete(index);
      view = cutAfter(view, after);
      places.length = after - view.firstIndex + 1;
      firstCached = Math.min(firstCached, after + 1);
    },
    place: (index) => present(places[index - view.firstIndex], `entry ${index} is in the log`),
    cached: (index) => entries.get(index),
    term: (index) => present(termAt(view, index), `entry ${index} is in the log`),
    evictOldest() {
      while (firstCached <= view.lastIndex) {
        const entry = entries.get(firstCached);
        if (entry !== undefined && places[firstCached - view.firstIndex]?.segment === 0) return null;
        entries.delete(firstCached);
        firstCached++;
        if (entry !== undefined) return entry.payload.length;
      }
      return null;
    },
  };
}
