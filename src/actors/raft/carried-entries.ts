// The entries of append messages, beside the events that announce them: the chart sees terms and extent, never bytes.
import { assert, present } from '../../core/assert.ts';
import type { LogIndex } from '../../core/ids.ts';
import type { Append } from '../../machines/raft/messages.ts';
import type { CarriedEntry } from '../../streams/envelope.ts';
import type { LogEntry } from '../stores/log.ts';

export interface CarriedEntries {
  /** Keeps what `event` announces for as long as the event lives. */
  carry(event: Append, entries: readonly CarriedEntry[]): void;
  /** Those of them from `first` through `last`, with their terms. */
  take(event: Append, first: LogIndex, last: LogIndex): LogEntry[];
}

export function createCarriedEntries(): CarriedEntries {
  const carried = new WeakMap<Append, readonly CarriedEntry[]>();
  return {
    carry(event, entries) {
      assert(
        entries.length === event.lastIndex - event.prevIndex,
        'an append message carries the entries that it announces',
      );
      carried.set(event, entries);
    },
    take(event, first, last) {
      const all = present(carried.get(event), 'entries wait beside the event that announced them');
      const entries: LogEntry[] = [];
      let run = 0;
      for (let index = first; index <= last; index++) {
        while ((event.runs[run + 1]?.first ?? Number.POSITIVE_INFINITY) <= index) run++;
        const { kind, payload } = present(all[index - event.prevIndex - 1], () => `entry ${index} is in the message`);
        const { term } = present(event.runs[run], () => `entry ${index} has a term`);
        entries.push({ index, term, kind, payload });
      }
      return entries;
    },
  };
}
