// Rows of shards that have no replica on this broker: the stream of one that has, gone on at another when it breaks.
import type { Subscription } from 'rxjs';
import { decodeCursor, encodeCursor } from '../../core/cursor.ts';
import type { ClusterId, LogIndex, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import type { Source } from '../../streams/sink.ts';
import type { Directory } from '../directory.ts';

export interface RemoteFeed {
  pause(): void;
  resume(): void;
  close(): void;
}

export interface RemoteFeedPorts {
  readonly directory: Directory;
  readonly cluster: ClusterId;
  readonly clock: Clock;
  readonly random: Random;
  /** All with the same replicas. */
  readonly shards: readonly ShardId[];
  readonly request: vedette.v1.ISubscribeRequest;
  /** How far the subscription has come, by shard; moved on here. */
  readonly positions: LogIndex[];
  /** Begin here although nothing was delivered yet; false: from now on, or the request's backfill. */
  readonly fromPositions: boolean;
  readonly began: () => void;
  readonly data: (response: vedette.v1.SubscribeResponse) => void;
  readonly lost: () => void;
}

export function openRemoteFeed(ports: RemoteFeedPorts): RemoteFeed {
  const { directory, cluster, clock, random, shards, positions } = ports;
  const [anyShard = 0] = shards;
  let stream: { readonly source: Source<vedette.v1.SubscribeResponse>; readonly subscription: Subscription } | null =
    null;
  let retry: Timer | null = null;
  let turn = 0;
  let attempt = 0;
  let delivered = ports.fromPositions;
  let paused = false;
  let closed = false;

  function open(): void {
    const replicas = directory.replicasOf(anyShard);
    const broker = replicas[turn++ % replicas.length];
    const client = broker === undefined ? null : directory.client(broker);
    if (client === null) return later();
    const cursor = delivered ? encodeCursor(cluster, { control: 0, shards: positions }) : '';
    const source = client.subscribe({ ...ports.request, cursor, shards: [...shards] }, { forwarded: true });
    ports.began();
    const mine = () => stream?.source === source;
    const subscription = source.inbox.subscribe({
      next: (response) => mine() && receive(response),
      error: () => mine() && lose(),
      complete: () => mine() && lose(),
    });
    stream = { source, subscription };
    if (paused) source.pause();
  }

  function receive(response: vedette.v1.SubscribeResponse): void {
    attempt = 0;
    if (response.cursor !== '') {
      const reached = decodeCursor(response.cursor, cluster, positions.length);
      for (const shard of shards) positions[shard] = reached.shards[shard] ?? 0;
      delivered = true;
    }
    ports.data(response);
  }

  function lose(): void {
    end();
    ports.lost();
    later();
  }

  function later(): void {
    if (closed) return;
    attempt++;
    const { retryBaseMs: baseMs, retryMaxMs: maxMs } = limits.subscriptions;
    retry = clock.after(backoffDelay(attempt, { baseMs, maxMs }, random), open);
  }

  function end(): void {
    const ending = stream;
    stream = null;
    ending?.subscription.unsubscribe();
    ending?.source.close();
  }

  open();
  return {
    pause() {
      paused = true;
      stream?.source.pause();
    },
    resume() {
      paused = false;
      stream?.source.resume();
    },
    close() {
      closed = true;
      retry?.cancel();
      end();
    },
  };
}
