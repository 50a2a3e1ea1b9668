// What a store knows of one group's log: its hard state, its terms, where each entry's bytes are, and the newest entries themselves.
import { assert, present } from '../../../core/assert.ts';
import type { LogIndex, Term } from '../../../core/ids.ts';
import type { Knowledge } from '../../../core/log-opening.ts';
import type { EntryKindNumber } from '../../../core/log-records.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import { compactThrough, cutAfter, emptyLog, extend, type LogView, termAt } from '../../../machines/raft/log-view.ts';
import type { ConfigurationEntry, EntryKind, LogEntry, RecoveredGroup } from '../log.ts';
import { type CachedEntries, createCachedEntries } from './cached-entries.ts';
import { type EntryPlace, EntryPlaces, type Holding } from './entry-places.ts';

/** All of a group but its entries. */
export interface GroupState {
  readonly hard: HardState;
  readonly sound: boolean;
  readonly view: LogView;
}

export const KIND_NUMBERS: Readonly<Record<EntryKind, EntryKindNumber>> = { noop: 0, data: 1, configuration: 2 };
export const KINDS: readonly [EntryKind, EntryKind, EntryKind] = ['noop', 'data', 'configuration'];

export const stateOf = ({ hard, sound, view }: GroupIndex): GroupState => ({ hard, sound, view });

/** A class: there are many of them, and each write asks several times. */
export class GroupIndex {
  hard: HardState = { term: 0, votedFor: null };
  sound: boolean;
  /** The group's chain of records. */
  chain = 0;
  /** While the log is opened. */
  knowledge: Knowledge = 'known';
  /** Entries that were taken behind its last one, and are not in here yet. */
  unnoted = 0;
  /** Those in memory. */
  readonly cached: CachedEntries = createCachedEntries();
  #view: LogView = emptyLog;
  #places = new EntryPlaces();
  #configurations: ConfigurationEntry[] = [];

  constructor(sound = true) {
    this.sound = sound;
  }

  get view(): LogView {
    return this.#view;
  }

  /** By segment, what is on disk and in the log. */
  get held(): ReadonlyMap<number, Readonly<Holding>> {
    return this.#places.held;
  }

  /** Those in the log, in order. */
  get configurations(): readonly ConfigurationEntry[] {
    return this.#configurations;
  }

  /** An entry that waits for the disk. @returns its serial. */
  append(entry: LogEntry, crc: number): number {
    this.#add(entry);
    return this.#places.push(entry.payload.length, crc, KIND_NUMBERS[entry.kind]);
  }

  /** An entry that was read back; null: it is missing. */
  restore(entry: LogEntry, place: EntryPlace | null): void {
    const next = this.#view.lastIndex + 1;
    assert(entry.index === next, () => `entry ${next} comes next, not ${entry.index}`);
    if (place === null) this.#view = extend(this.#view, entry.term, 1);
    else this.#add(entry);
    this.#places.pushPlaced(place);
  }

  /** An entry was written once more; nothing happens unless it is in the log. */
  move(index: LogIndex, term: Term, place: EntryPlace): void {
    if (this.#isInLog(index, term)) this.#places.move(this.#at(index), place);
  }

  /** An entry was read back from a copy. Its original may be gone: what it says of the group's members is known by the copy alone. */
  recall({ index, term, kind, payload }: LogEntry, place: EntryPlace): void {
    if (!this.#isInLog(index, term)) return;
    this.#places.move(this.#at(index), place);
    if (kind !== 'configuration' || this.#configurations.some((known) => known.index === index)) return;
    this.#configurations = [...this.#configurations, { index, payload }].sort((a, b) => a.index - b.index);
  }

  /** This is what the group had written; entries that are not here are missing. */
  restate(state: GroupState): void {
    this.hard = state.hard;
    this.sound = state.sound;
    const before = this.#view;
    if (isSame(before, state.view)) return;
    const view = state.view;
    const places = new EntryPlaces();
    const stays = (index: LogIndex): boolean =>
      index >= before.firstIndex && termAt(before, index) === termAt(view, index);
    for (let index = view.firstIndex; index <= view.lastIndex; index++) {
      const at = this.#at(index);
      places.pushPlaced(stays(index) && !this.#places.isMissing(at) ? this.#places.get(at) : null);
    }
    this.#view = view;
    this.#places = places;
    this.cached.keep((index) => this.#has(index) && stays(index));
    this.#configurations = this.#configurations.filter(({ index }) => this.#has(index) && stays(index));
  }

  /** The first entry that is missing, or null. */
  firstMissing(): LogIndex | null {
    const { count } = this.#places;
    for (let at = 0; at < count; at++) if (this.#places.isMissing(at)) return this.#view.firstIndex + at;
    return null;
  }

  truncateAfter(after: LogIndex): void {
    this.cached.cutAfter(after);
    this.#view = cutAfter(this.#view, after);
    this.#places.cut(this.#view.lastIndex - this.#view.firstIndex + 1);
    this.#keepConfigurations();
  }

  /** What LogWrite.compactTo says. */
  compactThrough(through: LogIndex, term: Term): void {
    const { firstIndex, lastIndex } = this.#view;
    this.#view = compactThrough(this.#view, through, term);
    const last = this.#view.lastIndex === lastIndex ? Math.min(this.#view.firstIndex - 1, lastIndex) : lastIndex;
    this.cached.dropThrough(last);
    this.#places.drop(last - firstIndex + 1);
    this.#keepConfigurations();
  }

  /** What LogWrite.forget says. */
  forget(): void {
    this.sound = false;
    this.#view = emptyLog;
    this.#places.cut(0);
    this.cached.cutAfter(0);
    this.#configurations = [];
  }

  /** These are on disk, side by side from `offset` on; `serial` is that of the first. Of those that were cut off meanwhile: nothing. */
  settle(entries: readonly LogEntry[], serial: number, segment: number, offset: number): void {
    let at = offset;
    let next = serial;
    for (const { index, payload } of entries) {
      this.#places.settle(this.#at(index), next, segment, at);
      next = (next + 1) >>> 0;
      at += payload.length;
    }
  }

  /** Its bytes are on stable storage, and can be read from there. */
  isSettled(index: LogIndex): boolean {
    return this.#places.isSettled(this.#at(index));
  }

  place(index: LogIndex): EntryPlace {
    return this.#places.get(this.#at(index));
  }

  term(index: LogIndex): Term {
    return present(termAt(this.#view, index), () => `entry ${index} is in the log`);
  }

  /** Is this very entry in the log, and on disk in `segment`? */
  lies(index: LogIndex, term: Term, segment: number): boolean {
    return this.#isInLog(index, term) && this.#places.segment(this.#at(index)) === segment;
  }

  /** The first entry from … on that lies in `segment`, or null. */
  firstIn(segment: number, from: LogIndex): LogIndex | null {
    const { firstIndex, lastIndex } = this.#view;
    for (let index = Math.max(from, firstIndex); index <= lastIndex; index++)
      if (this.#places.segment(index - firstIndex) === segment) return index;
    return null;
  }

  /** Its position among the places. */
  #at(index: LogIndex): number {
    return index - this.#view.firstIndex;
  }

  #has(index: LogIndex): boolean {
    return index >= this.#view.firstIndex && index <= this.#view.lastIndex;
  }

  #isInLog(index: LogIndex, term: Term): boolean {
    return this.#has(index) && termAt(this.#view, index) === term;
  }

  #add(entry: LogEntry): void {
    this.#view = extend(this.#view, entry.term, 1);
    if (entry.kind === 'configuration') this.#configurations.push({ index: entry.index, payload: entry.payload });
    this.cached.push(entry);
  }

  #keepConfigurations(): void {
    this.#configurations = this.#configurations.filter(({ index }) => this.#has(index));
  }
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
