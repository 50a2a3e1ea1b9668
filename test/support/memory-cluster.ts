// Whole brokers in one process, on a virtual clock: the real composition, with wires, calls and disks in memory. A broker can be
// crashed (its disk loses what was not synced, its calls and wires break) and started again.
import { ReplaySubject, Subject } from 'rxjs';
import { createBroker } from '../../src/actors/broker.ts';
import type { Broker } from '../../src/actors/broker-interface.ts';
import type { MonitorClient } from '../../src/actors/monitor-client.ts';
import type { AcceptedPeer } from '../../src/actors/peer-transport.ts';
import { openBrokerDirectory } from '../../src/actors/stores/broker-directory.ts';
import type { Beginning } from '../../src/actors/stores/identity.ts';
import { openSnapshots } from '../../src/actors/stores/snapshots.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { unavailable, VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import type { SnapshotLimits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import type { PeerMessage } from '../../src/streams/envelope.ts';
import { createInspector, type Inspector } from '../../src/streams/inspector.ts';
import { createMemoryWirePair } from '../../src/streams/memory-wire.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { SnapshotMessage } from '../../src/streams/snapshot-message.ts';
import type { Wire } from '../../src/streams/wire.ts';
import type { Sink, Source } from '../../src/streams/sink.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from './memory-disk.ts';

export interface RunningBroker {
  readonly broker: Broker;
  readonly inspector: Inspector;
}

interface Node {
  readonly address: string;
  disk: MemoryDisk;
  running: RunningBroker | null;
  accepted: Subject<AcceptedPeer>;
  acceptedSnapshots: Subject<Wire<SnapshotMessage>>;
  /** Ends everything that others have open with this broker. */
  readonly breaks: Set<() => void>;
  starts: number;
}

export interface StartChange {
  readonly shards?: number;
  /** Under another broker's id. */
  readonly as?: BrokerId;
  /** With an empty disk. */
  readonly fresh?: boolean;
  /** With this one, that it once had. */
  readonly disk?: MemoryDisk;
  /** Instead of what it founds, or was. */
  readonly beginning?: Beginning;
}

export interface MemoryCluster {
  readonly clock: VirtualClock;
  /** The founders. */
  readonly ids: readonly BrokerId[];
  readonly warnings: string[];
  broker(id: BrokerId): Broker;
  inspector(id: BrokerId): Inspector;
  disk(id: BrokerId): MemoryDisk;
  isRunning(id: BrokerId): boolean;
  start(id: BrokerId, change?: StartChange): void;
  /** With an empty disk, into the cluster of which another broker is a member; resolves when it is started. */
  join(id: BrokerId, via: BrokerId): Promise<void>;
  /** Those that have left the cluster and ended. */
  readonly left: readonly BrokerId[];
  crash(id: BrokerId): void;
  /** The link between two brokers breaks, and no other comes about before it is healed. */
  cut(one: BrokerId, other: BrokerId): void;
  heal(one: BrokerId, other: BrokerId): void;
  client(address: string): MonitorClient;
  readonly addresses: readonly string[];
  /** Lets virtual time and promises run until the condition holds. */
  until(what: string, condition: () => boolean, withinMs?: number): Promise<void>;
  advance(ms: number): Promise<void>;
  readonly failures: VedetteError[];
  /** Snapshots that brokers have offered each other. */
  readonly snapshotsOffered: number;
}

export function createMemoryCluster(options: {
  readonly brokers: number;
  readonly shards: number;
  readonly replicas: number;
  readonly seed: number;
  readonly snapshots?: Partial<SnapshotLimits>;
  /** Brokers with the next ids, that may join later. */
  readonly joiners?: number;
}): MemoryCluster {
  const clock = createVirtualClock({ startMs: 1_700_000_000_000 });
  const random = createRandom(options.seed);
  const ids = Array.from({ length: options.brokers }, (_, at) => `broker-${at + 1}` as BrokerId);
  const warnings: string[] = [];
  const failures: VedetteError[] = [];
  let offers = 0;
  const everyone = Array.from(
    { length: options.brokers + (options.joiners ?? 0) },
    (_, at) => `broker-${at + 1}` as BrokerId,
  );
  const left: BrokerId[] = [];
  const nodes = new Map<BrokerId, Node>(
    everyone.map((id) => [
      id,
      {
        address: `mem-${id}:1`,
        disk: createMemoryDisk(clock),
        running: null,
        accepted: new Subject(),
        acceptedSnapshots: new Subject(),
        breaks: new Set(),
        starts: 0,
      },
    ]),
  );
  const members = Object.fromEntries(ids.map((id) => [id, `mem-${id}:1`]));
  const nodeAt = (address: string) => [...nodes.values()].find((node) => node.address === address);
  const node = (id: BrokerId): Node => {
    const found = nodes.get(id);
    if (found === undefined) throw new Error(`${id} is no broker`);
    return found;
  };

  const pairOf = (one: string, other: string) => [one, other].sort().join();
  const severed = new Set<string>();
  const links: { readonly pair: string; readonly breakIt: () => void }[] = [];

  function link(from: Node, to: Node | undefined) {
    const pair = createMemoryWirePair<PeerMessage>(clock);
    const breakIt = () => pair.breakLink();
    if (to === undefined || to.running === null || severed.has(pairOf(from.address, to.address))) {
      clock.defer(breakIt);
      return pair.a;
    }
    links.push({ pair: pairOf(from.address, to.address), breakIt });
    from.breaks.add(breakIt);
    to.breaks.add(breakIt);
    const { accepted } = to;
    clock.defer(() => accepted.next({ remoteAddress: from.address, wire: pair.b }));
    return pair.a;
  }

  function linkSnapshots(from: Node, to: Node | undefined): Wire<SnapshotMessage> {
    const pair = createMemoryWirePair<SnapshotMessage>(clock);
    const breakIt = () => pair.breakLink();
    if (to === undefined || to.running === null) {
      clock.defer(breakIt);
      return pair.a;
    }
    from.breaks.add(breakIt);
    to.breaks.add(breakIt);
    const { acceptedSnapshots } = to;
    pair.b.inbox.subscribe({ next: ({ kind }) => kind === 'offer' && (offers += 1), error: () => {} });
    clock.defer(() => acceptedSnapshots.next(pair.b));
    return pair.a;
  }

  function start(id: BrokerId, change: StartChange = {}): void {
    const place = node(id);
    if (place.running !== null) throw new Error(`${id} is running`);
    if (change.fresh === true) place.disk = createMemoryDisk(clock);
    if (change.disk !== undefined) place.disk = change.disk;
    const life = random.fork(`${id}/${place.starts++}`);
    const inspector = createInspector({ clock });
    const founding = { members, shards: change.shards ?? options.shards, replicas: options.replicas };
    const failed: ((error: VedetteError) => void)[] = [];
    const { identity, log } = openBrokerDirectory(
      {
        disk: place.disk,
        directory: '/data',
        clock,
        random: life.fork('log'),
        kernels: { crc32c, native: false },
        warn: (message) => warnings.push(`${id}: ${message}`),
        failed: (error) => failed.forEach((tell) => tell(error)),
      },
      change.as ?? id,
      change.beginning ?? (ids.includes(id) ? { how: 'founder', founding } : { how: 'again' }),
      () => `incarnation-${id}-${place.starts}`,
    );
    const snapshots = openSnapshots({
      disk: place.disk,
      directory: '/data/snapshots',
      clock,
      crc32c,
      cluster: identity.identity.cluster,
      formerly: identity.identity.formerly,
      warn: (message) => warnings.push(`${id}: ${message}`),
      failed: (error) => failed.forEach((tell) => tell(error)),
    });
    place.accepted = new Subject();
    place.acceptedSnapshots = new Subject();
    const broker = createBroker({
      id: change.as ?? id,
      grpcAddress: place.address,
      httpAddress: `http-${id}:1`,
      clock,
      random: life,
      inspector,
      log,
      identity,
      peers: { dial: (address) => link(place, nodeAt(address)), accepted: place.accepted },
      snapshots: {
        store: snapshots,
        transport: {
          dial: (address) => linkSnapshots(place, nodeAt(address)),
          accepted: place.acceptedSnapshots,
        },
        crc32c,
        ...(options.snapshots === undefined ? {} : { options: options.snapshots }),
      },
      clients: client,
      zone: '',
      mintCluster: () => `cluster-${id}-${place.starts}` as ClusterId,
      memoryBytes: 64 * 1024 * 1024,
      raft: { heartbeatMs: 50, electionMinMs: 250, electionMaxMs: 500, closedConnectionHint: true },
      warn: (message) => warnings.push(`${id}: ${message}`),
    });
    failed.push((error) => broker.fail(error));
    broker.failed.subscribe((error) => {
      if (place.running?.broker === broker) failures.push(error);
    });
    broker.left.subscribe(() => {
      left.push(id);
      clock.defer(() => {
        if (place.running?.broker !== broker) return;
        for (const breakIt of place.breaks) breakIt();
        place.breaks.clear();
        place.running = null;
        broker.stop(() => {});
      });
    });
    place.running = { broker, inspector };
  }

  async function join(id: BrokerId, via: BrokerId): Promise<void> {
    const running = node(via).running;
    if (running === null) throw new Error(`${via} is not running`);
    const asked = running.broker.admin.addBroker({ id, grpc: node(id).address, http: '', zone: '' });
    let answer: Awaited<typeof asked> | undefined;
    let failure: unknown;
    asked.then(
      (admission) => (answer = admission),
      (error: unknown) => (failure = error),
    );
    await until(`${id} is admitted`, () => answer !== undefined || failure !== undefined);
    if (answer === undefined) throw failure;
    const { clusterId, shards, replicas, founders, brokers, membersAt } = answer;
    const byId = (list: typeof founders) => Object.fromEntries(list.map((member) => [member.id, member.grpc]));
    const roster = { at: membersAt, members: byId(brokers) };
    const founding = { members: byId(founders), shards, replicas };
    start(id, { fresh: true, beginning: { how: 'joins', cluster: clusterId as ClusterId, founding, roster } });
  }

  function crash(id: BrokerId): void {
    const place = node(id);
    const { running } = place;
    if (running === null) return;
    place.running = null;
    place.disk.crash(random.integer(0, 300));
    // What a dead process still has scheduled must not speak: nothing of it runs any more, and its goodbyes are not heard.
    for (const breakIt of place.breaks) breakIt();
    place.breaks.clear();
    running.broker.fail(new VedetteError('INTERNAL', `${id} was killed`));
  }

  /** Calls go to whoever runs at the address when they are made, and break with it. */
  function client(address: string): MonitorClient {
    const place = nodeAt(address);
    const service = () => {
      if (place?.running === null || place === undefined) throw unavailable(`nobody answers at ${address}`);
      return place.running.broker.service;
    };
    const call = <T>(ask: () => Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const broken = () => reject(unavailable(`${address} is gone`));
        clock.after(1, () => {
          try {
            const answer = ask();
            place?.breaks.add(broken);
            answer.then(resolve, reject).finally(() => place?.breaks.delete(broken));
          } catch (error) {
            reject(error);
          }
        });
      });
    const context = (forwarded?: boolean) => ({ forwarded: forwarded === true, remoteAddress: 'memory' });
    return {
      address,
      reportMetrics() {
        const pair = createMemoryWirePair<vedette.v1.IReportRequest, vedette.v1.ReportResponse>(clock);
        const breakIt = () => pair.breakLink();
        if (place?.running === null || place === undefined) {
          clock.defer(breakIt);
          return pair.a;
        }
        place.breaks.add(breakIt);
        const running = place.running;
        const closed = new ReplaySubject<void>(1);
        const requests = new Subject<vedette.v1.ReportRequest>();
        pair.b.inbox.subscribe({
          next: (request) =>
            requests.next(vedette.v1.ReportRequest.decode(vedette.v1.ReportRequest.encode(request).finish())),
          error: (error) => {
            requests.error(error);
            closed.next();
          },
          complete: () => requests.complete(),
        });
        const responses: Sink<vedette.v1.IReportResponse> = {
          send(response) {
            pair.b.outbox.next(vedette.v1.ReportResponse.decode(vedette.v1.ReportResponse.encode(response).finish()));
            return true;
          },
          drained: new Subject<void>(),
          closed,
          close: () => pair.b.outbox.complete(),
        };
        running.broker.service.reportMetrics({ requests, responses, pause() {}, resume() {} }, context());
        return pair.a;
      },
      getMetrics: (request, options_) =>
        call(async () => {
          const full = vedette.v1.MetricsRequest.decode(vedette.v1.MetricsRequest.encode(request).finish());
          const answer = await service().getMetrics(full, context(options_?.forwarded));
          return vedette.v1.MetricsResponse.decode(vedette.v1.MetricsResponse.encode(answer).finish());
        }),
      listHosts: (request, options_) =>
        call(async () => {
          const full = vedette.v1.ListHostsRequest.decode(vedette.v1.ListHostsRequest.encode(request).finish());
          const answer = await service().listHosts(full, context(options_?.forwarded));
          return vedette.v1.ListHostsResponse.decode(vedette.v1.ListHostsResponse.encode(answer).finish());
        }),
      listBrokers: () =>
        call(async () => {
          const answer = await service().listBrokers(context());
          return vedette.v1.ListBrokersResponse.decode(vedette.v1.ListBrokersResponse.encode(answer).finish());
        }),
      subscribe: (request, options_) => subscribe(place, request, context(options_?.forwarded)),
      close() {},
    };
  }

  function subscribe(
    place: Node | undefined,
    request: vedette.v1.ISubscribeRequest,
    callContext: { forwarded: boolean; remoteAddress: string },
  ): Source<vedette.v1.SubscribeResponse> {
    const inbox = new Subject<vedette.v1.SubscribeResponse>();
    const closed = new ReplaySubject<void>(1);
    const drained = new Subject<void>();
    let waiting: vedette.v1.SubscribeResponse[] = [];
    let paused = false;
    let open = true;
    const end = (error?: Error) => {
      if (!open) return;
      open = false;
      closed.next();
      closed.complete();
      clock.defer(() => (error === undefined ? inbox.complete() : inbox.error(error)));
    };
    const flow = () => {
      if (paused || waiting.length === 0) return;
      const arrived = waiting;
      waiting = [];
      for (const response of arrived) inbox.next(response);
      drained.next();
    };
    if (place?.running === null || place === undefined) clock.defer(() => end(unavailable('nobody answers')));
    else {
      const { broker } = place.running;
      place.breaks.add(() => end(unavailable('the broker is gone')));
      clock.defer(() =>
        broker.service.subscribe(
          vedette.v1.SubscribeRequest.decode(vedette.v1.SubscribeRequest.encode(request).finish()),
          {
            send(response) {
              if (!open) return false;
              waiting.push(vedette.v1.SubscribeResponse.decode(vedette.v1.SubscribeResponse.encode(response).finish()));
              clock.after(1, flow);
              return waiting.length < 4;
            },
            drained,
            closed,
            close: end,
          },
          callContext,
        ),
      );
    }
    return {
      inbox,
      pause: () => {
        paused = true;
      },
      resume: () => {
        paused = false;
        clock.after(1, flow);
      },
      close: () => end(),
    };
  }

  const promises = () => new Promise<void>((resolve) => setImmediate(resolve));

  async function until(what: string, condition: () => boolean, withinMs = 20_000): Promise<void> {
    const deadline = clock.monotonic() + withinMs;
    while (!condition()) {
      if (clock.monotonic() >= deadline)
        throw new Error(`waited ${withinMs} virtual ms in vain: ${what}\n${warnings.slice(-8).join('\n')}`);
      clock.advance(5);
      await promises();
    }
  }

  return {
    clock,
    ids,
    warnings,
    failures,
    get snapshotsOffered() {
      return offers;
    },
    broker(id) {
      const running = node(id).running;
      if (running === null) throw new Error(`${id} is not running`);
      return running.broker;
    },
    inspector(id) {
      const running = node(id).running;
      if (running === null) throw new Error(`${id} is not running`);
      return running.inspector;
    },
    disk: (id) => node(id).disk,
    isRunning: (id) => node(id).running !== null,
    start,
    join,
    left,
    crash,
    cut(one, other) {
      const pair = pairOf(node(one).address, node(other).address);
      severed.add(pair);
      for (const wire of links) if (wire.pair === pair) wire.breakIt();
    },
    heal: (one, other) => severed.delete(pairOf(node(one).address, node(other).address)),
    client,
    addresses: ids.map((id) => `mem-${id}:1`),
    until,
    async advance(ms) {
      const end = clock.monotonic() + ms;
      await until('time passes', () => clock.monotonic() >= end, ms + 10);
    },
  };
}
