// The tails of all shards here, while anybody is subscribed; and the beat by which what came within a few milliseconds goes together.
import type { ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import { Tail } from './tail.ts';

export interface Tails {
  /** Null: no replica of it is on this broker. */
  of(shard: ShardId): Tail | null;
  /**
   * Calls `listener` some milliseconds after something was applied, with the shards in which it was.
   * Returns how to stop; with the last listener the tails go.
   */
  onNews(listener: (shards: readonly ShardId[]) => void): () => void;
}

export function createTails({ directory, clock }: { readonly directory: Directory; readonly clock: Clock }): Tails {
  const tails = new Map<ShardId, Tail>();
  const listeners = new Set<(shards: readonly ShardId[]) => void>();
  const fresh = new Set<ShardId>();
  let gathering: Timer | null = null;

  function news(shard: ShardId): void {
    fresh.add(shard);
    gathering ??= clock.after(limits.subscriptions.gatherMs, () => {
      gathering = null;
      const shards = [...fresh];
      fresh.clear();
      for (const listener of [...listeners]) listener(shards);
    });
  }

  function drop(shard: ShardId): void {
    tails.get(shard)?.close();
    tails.delete(shard);
  }

  return {
    of(id) {
      const shard = directory.shards.get(id);
      let tail = tails.get(id);
      if (tail !== undefined && tail.shard !== shard) drop(id);
      if (shard === undefined) return null;
      if (tail === undefined || tail.shard !== shard) {
        tail = new Tail(shard, () => news(id));
        tails.set(id, tail);
      }
      return tail;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        gathering?.cancel();
        gathering = null;
        fresh.clear();
        for (const id of [...tails.keys()]) drop(id);
      };
    },
  };
}
