// Brokers that have only their read path: real queries and subscriptions over fake replicas, calling each other in memory. The test
// says what is committed, who has applied how much, who leads, and who is gone.
import { ReplaySubject, Subject } from 'rxjs';
import { defaultConfig } from '../../src/actors/cluster/cluster-config.ts';
import type { Directory } from '../../src/actors/directory.ts';
import type { CallOptions, MonitorClient } from '../../src/actors/monitor-client.ts';
import type { CallContext } from '../../src/actors/monitor-service.ts';
import { createQueries, type Queries } from '../../src/actors/queries/queries.ts';
import { createSubscriptions, type Subscriptions } from '../../src/actors/subscriptions/subscriptions.ts';
import { unavailable, VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ClusterId, HostId, ShardId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { layShards, shardOf } from '../../src/core/ring.ts';
import { createInspector, type Inspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { Sink, Source } from '../../src/streams/sink.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeReplica, FakeLog, type FakeReplica } from './fake-shard.ts';

export interface FakeBroker {
  readonly id: BrokerId;
  readonly directory: Directory;
  readonly replicas: Map<ShardId, FakeReplica>;
  readonly inspector: Inspector;
  readonly queries: Queries;
  readonly subscriptions: Subscriptions;
  alive: boolean;
  /** Calls that other brokers passed on to it. */
  forwardedCalls: number;
  /** Calls to it hang for ever. */
  hangs: boolean;
  readonly changes: Subject<void>;
}

export interface FakeCluster {
  readonly clock: VirtualClock;
  readonly logs: readonly FakeLog[];
  readonly brokers: readonly FakeBroker[];
  broker(id: string): FakeBroker;
  /** As the layout has it: of host ids, too. */
  shardOf(host: string): ShardId;
  lead(shard: ShardId, leader: string | null): void;
  /** Every replica applies all that is committed. */
  settle(): void;
  /** Its streams break, calls to it fail. */
  kill(id: string): void;
  revive(id: string): void;
}

export interface FakeClusterOptions {
  readonly brokers?: number;
  readonly shards?: number;
  readonly replicas?: number;
  readonly seed?: string | number;
  readonly windowBytes?: number;
}

export const CLUSTER = 'cluster-of-tests' as ClusterId;

export function createFakeCluster(options: FakeClusterOptions = {}): FakeCluster {
  const { brokers: count = 3, shards = 4, replicas = 3, seed = 1, windowBytes } = options;
  const clock = createVirtualClock();
  const random = createRandom(seed);
  const ids = Array.from({ length: count }, (_, n) => `broker-${n + 1}` as BrokerId);
  const layout = layShards({ shards, brokers: ids, replicas, version: 1 });
  const logs = Array.from({ length: shards }, (_, shard) => new FakeLog(shard));
  const streams = new Map<BrokerId, Set<(error: VedetteError) => void>>(ids.map((id) => [id, new Set()]));
  const leaders = new Map<ShardId, BrokerId | null>();

  const brokers: FakeBroker[] = ids.map((id) => {
    const held = new Map<ShardId, FakeReplica>();
    layout.replicas.forEach((members, shard) => {
      const log = logs[shard];
      if (!members.includes(id) || log === undefined) return;
      held.set(
        shard,
        createFakeReplica({ log, broker: id, clock, members, ...(windowBytes === undefined ? {} : { windowBytes }) }),
      );
    });
    const inspector = createInspector({ clock });
    const changes = new Subject<void>();
    const directory: Directory = {
      self: id,
      clusterId: CLUSTER,
      ringVersion: layout.version,
      shardCount: shards,
      get brokers() {
        return brokers.map((broker) => ({
          id: broker.id,
          grpcAddress: `${broker.id}:1`,
          httpAddress: `${broker.id}:2`,
          state: broker.alive ? 'up' : 'down',
          zone: broker.id === 'broker-1' ? 'rack-1' : '',
        }));
      },
      shardOf: (host) => shardOf(host, shards),
      replicasOf: (shard) => layout.replicas[shard] ?? [],
      shards: held,
      leaderOf: (shard) => leaders.get(shard) ?? null,
      changes,
      client: (other) => (other === id ? null : clientOf(other)),
      forward: () => {
        throw new Error('nothing is forwarded here');
      },
    };
    return {
      id,
      directory,
      replicas: held,
      inspector,
      queries: createQueries({ directory, clock }),
      subscriptions: createSubscriptions({
        directory,
        clock,
        random: random.fork(id),
        inspector,
        config: () => defaultConfig,
      }),
      alive: true,
      forwardedCalls: 0,
      hangs: false,
      changes,
    };
  });

  function broker(id: string): FakeBroker {
    const found = brokers.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no ${id}`);
    return found;
  }

  function unary<T>(id: BrokerId, { forwarded = false }: CallOptions, call: (context: CallContext) => Promise<T>) {
    return new Promise<T>((resolve, reject) => {
      clock.after(1, () => {
        const target = broker(id);
        if (!target.alive) return reject(unavailable(`${id} does not answer`));
        if (target.hangs) return;
        if (forwarded) target.forwardedCalls++;
        call({ forwarded, remoteAddress: 'a test' }).then(resolve, reject);
      });
    });
  }

  function clientOf(id: BrokerId): MonitorClient {
    const messages = vedette.v1;
    return {
      address: `${id}:1`,
      reportMetrics: () => {
        throw new Error('nothing is reported here');
      },
      getMetrics: (request, options = {}) =>
        unary(id, options, async (context) =>
          messages.MetricsResponse.create(
            await broker(id).queries.getMetrics(messages.MetricsRequest.create(request), context),
          ),
        ),
      listHosts: (request, options = {}) =>
        unary(id, options, async (context) =>
          messages.ListHostsResponse.create(
            await broker(id).queries.listHosts(messages.ListHostsRequest.create(request), context),
          ),
        ),
      listBrokers: (options = {}) =>
        unary(id, options, async (context) =>
          messages.ListBrokersResponse.create(await broker(id).queries.listBrokers(context)),
        ),
      subscribe(request, { forwarded = false } = {}) {
        const { sink, source, fail } = createPipe(clock);
        const target = broker(id);
        if (!target.alive) {
          clock.defer(() => fail(unavailable(`${id} does not answer`)));
          return source;
        }
        if (forwarded) target.forwardedCalls++;
        const open = streams.get(id);
        open?.add(fail);
        sink.closed.subscribe(() => open?.delete(fail));
        // As gRPC does: only the wire's form arrives.
        const bytes = messages.SubscribeRequest.encode(request).finish();
        target.subscriptions.subscribe(messages.SubscribeRequest.decode(bytes), sink, {
          forwarded,
          remoteAddress: 'a test',
        });
        return source;
      },
      close: () => {},
    };
  }

  return {
    clock,
    logs,
    brokers,
    broker,
    shardOf: (host) => shardOf(host as HostId, shards),
    lead(shard, leader) {
      leaders.set(shard, leader as BrokerId | null);
      for (const { id, replicas: held, changes } of brokers) {
        const replica = held.get(shard);
        const leads = id === leader;
        const commit = replica?.log.entries.length ?? 0;
        replica?.setStatus({
          leader: leader as BrokerId | null,
          role: leads ? 'leader' : 'follower',
          serving: leads,
          commit,
        });
        changes.next();
      }
    },
    settle() {
      for (const { replicas: held } of brokers) {
        for (const replica of held.values()) replica.applyTo(replica.log.entries.length);
      }
    },
    kill(id) {
      const target = broker(id);
      target.alive = false;
      for (const fail of [...(streams.get(target.id) ?? [])]) fail(unavailable(`${id} is gone`));
      for (const { changes } of brokers) changes.next();
    },
    revive(id) {
      broker(id).alive = true;
      for (const { changes } of brokers) changes.next();
    },
  };
}

export interface Pipe {
  readonly sink: Sink<vedette.v1.ISubscribeResponse>;
  readonly source: Source<vedette.v1.SubscribeResponse>;
  /** Both ends are told; what is under way is lost. */
  fail(error: VedetteError): void;
}

/** A stream of responses in memory: what is sent arrives encoded, in a later turn, while the reader is not paused. */
export function createPipe(clock: VirtualClock, room = 4): Pipe {
  const inbox = new Subject<vedette.v1.SubscribeResponse>();
  const drained = new Subject<void>();
  const closed = new ReplaySubject<void>(1);
  let waiting: Uint8Array[] = [];
  let paused = false;
  let open = true;
  let wasFull = false;
  let ending: { readonly error: VedetteError | undefined } | null = null;

  function gone(): void {
    open = false;
    waiting = [];
    closed.next();
    closed.complete();
  }

  function carry(): void {
    while (!paused && open) {
      const bytes = waiting.shift();
      if (bytes === undefined) break;
      inbox.next(vedette.v1.SubscribeResponse.decode(bytes));
    }
    if (open && wasFull && waiting.length < room) {
      wasFull = false;
      drained.next();
    }
    if (!open || ending === null || waiting.length > 0) return;
    gone();
    if (ending.error === undefined) inbox.complete();
    else inbox.error(ending.error);
  }

  return {
    sink: {
      send(message) {
        if (!open) return false;
        if (wasFull) throw new Error('sent although the sink was full');
        waiting.push(vedette.v1.SubscribeResponse.encode(message).finish());
        clock.after(1, carry);
        wasFull = waiting.length >= room;
        return !wasFull;
      },
      drained,
      closed,
      close(error) {
        if (!open || ending !== null) return;
        ending = { error };
        clock.defer(carry);
      },
    },
    source: {
      inbox,
      pause() {
        paused = true;
      },
      resume() {
        paused = false;
        clock.defer(carry);
      },
      close: gone,
    },
    fail(error) {
      if (!open) return;
      gone();
      inbox.error(error);
    },
  };
}
