// The newest entries of all groups, in memory up to a limit: what came to the disk first leaves first, whatever its group. What is not
// on disk yet stays beside them in any case; how much that can be is the proposers' limit.
import { assert, present } from '../../../core/assert.ts';
import type { LogEntry } from '../log.ts';
import type { GroupIndex } from './group-index.ts';

export interface TailCache {
  /** These, which their group has in memory, are on disk now: they or others may leave. */
  add(group: GroupIndex, entries: readonly LogEntry[]): void;
}

/** An entry's own, beside its payload. */
const ENTRY_BYTES = 128;

export function createTailCache(bytesMax: number): TailCache {
  // In order of writing, each with its group; those before `head` have left. Entries that were cut off stay until their turn, and are
  // counted. Two rows, and nothing else for each of them: what lives as long as an entry is copied twice by the garbage collector, while
  // everybody waits.
  let entries: (LogEntry | undefined)[] = [];
  let groups: (GroupIndex | undefined)[] = [];
  let head = 0;
  let bytes = 0;

  function evict(): void {
    while (bytes > bytesMax && head < entries.length) {
      const entry = present(entries[head], 'the head is in the row');
      groups[head]?.cached.drop(entry);
      bytes -= entry.payload.length + ENTRY_BYTES;
      entries[head] = undefined;
      groups[head] = undefined;
      head++;
    }
    assert(bytes >= 0, 'what left the cache was in it');
    if (head > 1024 && head > entries.length / 2) {
      entries = entries.slice(head);
      groups = groups.slice(head);
      head = 0;
    }
  }

  return {
    add(group, added) {
      for (const entry of added) {
        entries.push(entry);
        groups.push(group);
        bytes += entry.payload.length + ENTRY_BYTES;
      }
      evict();
    },
  };
}
