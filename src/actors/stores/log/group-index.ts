// What a store knows of one group's log: its hard state, its terms, where each entry's bytes are, and the newest entries themselves.
import { assert, present } from '../../../core/assert.ts';
import type { LogIndex, Term } from '../../../core/ids.ts';
import type { Knowledge } from '../../../core/log-opening.ts';
import type { EntryKindNumber } from '../../../core/log-records.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import { compactThrough, cutAfter, emptyLog, extend, type LogView, termAt } from '../../../machines/raft/log-view.ts';
import type { ConfigurationEntry, EntryKind, LogEntry, RecoveredGroup } from '../log.ts';
import { type CachedEntries, createCachedEntries } from './cached-entries.ts';
import { createEntryPlaces, type EntryPlace, type Holding } from './entry-places.ts';

/** All of a group but its entries. */
export interface GroupState {
  readonly hard: HardState;
  readonly sound: boolean;
  readonly view: LogView;
}

export interface GroupIndex {
  hard: HardState;
  sound: boolean;
  readonly view: LogView;
  /** The group's chain of records. */
  chain: number;
  /** While the log is opened. */
  knowledge: Knowledge;
  /** Entries that were taken behind its last one, and are not in here yet. */
  unnoted: number;
  /** By segment, what is on disk and in the log. */
  readonly held: ReadonlyMap<number, Readonly<Holding>>;
  /** An entry that waits for the disk. @returns its serial. */
  append(entry: LogEntry, crc: number): number;
  /** An entry that was read back; null: it is missing. */
  restore(entry: LogEntry, place: EntryPlace | null): void;
  /** An entry was written once more; nothing happens unless it is in the log. */
  move(index: LogIndex, term: Term, place: EntryPlace): void;
  /** An entry was read back from a copy. Its original may be gone: what it says of the group's members is known by the copy alone. */
  recall(entry: LogEntry, place: EntryPlace): void;
  /** This is what the group had written; entries that are not here are missing. */
  restate(state: GroupState): void;
  /** The first entry that is missing, or null. */
  firstMissing(): LogIndex | null;
  truncateAfter(after: LogIndex): void;
  /** What LogWrite.compactTo says. */
  compactThrough(through: LogIndex, term: Term): void;
  /** What LogWrite.forget says. */
  forget(): void;
  /** These are on disk, side by side from `offset` on; `serial` is that of the first. Of those that were cut off meanwhile: nothing. */
  settle(entries: readonly LogEntry[], serial: number, segment: number, offset: number): void;
  /** Its bytes are on stable storage, and can be read from there. */
  isSettled(index: LogIndex): boolean;
  place(index: LogIndex): EntryPlace;
  term(index: LogIndex): Term;
  /** Is this very entry in the log, and on disk in `segment`? */
  lies(index: LogIndex, term: Term, segment: number): boolean;
  /** The first entry from … on that lies in `segment`, or null. */
  firstIn(segment: number, from: LogIndex): LogIndex | null;
  /** Those in the log, in order. */
  readonly configurations: readonly ConfigurationEntry[];
  /** Those in memory. */
  readonly cached: CachedEntries;
}

export const KIND_NUMBERS: Readonly<Record<EntryKind, EntryKindNumber>> = { noop: 0, data: 1, configuration: 2 };
export const KINDS: readonly [EntryKind, EntryKind, EntryKind] = ['noop', 'data', 'configuration'];

export const stateOf = ({ hard, sound, view }: GroupIndex): GroupState => ({ hard, sound, view });

export function createGroupIndex(sound = true): GroupIndex {
  let view: LogView = emptyLog;
  let places = createEntryPlaces();
  const cached = createCachedEntries();
  let configurations: ConfigurationEntry[] = [];

  const has = (index: LogIndex): boolean => index >= view.firstIndex && index <= view.lastIndex;

  function add(entry: LogEntry): void {
    view = extend(view, entry.term, 1);
    if (entry.kind === 'configuration') configurations.push({ index: entry.index, payload: entry.payload });
    cached.push(entry);
  }

  const isInLog = (index: LogIndex, term: Term): boolean => has(index) && termAt(view, index) === term;

  function keepConfigurations(): void {
    configurations = configurations.filter(({ index }) => has(index));
  }

  return {
    hard: { term: 0, votedFor: null },
    sound,
    chain: 0,
    knowledge: 'known',
    unnoted: 0,
    cached,
    get view() {
      return view;
    },
    get held() {
      return places.held;
    },
    get configurations() {
      return configurations;
    },
    append(entry, crc) {
      add(entry);
      return places.push(entry.payload.length, crc, KIND_NUMBERS[entry.kind]);
    },
    restore(entry, place) {
      assert(entry.index === view.lastIndex + 1, () => `entry ${view.lastIndex + 1} comes next, not ${entry.index}`);
      if (place === null) view = extend(view, entry.term, 1);
      else add(entry);
      places.pushPlaced(place);
    },
    move(index, term, place) {
      if (isInLog(index, term)) places.move(index - view.firstIndex, place);
    },
    recall({ index, term, kind, payload }, place) {
      if (!isInLog(index, term)) return;
      places.move(index - view.firstIndex, place);
      if (kind !== 'configuration' || configurations.some((known) => known.index === index)) return;
      configurations = [...configurations, { index, payload }].sort((a, b) => a.index - b.index);
    },
    restate(state) {
      this.hard = state.hard;
      this.sound = state.sound;
      if (isSame(view, state.view)) return;
      const before = { view, places };
      view = state.view;
      places = createEntryPlaces();
      const stays = (index: LogIndex): boolean =>
        index >= before.view.firstIndex && termAt(before.view, index) === termAt(view, index);
      for (let index = view.firstIndex; index <= view.lastIndex; index++) {
        const at = index - before.view.firstIndex;
        places.pushPlaced(stays(index) && !before.places.isMissing(at) ? before.places.get(at) : null);
      }
      cached.keep((index) => has(index) && stays(index));
      configurations = configurations.filter(({ index }) => has(index) && stays(index));
    },
    firstMissing() {
      for (let at = 0; at < places.count; at++) if (places.isMissing(at)) return view.firstIndex + at;
      return null;
    },
    truncateAfter(after) {
      cached.cutAfter(after);
      view = cutAfter(view, after);
      places.cut(view.lastIndex - view.firstIndex + 1);
      keepConfigurations();
    },
    compactThrough(through, term) {
      const { firstIndex, lastIndex } = view;
      view = compactThrough(view, through, term);
      const last = view.lastIndex === lastIndex ? Math.min(view.firstIndex - 1, lastIndex) : lastIndex;
      cached.dropThrough(last);
      places.drop(last - firstIndex + 1);
      keepConfigurations();
    },
    forget() {
      this.sound = false;
      view = emptyLog;
      places.cut(0);
      cached.cutAfter(0);
      configurations = [];
    },
    settle(entries, serial, segment, offset) {
      let at = offset;
      let next = serial;
      for (const { index, payload } of entries) {
        places.settle(index - view.firstIndex, next, segment, at);
        next = (next + 1) >>> 0;
        at += payload.length;
      }
    },
    isSettled: (index) => places.isSettled(index - view.firstIndex),
    place: (index) => places.get(index - view.firstIndex),
    term: (index) => present(termAt(view, index), () => `entry ${index} is in the log`),
    lies: (index, term, segment) => isInLog(index, term) && places.segment(index - view.firstIndex) === segment,
    firstIn(segment, from) {
      for (let index = Math.max(from, view.firstIndex); index <= view.lastIndex; index++)
        if (places.segment(index - view.firstIndex) === segment) return index;
      return null;
    },
  };
}

function isSame(a: LogView, b: LogView): boolean {
  return (
    a.firstIndex === b.firstIndex &&
    a.lastIndex === b.lastIndex &&
    a.previousTerm === b.previousTerm &&
    a.runs.length === b.runs.length &&
    a.runs.every(({ first, term }, at) => first === b.runs[at]?.first && term === b.runs[at]?.term)
  );
}

export function recoveredOf({ hard, sound, view, configurations }: GroupIndex, isNew = false): RecoveredGroup {
  return { isNew, hard, sound, ...view, configurations: [...configurations] };
}
