// Writes on their way into the index: what a batch needs of them is there at once, the rest is noted while the disk is at work on them,
// or as soon as somebody asks.
//
// Invariant: writes are noted in the order in which they were added, and all of them before anything else is done to the index.
import { AssertionError, present } from '../../../core/assert.ts';
import type { Crc32c } from '../../../core/log-format.ts';
import type { EntryHeader } from '../../../core/log-records.ts';
import type { LogEntry } from '../log.ts';
import type { PendingWrite } from './batch-writer.ts';
import { type GroupIndex, KIND_NUMBERS, stateOf } from './group-index.ts';

export interface Arrival extends PendingWrite {
  readonly index: GroupIndex;
  /** Of its entries. */
  readonly headers: readonly EntryHeader[];
  /** Of the first of them, once it is noted. */
  serial: number;
  /** It took something out of the log. */
  readonly shrinks: boolean;
}

export interface Arrivals {
  /** Entries behind all that were taken before, as a batch names them. @throws AssertionError when they are others. */
  take(index: GroupIndex, entries: readonly LogEntry[]): EntryHeader[];
  /** A write whose entries were taken. */
  add(arrival: Arrival): void;
  /** All that was added is in the index, and has its state. */
  note(): void;
}

export function createArrivals(crc32c: Crc32c): Arrivals {
  let unnoted: Arrival[] = [];
  /** The entry that is to come. */
  let next = 0;

  function headerOf({ index, term, kind, payload }: LogEntry): EntryHeader {
    if (index !== next) throw new AssertionError(`entry ${next} comes next, not ${index}`);
    next++;
    return { term, kind: KIND_NUMBERS[kind], bytes: payload.length, crc: crc32c(payload) };
  }

  return {
    take(index, entries) {
      next = index.view.lastIndex + index.unnoted + 1;
      const headers = entries.map(headerOf);
      index.unnoted += entries.length;
      return headers;
    },
    add(arrival) {
      unnoted.push(arrival);
    },
    note() {
      if (unnoted.length === 0) return;
      const arrived = unnoted;
      unnoted = [];
      for (const arrival of arrived) {
        const { index, entries, headers } = arrival;
        for (let e = 0; e < entries.length; e++) {
          const serial = index.append(present(entries[e], 'e is below their count'), headers[e]?.crc ?? 0);
          if (e === 0) arrival.serial = serial;
        }
        index.unnoted -= entries.length;
        arrival.state = stateOf(index);
      }
    },
  };
}
