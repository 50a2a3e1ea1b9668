// The feeds of one subscription: one for each shard that has a replica here, and for the others one stream to each of as few
// brokers as hold them. A part whose feed broke is opened again when the chart says so, at the next replica.
import { NOT_BEGUN, encodeCursor } from '../../core/cursor.ts';
import { unavailable, type VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { Feed, Positions } from './feed.ts';
import { LocalFeed } from './local-feed.ts';
import { RemoteFeed } from './remote-feed.ts';
import type { Selection } from './selection.ts';
import type { Tails } from './tails.ts';

export interface Feeds {
  readonly all: readonly Feed[];
  /** Those of these shards. */
  of(shards: readonly ShardId[]): readonly Feed[];
  /** A part has no feed just now. */
  readonly missing: boolean;
  /** Opens what has no feed. */
  open(): void;
  /** Replicas here came or went. */
  layoutChanged(): void;
  close(): void;
}

export interface FeedsPorts {
  readonly directory: Directory;
  readonly cluster: ClusterId;
  readonly tails: Tails;
  readonly clock: Clock;
  readonly shards: readonly ShardId[];
  /** Another broker asks: only what is here. */
  readonly forwarded: boolean;
  readonly request: vedette.v1.SubscribeRequest;
  readonly selection: Selection;
  readonly positions: Positions;
  /** Where a shard without a position begins: null is now. */
  readonly sinceMs: Millis | null;
  readonly ready: () => void;
  /** A feed has told where it begins. */
  readonly answered: () => void;
  readonly broken: () => void;
  /** It cannot be served here. */
  readonly failed: (error: VedetteError) => void;
}

export function createFeeds(ports: FeedsPorts): Feeds {
  const { directory, cluster, tails, clock, shards, positions, ready } = ports;
  let feeds: readonly Feed[] = [];
  const fed = new Map<ShardId, Feed>();
  /** How often a shard was asked of another broker: the next time it is the next replica's turn. */
  const turns = new Map<ShardId, number>();
  const { hostIds, metrics, maxRateHz, events, delivery } = ports.request;
  const terms: vedette.v1.ISubscribeRequest = { hostIds, metrics, maxRateHz, events, delivery };
  const opened = clock.now();
  let everOpened = false;
  let readFailures = 0;
  let retry: Timer | null = null;
  let closed = false;

  function add(feed: Feed): void {
    feeds = [...feeds, feed];
    for (const shard of feed.shards) fed.set(shard, feed);
  }

  function remove(feed: Feed): void {
    feed.close();
    feeds = feeds.filter((other) => other !== feed);
    for (const shard of feed.shards) if (fed.get(shard) === feed) fed.delete(shard);
  }

  function openLocal(shard: ShardId): boolean {
    const tail = tails.of(shard);
    if (tail === null) return false;
    add(
      new LocalFeed({
        tail,
        selection: ports.selection,
        events,
        positions,
        // What opens only later begins where it would have: when the subscription began.
        sinceMs: everOpened ? (ports.sinceMs ?? opened) : ports.sinceMs,
        clock,
        ready: () => {
          readFailures = 0;
          ready();
        },
        readFailed,
      }),
    );
    return true;
  }

  function readFailed(error: Error): void {
    if (++readFailures >= limits.subscriptions.readFailuresMax)
      return ports.failed(unavailable(`the log cannot be read here: ${error.message}`));
    retry ??= clock.after(limits.subscriptions.readRetryMs, () => {
      retry = null;
      ready();
    });
  }

  /** The replica whose turn it is: those whose link is up come first. */
  function choose(shard: ShardId): BrokerId | null {
    const states = new Map(directory.brokers.map(({ id, state }) => [id, state]));
    const replicas = directory.replicasOf(shard).filter((id) => directory.client(id) !== null);
    const up = replicas.filter((id) => states.get(id) === 'up');
    const order = [...up, ...replicas.filter((id) => !up.includes(id))];
    return order[(turns.get(shard) ?? 0) % Math.max(1, order.length)] ?? null;
  }

  function openRemote(broker: BrokerId, group: readonly ShardId[]): void {
    const client = directory.client(broker);
    if (client === null) return;
    let feed: RemoteFeed | null = null;
    feed = new RemoteFeed({
      broker,
      client,
      cluster,
      shards: group,
      request: { ...terms, ...beginning(group) },
      positions,
      ready,
      answered: ports.answered,
      broken: () => {
        if (feed !== null) remove(feed);
        for (const shard of group) turns.set(shard, (turns.get(shard) ?? 0) + 1);
        ports.broken();
      },
    });
    if (!feed.closed) add(feed);
  }

  /** Now, where that is asked for and nothing was opened before; else by cursor, with shards that have not begun at their time. */
  function beginning(group: readonly ShardId[]): Pick<vedette.v1.ISubscribeRequest, 'cursor' | 'backfillMs'> {
    const begun = group.some((shard) => (positions.indexes[shard] ?? NOT_BEGUN) !== NOT_BEGUN);
    if (!everOpened && !begun && ports.sinceMs === null) return { cursor: '', backfillMs: 0 };
    const coveredMs = Math.min(...group.map((shard) => positions.stamps[shard] ?? opened));
    return { cursor: encodeCursor(cluster, { control: 0, coveredMs, shards: positions.indexes }), backfillMs: 0 };
  }

  return {
    get all() {
      return feeds;
    },
    of(asked) {
      const found = new Set<Feed>();
      for (const shard of asked) {
        const feed = fed.get(shard);
        if (feed !== undefined) found.add(feed);
      }
      return [...found];
    },
    get missing() {
      return fed.size < shards.length;
    },
    open() {
      if (closed) return;
      const groups = new Map<BrokerId, ShardId[]>();
      let unserved = 0;
      for (const shard of shards) {
        if (fed.has(shard) || openLocal(shard)) continue;
        if (ports.forwarded) return ports.failed(unavailable(`${directory.self} holds no replica of shard ${shard}`));
        const broker = choose(shard);
        if (broker === null) unserved++;
        else groups.set(broker, [...(groups.get(broker) ?? []), shard]);
      }
      for (const [broker, group] of groups) openRemote(broker, group);
      everOpened = true;
      if (unserved > 0) ports.broken();
    },
    layoutChanged() {
      const gone = feeds.filter(
        (feed) => feed instanceof LocalFeed && directory.shards.get(feed.shard.id) !== feed.shard,
      );
      for (const feed of gone) remove(feed);
      if (gone.length > 0) ports.broken();
    },
    close() {
      closed = true;
      retry?.cancel();
      for (const feed of feeds) remove(feed);
    },
  };
}
