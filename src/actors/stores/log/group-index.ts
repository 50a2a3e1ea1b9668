// What a store knows of one group's log: its hard state, its terms, where each entry's bytes are, and the newest entries themselves.
import { assert, present } from '../../../core/assert.ts';
import type { LogIndex, Term } from '../../../core/ids.ts';
import type { EntryKindNumber } from '../../../core/log-format.ts';
import type { HardState } from '../../../machines/raft/effects.ts';
import { compactThrough, cutAfter, emptyLog, extend, type LogView, termAt } from '../../../machines/raft/log-view.ts';
import type { ConfigurationEntry, EntryKind, LogEntry, RecoveredGroup } from '../log.ts';
import { createEntryPlaces, type EntryPlace } from './entry-places.ts';

export interface GroupIndex {
  hard: HardState;
  sound: boolean;
  readonly view: LogView;
  /** The group's chain of records. */
  chain: number;
  /** An entry that waits for the disk. @returns its serial. */
  append(entry: LogEntry, crc: number): number;
  /** An entry that was read back. */
  restore(entry: LogEntry, place: EntryPlace): void;
  truncateAfter(after: LogIndex): void;
  /** What LogWrite.compactTo says. */
  compactThrough(through: LogIndex, term: Term): void;
  settle(index: LogIndex, serial: number, segment: number, offset: number): void;
  /** Its bytes are on stable storage, and can be read from there. */
  isSettled(index: LogIndex): boolean;
  place(index: LogIndex): EntryPlace;
  term(index: LogIndex): Term;
  /** Those in the log, in order. */
  readonly configurations: readonly ConfigurationEntry[];
  /** Those in memory, by index. */
  readonly cached: Map<LogIndex, LogEntry>;
}

export const KIND_NUMBERS: Readonly<Record<EntryKind, EntryKindNumber>> = { noop: 0, data: 1, configuration: 2 };
export const KINDS: readonly [EntryKind, EntryKind, EntryKind] = ['noop', 'data', 'configuration'];

export function createGroupIndex(): GroupIndex {
  let view: LogView = emptyLog;
  const places = createEntryPlaces();
  const cached = new Map<LogIndex, LogEntry>();
  let configurations: ConfigurationEntry[] = [];

  function add(entry: LogEntry): void {
    view = extend(view, entry.term, 1);
    if (entry.kind === 'configuration') configurations.push({ index: entry.index, payload: entry.payload });
    cached.set(entry.index, entry);
  }

  function keepConfigurations(): void {
    configurations = configurations.filter(({ index }) => index >= view.firstIndex && index <= view.lastIndex);
  }

  return {
    hard: { term: 0, votedFor: null },
    sound: true,
    chain: 0,
    cached,
    get view() {
      return view;
    },
    get configurations() {
      return configurations;
    },
    append(entry, crc) {
      add(entry);
      return places.push(entry.payload.length, crc, KIND_NUMBERS[entry.kind]);
    },
    restore(entry, place) {
      assert(entry.index === view.lastIndex + 1, `entry ${view.lastIndex + 1} comes next, not ${entry.index}`);
      add(entry);
      places.pushPlaced(place);
    },
    truncateAfter(after) {
      for (let index = after + 1; index <= view.lastIndex; index++) cached.delete(index);
      view = cutAfter(view, after);
      places.cut(view.lastIndex - view.firstIndex + 1);
      keepConfigurations();
    },
    compactThrough(through, term) {
      const { firstIndex, lastIndex } = view;
      view = compactThrough(view, through, term);
      const last = view.lastIndex === lastIndex ? Math.min(view.firstIndex - 1, lastIndex) : lastIndex;
      for (let index = firstIndex; index <= last; index++) cached.delete(index);
      places.drop(last - firstIndex + 1);
      keepConfigurations();
    },
    settle: (index, serial, segment, offset) => places.settle(index - view.firstIndex, serial, segment, offset),
    isSettled: (index) => places.isSettled(index - view.firstIndex),
    place: (index) => places.get(index - view.firstIndex),
    term: (index) => present(termAt(view, index), `entry ${index} is in the log`),
  };
}

export function recoveredOf({ hard, sound, view, configurations }: GroupIndex): RecoveredGroup {
  return { hard, sound, ...view, configurations: [...configurations] };
}
