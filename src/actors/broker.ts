// A broker, put together from its ports. It does no I/O of its own: the same composition runs in production and in the simulator.
//
//   agents ─▶ ingest ─▶ shards (here) or forward (elsewhere)         peers ◀─▶ one stream each: Raft of all groups, forwards, beats
//   readers ─▶ queries, subscriptions ─▶ shards, or other brokers    control group: the cluster's id
import { BehaviorSubject, ReplaySubject, type Observable } from 'rxjs';
import { invalidArgument, type VedetteError } from '../core/errors.ts';
import { hash32 } from '../core/hash.ts';
import { type BrokerId, type ClusterId, type GroupId, type Millis, type ShardId, shardGroup } from '../core/ids.ts';
import { checkLimits, limits } from '../core/limits.ts';
import { layShards } from '../core/ring.ts';
import { type BrokerEffect, brokerMachine } from '../machines/broker.ts';
import type { Clock, Timer } from '../streams/clock.ts';
import type { HostBeat, PeerMessage } from '../streams/envelope.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import { runMachine } from '../streams/run-machine.ts';
import { type ClusterView, createClusterView } from './cluster/cluster-view.ts';
import { createClusterDirectory } from './cluster/cluster-directory.ts';
import { createControlGroup } from './cluster/control-group.ts';
import { createPeers } from './cluster/peers.ts';
import { createIngest } from './ingest/ingest.ts';
import type { MonitorClient } from './monitor-client.ts';
import type { MonitorService } from './monitor-service.ts';
import type { PeerTransport } from './peer-transport.ts';
import { createQueries } from './queries/queries.ts';
import type { RaftGroup, StateMachine } from './raft-group.ts';
import { createRaftNode, type RaftNodeOptions } from './raft-node.ts';
import { createShard } from './shard/create-shard.ts';
import { createWindowBudget } from './shard/hot-window.ts';
import type { Shard } from './shard.ts';
import type { Founding, IdentityStore } from './stores/identity.ts';
import type { LogStore } from './stores/log.ts';
import { createSubscriptions } from './subscriptions/subscriptions.ts';

export interface BrokerPorts {
  readonly id: BrokerId;
  readonly founding: Founding;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly log: LogStore;
  readonly identity: IdentityStore;
  readonly peers: PeerTransport;
  readonly clients: (address: string) => MonitorClient;
  readonly mintCluster: () => ClusterId;
  /** For rows in memory, all shards together. */
  readonly memoryBytes: number;
  readonly raft: RaftNodeOptions;
  readonly warn: (message: string) => void;
}

export interface Health {
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
}

export interface BrokerFigures {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly ackedRows: number;
  readonly rowsApplied: number;
  readonly samplesApplied: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly hosts: number;
  readonly windowBytes: number;
  readonly logPendingBytes: number;
  readonly groups: number;
  readonly groupsLed: number;
}

export interface Broker {
  readonly service: MonitorService;
  readonly view: ClusterView;
  health(): Health;
  figures(): BrokerFigures;
  readonly groups: readonly RaftGroup[];
  readonly shards: ReadonlyMap<ShardId, Shard>;
  /** Emits each time the broker becomes ready; the last one is replayed. */
  readonly ready: Observable<void>;
  /** What must not be survived: the process is to end with this message. */
  readonly failed: Observable<VedetteError>;
  /** From the log store: nothing more is acknowledged. */
  fail(error: VedetteError): void;
  /** `done` when all is ended and the log is durable. */
  stop(done: () => void): void;
}

const HEALTH_EVERY: Millis = 100;
const BEATS_EVERY: Millis = 1_000;

/** @throws VedetteError INVALID_ARGUMENT for settings that cannot work. */
export function createBroker(ports: BrokerPorts): Broker {
  checkLimits();
  const { id, founding, clock, random, inspector, log, identity, warn } = ports;
  const members = checkMembers(id, founding);
  const layout = layShards({ shards: founding.shards, brokers: members, replicas: founding.replicas });
  const failed = new ReplaySubject<VedetteError>(1);
  const ready = new ReplaySubject<void>(1);
  const groups = new Map<GroupId, RaftGroup>();
  const timers = new Set<Timer>();
  let stopping: (() => void) | null = null;

  const machine = runMachine<typeof brokerMachine, BrokerEffect>(brokerMachine, {
    id: `${id}/broker`,
    kind: 'broker',
    input: undefined,
    clock,
    inspector,
    onEffect: ({ type }) => {
      if (type === 'announceReady') ready.next();
      if (type === 'drain') drain();
      if (type === 'halt') halt();
    },
  });
  const tell = (type: 'ready' | 'notReady' | 'stop' | 'drained' | 'failed') =>
    machine.send({ type, at: clock.monotonic() });

  const peers = createPeers({
    self: id,
    members: new Map(members.map((member) => [member, founding.members[member] ?? ''])),
    hello: () => ({
      broker: id,
      incarnation: identity.identity.incarnation,
      cluster: identity.identity.cluster,
      founding: digest(founding),
      grpcAddress: ports.grpcAddress,
      httpAddress: ports.httpAddress,
    }),
    transport: ports.peers,
    clock,
    random: random.fork('peers'),
    inspector,
    warn,
    refused: fail,
  });

  function raftNode(group: GroupId, voters: readonly BrokerId[], stateMachine: StateMachine): RaftGroup {
    const node = createRaftNode({
      self: id,
      group,
      members: voters,
      clock,
      random: random.fork(group),
      log,
      inspector,
      outbox: (envelope) => peers.sendRaft(envelope.message.to, envelope),
      machine: stateMachine,
      options: ports.raft,
      failed: (error) => fail(error as VedetteError),
    });
    groups.set(group, node);
    return node;
  }

  const control = createControlGroup({
    raft: (state) => raftNode('control', members, state),
    founding,
    clock,
    mintCluster: ports.mintCluster,
  });
  const budget = createWindowBudget(ports.memoryBytes);
  const shards = new Map<ShardId, Shard>();
  layout.replicas.forEach((replicas, shard) => {
    if (!replicas.includes(id)) return;
    shards.set(
      shard,
      createShard({
        id: shard,
        self: id,
        raft: (state) => raftNode(shardGroup(shard), replicas, state),
        log,
        clock,
        inspector,
        budget,
      }),
    );
  });

  const cluster = new BehaviorSubject<ClusterId | null>(
    identity.identity.cluster === '' ? null : identity.identity.cluster,
  );
  const directory = createClusterDirectory({
    self: id,
    grpcAddress: ports.grpcAddress,
    httpAddress: ports.httpAddress,
    layout,
    clusterId: () => cluster.value,
    shards,
    peers,
    clients: ports.clients,
    clock,
  });
  const ingest = createIngest({ directory, clock, random: random.fork('ingest'), inspector });
  const queries = createQueries({ directory, clock });
  const subscriptions = createSubscriptions({ directory, clock, random: random.fork('subscriptions'), inspector });

  const founded = control.cluster.subscribe((agreed) => {
    if (agreed === null) return;
    try {
      identity.setCluster(agreed);
      cluster.next(agreed);
    } catch (error) {
      fail(error as VedetteError);
    }
  });
  const incoming = peers.messages.subscribe(({ from, message }) => receive(from, message));
  const opened = peers.opened.subscribe((peer) => {
    for (const group of groups.values()) group.peerOpened(peer);
  });
  const closed = peers.closed.subscribe((peer) => {
    for (const group of groups.values()) group.peerClosed(peer);
    directory.peerLost(peer);
  });

  function receive(from: BrokerId, message: PeerMessage): void {
    switch (message.kind) {
      case 'raft':
        for (const envelope of message.envelopes) groups.get(envelope.group)?.receive(envelope);
        return;
      case 'forward':
        return directory.answer(from, message);
      case 'forwardReply':
        return directory.settle(message);
      case 'beats':
        return deliverBeats(message.hosts);
      default:
        warn(`${from} sent a ${message.kind} where none belongs`);
    }
  }

  function deliverBeats(beats: readonly HostBeat[]): void {
    for (const beat of beats) shards.get(directory.shardOf(beat.host))?.beats([beat]);
  }

  /** Heartbeats heard here go to the leaders of their shards, one message per broker. */
  function forwardBeats(): void {
    const byLeader = new Map<BrokerId, HostBeat[]>();
    for (const beat of ingest.takeBeats()) {
      const leader = directory.leaderOf(directory.shardOf(beat.host));
      if (leader === null) continue;
      const beats = byLeader.get(leader) ?? [];
      beats.push(beat);
      byLeader.set(leader, beats);
    }
    for (const [leader, hosts] of byLeader) {
      if (leader === id) deliverBeats(hosts);
      else peers.send(leader, { kind: 'beats', hosts });
    }
  }

  function every(interval: Millis, run: () => void): void {
    let timer: Timer;
    const again = () => {
      timers.delete(timer);
      run();
      timer = clock.after(interval, again);
      timers.add(timer);
    };
    timer = clock.after(interval, again);
    timers.add(timer);
  }

  function health(): Health {
    const reasons: string[] = [];
    const state = machine.snapshot.value;
    if (state !== 'joining' && state !== 'serving') reasons.push(`the broker is ${state}`);
    if (cluster.value === null) reasons.push('the cluster is not founded yet');
    if (control.raft.status.leader === null) reasons.push('the control group has no leader');
    const leaderless = [...shards.values()].filter(({ raft }) => raft.status.leader === null);
    if (leaderless.length > 0)
      reasons.push(
        `no leader for ${leaderless.length} of ${shards.size} shards (${leaderless
          .slice(0, 3)
          .map(({ raft }) => raft.id)
          .join(', ')}${leaderless.length > 3 ? ', …' : ''})`,
      );
    const behind = [...groups.values()].filter(({ status }) => status.commit === 0 || status.applied < status.commit);
    if (leaderless.length === 0 && behind.length > 0)
      reasons.push(`${behind.length} of ${groups.size} logs are still being applied`);
    if (log.full) reasons.push('the disk is full: writes are refused');
    return { ready: reasons.length === 0, reasons };
  }

  function fail(error: VedetteError): void {
    tell('failed');
    failed.next(error);
  }

  function halt(): void {
    for (const timer of timers) timer.cancel();
    timers.clear();
    for (const subscription of [incoming, opened, closed, founded]) subscription.unsubscribe();
    ingest.stop();
    subscriptions.stop();
    directory.stop();
    for (const shard of shards.values()) shard.stop();
    control.stop();
    peers.stop();
  }

  function drain(): void {
    halt();
    log.close(() => {
      tell('drained');
      stopping?.();
    });
  }

  every(ports.raft.heartbeatMs, () => {
    for (const group of groups.values()) group.beat();
  });
  every(BEATS_EVERY, forwardBeats);
  every(HEALTH_EVERY, () => tell(health().ready ? 'ready' : 'notReady'));

  return {
    service: {
      reportMetrics: (call, context) => ingest.open(call, context),
      getMetrics: (request, context) => queries.getMetrics(request, context),
      listHosts: (request, context) => queries.listHosts(request, context),
      listBrokers: (context) => queries.listBrokers(context),
      subscribe: (request, sink, context) => subscriptions.subscribe(request, sink, context),
    },
    view: createClusterView({
      self: id,
      control: control.raft,
      directory,
      layout,
      storageState: () => (log.full ? 'degraded' : 'ready'),
    }),
    health,
    figures() {
      const total = (of: (shard: Shard) => number) => [...shards.values()].reduce((sum, shard) => sum + of(shard), 0);
      return {
        sessions: ingest.sessions,
        subscriptions: subscriptions.count,
        ackedRows: ingest.ackedRows,
        rowsApplied: total(({ counters }) => counters.rowsApplied),
        samplesApplied: total(({ counters }) => counters.samplesApplied),
        duplicates: total(({ counters }) => counters.duplicates),
        conflicts: total(({ counters }) => counters.conflicts),
        hosts: total(({ hosts }) => hosts.size),
        windowBytes: budget.used,
        logPendingBytes: log.pendingBytes,
        groups: groups.size,
        groupsLed: [...groups.values()].filter(({ status }) => status.role === 'leader').length,
      };
    },
    groups: [...groups.values()],
    shards,
    ready,
    failed,
    fail,
    stop(done) {
      stopping = done;
      tell('stop');
    },
  };
}

function checkMembers(id: BrokerId, founding: Founding): BrokerId[] {
  const members = Object.keys(founding.members).sort() as BrokerId[];
  if (!members.includes(id))
    throw invalidArgument('peers', `--peers does not name ${id} itself; it names ${members.join(', ') || 'nobody'}`);
  if (members.length > limits.peers.brokersMax)
    throw invalidArgument('peers', `${members.length} brokers; this release takes at most ${limits.peers.brokersMax}`);
  if (founding.shards < 1 || (founding.shards & (founding.shards - 1)) !== 0)
    throw invalidArgument('shards', `--shards ${founding.shards} is no power of two`);
  if (founding.replicas < 1) throw invalidArgument('replicas', '--replicas must be at least 1');
  return members;
}

/** The same at every broker that was started with the same settings. */
function digest({ members, shards, replicas }: Founding): string {
  const text = JSON.stringify([Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)), shards, replicas]);
  return hash32(text).toString(16);
}
