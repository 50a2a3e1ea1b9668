// The newest entries of all groups, in memory up to a limit: what was written first leaves first, whatever its group. What is not on
// disk yet stays in any case; how much that can be is the proposers' limit.
import { assert, present } from '../../../core/assert.ts';
import type { LogEntry } from '../log.ts';
import type { GroupIndex } from './group-index.ts';

export interface TailCache {
  /** Takes in an entry that its group has in memory from now on; others may leave. */
  add(group: GroupIndex, entry: LogEntry): void;
  /** More entries are on disk: others may leave. */
  evict(): void;
}

/** An entry's own, beside its payload. */
const ENTRY_BYTES = 128;

export function createTailCache(bytesMax: number): TailCache {
  /** In order of writing; those before `head` have left. Entries that were cut off stay until their turn, and are counted. */
  let queue: ({ readonly group: GroupIndex; readonly entry: LogEntry } | undefined)[] = [];
  let head = 0;
  let bytes = 0;

  function evict(): void {
    while (bytes > bytesMax && head < queue.length) {
      const { group, entry } = present(queue[head], 'the head is in the queue');
      if (group.cached.get(entry.index) === entry) {
        if (!group.isSettled(entry.index)) break;
        group.cached.delete(entry.index);
      }
      bytes -= entry.payload.length + ENTRY_BYTES;
      queue[head] = undefined;
      head++;
    }
    assert(bytes >= 0, 'what left the cache was in it');
    if (head > 1024 && head > queue.length / 2) {
      queue = queue.slice(head);
      head = 0;
    }
  }

  return {
    add(group, entry) {
      queue.push({ group, entry });
      bytes += entry.payload.length + ENTRY_BYTES;
      evict();
    },
    evict,
  };
}
