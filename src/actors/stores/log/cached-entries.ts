// A group's newest entries, in memory: a row of slots by index, because entries come at one end and leave, mostly, at the other.
import { AssertionError } from '../../../core/assert.ts';
import type { LogIndex } from '../../../core/ids.ts';
import type { LogEntry } from '../log.ts';

export interface CachedEntries {
  get(index: LogIndex): LogEntry | undefined;
  /** Behind all that are there. */
  push(entry: LogEntry): void;
  /** Nothing happens unless it is this very entry. */
  drop(entry: LogEntry): void;
  dropThrough(index: LogIndex): void;
  cutAfter(index: LogIndex): void;
  keep(stays: (index: LogIndex) => boolean): void;
}

export function createCachedEntries(): CachedEntries {
  let slots: (LogEntry | undefined)[] = [];
  /** The index of the first slot; those before `head` are empty. */
  let base: LogIndex = 1;
  let head = 0;

  function trim(): void {
    while (head < slots.length && slots[head] === undefined) head++;
    if (head === slots.length) {
      slots = [];
      head = 0;
    } else if (head > 64 && head > slots.length / 2) {
      slots = slots.slice(head);
      base += head;
      head = 0;
    }
  }

  return {
    get: (index) => (index < base ? undefined : slots[index - base]),
    push(entry) {
      if (slots.length === 0) base = entry.index;
      if (entry.index < base + slots.length)
        throw new AssertionError(`entry ${entry.index} comes behind those that are cached`);
      while (base + slots.length < entry.index) slots.push(undefined);
      slots.push(entry);
    },
    drop(entry) {
      const at = entry.index - base;
      if (slots[at] !== entry) return;
      slots[at] = undefined;
      if (at === head) trim();
    },
    dropThrough(index) {
      const end = Math.min(slots.length, index - base + 1);
      for (let at = head; at < end; at++) slots[at] = undefined;
      trim();
    },
    cutAfter(index) {
      slots.length = Math.max(0, Math.min(slots.length, index - base + 1));
      head = Math.min(head, slots.length);
      trim();
    },
    keep(stays) {
      for (let at = head; at < slots.length; at++) if (!stays(base + at)) slots[at] = undefined;
      // What comes next may take the place of the last ones.
      while (slots.length > 0 && slots.at(-1) === undefined) slots.pop();
      head = Math.min(head, slots.length);
      trim();
    },
  };
}
