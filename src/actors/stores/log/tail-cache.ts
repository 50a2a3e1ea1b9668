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

function bytesOf(entries: readonly LogEntry[]): number {
  let bytes = 0;
  for (const { payload } of entries) bytes += payload.length + ENTRY_BYTES;
  return bytes;
}

export function createTailCache(bytesMax: number): TailCache {
  /** In order of writing; those before `head` have left. Entries that were cut off stay until their turn, and are counted. */
  let queue: ({ readonly group: GroupIndex; readonly entries: readonly LogEntry[] } | undefined)[] = [];
  let head = 0;
  let bytes = 0;

  function evict(): void {
    while (bytes > bytesMax && head < queue.length) {
      const { group, entries } = present(queue[head], 'the head is in the queue');
      for (const entry of entries) group.cached.drop(entry);
      bytes -= bytesOf(entries);
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
    add(group, entries) {
      if (entries.length === 0) return;
      queue.push({ group, entries });
      bytes += bytesOf(entries);
      evict();
    },
  };
}
