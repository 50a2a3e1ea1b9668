// A broker, put together from its ports. It does no I/O of its own: the same composition runs in production and in the simulator.
//
//   agents ─▶ ingest ─▶ shards (here) or forward (elsewhere)         peers ◀─▶ one stream each: Raft of all groups, forwards, beats
//   readers ─▶ queries, subscriptions ─▶ shards, or other brokers    control group: the cluster's id, who is in it
//
// Invariants
//   1. Calls are taken while it is joining or serving, and refused with UNAVAILABLE from the moment that it stops or has failed.
//   2. After it has failed nothing is sent, acknowledged or written any more; `failed` says why, once.
import { BehaviorSubject, merge, ReplaySubject } from 'rxjs';
import { describeError, unavailable, VedetteError } from '../core/errors.ts';
import { type BrokerId, type ClusterId, type GroupId, groupNumber, shardGroup } from '../core/ids.ts';
import { checkLimits } from '../core/limits.ts';
import { type BrokerEffect, brokerMachine } from '../machines/broker.ts';
import { runMachine } from '../streams/run-machine.ts';
import { figuresOf } from './broker-figures.ts';
import type { Broker, BrokerPorts } from './broker-interface.ts';
import { watchBeginning } from './cluster/beginning.ts';
import { createBrokerService } from './broker-service.ts';
import { createHealth, type Health } from './cluster/broker-health.ts';
import { createBrokerSnapshots } from './cluster/broker-snapshots.ts';
import { createClusterDirectory } from './cluster/cluster-directory.ts';
import { createClusterView } from './cluster/cluster-view.ts';
import { createControlGroup } from './cluster/control-group.ts';
import { followFounding } from './cluster/founded.ts';
import { checkFounding, foundingDigest } from './cluster/founding-check.ts';
import { handOver } from './cluster/handover.ts';
import { watchHealth } from './cluster/health-watch.ts';
import { createHostBeatRounds } from './cluster/host-beats.ts';
import { createLayouts } from './cluster/layout.ts';
import { createMemberKeeper } from './cluster/member-keeper.ts';
import { followMembership } from './cluster/membership.ts';
import { openPeerInbox } from './cluster/peer-inbox.ts';
import { createPeers } from './cluster/peers.ts';
import { createRaftHost } from './cluster/raft-host.ts';
import { createShardHost } from './cluster/shard-host.ts';
import { createLeadTable } from './cluster/shard-leads.ts';
import { createShardMover } from './cluster/shard-mover.ts';
import { createStandings } from './cluster/standings.ts';
import { createSteering } from './cluster/steering.ts';
import { isLinked } from './cluster/ways.ts';
import { createIngest } from './ingest/ingest.ts';
import { createQueries } from './queries/queries.ts';
import { createShard } from './shard/create-shard.ts';
import { createWindowBudget } from './shard/hot-window.ts';
import { createSubscriptions } from './subscriptions/subscriptions.ts';

/** @throws VedetteError INVALID_ARGUMENT for settings that cannot work. */
export function createBroker(ports: BrokerPorts): Broker {
  checkLimits();
  const { id, grpcAddress, httpAddress, zone, clock, random, inspector, log, identity, warn } = ports;
  const { founding, roster } = identity.identity;
  const founders = checkFounding(founding);
  const boot = random.fork('boot').integer(0, 0xffff_ffff).toString(16);
  const failed = new ReplaySubject<VedetteError>(1);
  const ready = new BehaviorSubject(false);
  const left = new ReplaySubject<void>(1);
  let stopping: (() => void)[] = [];
  let failure: VedetteError | null = null;
  /** Every part is there. What fails while they are made (a snapshot tells something, for one) halts them at the end of that turn. */
  let composed = false;

  const machine = runMachine<typeof brokerMachine, BrokerEffect>(brokerMachine, {
    id: `${id}/broker`,
    kind: 'broker',
    input: undefined,
    clock,
    inspector,
    onEffect: ({ type }) => {
      if (type === 'announceReady') ready.next(true);
      if (type === 'announceNotReady') ready.next(false);
      if (type === 'drain') drain();
      if (type === 'halt' && composed) halt();
    },
  });
  const tell = (type: 'ready' | 'notReady' | 'stop' | 'drained' | 'failed') =>
    machine.send({ type, at: clock.monotonic() });
  const state = () => String(machine.snapshot.value);

  const peers = createPeers({
    self: id,
    members: new Map(Object.entries(roster.members) as [BrokerId, string][]),
    hello: () => ({
      broker: id,
      incarnation: identity.identity.incarnation,
      cluster: identity.identity.cluster,
      founding: foundingDigest(founding),
      grpcAddress,
      httpAddress,
      zone,
      membersAt: identity.identity.roster.at,
      boot,
    }),
    transport: ports.peers,
    clock,
    random: random.fork('peers'),
    inspector,
    warn,
    refused: (error, isRemoved) => (isRemoved ? membership.removed(error.message) : fail(error)),
  });

  const snapshots = createBrokerSnapshots({
    ...ports.snapshots,
    self: id,
    clock,
    cluster: () => identity.identity.cluster,
    addressOf: (broker) => identity.identity.roster.members[broker],
    hasGroup: (group) => raft.groups.has(group),
    warn,
  });
  const raft = createRaftHost({
    self: id,
    clock,
    random,
    log,
    inspector,
    send: (to, envelope) => peers.sendRaft(to, envelope),
    sendPulse: (to, pulse) => peers.send(to, pulse),
    options: ports.raft,
    snapshots,
    warn,
    failed: fail,
  });
  const control = createControlGroup({
    // Whoever joins waits to be told who belongs to it.
    raft: (machine) => raft.create('control', founders.includes(id) ? founders : [], machine),
    founding,
    clock,
    mintCluster: ports.mintCluster,
  });
  const budget = createWindowBudget(() => control.config['memory.windowBytes'] || ports.memoryBytes);
  const layouts = createLayouts(id, founding, control.state);
  const shards = createShardHost({
    self: id,
    clock,
    layouts,
    log,
    snapshots,
    knowsMembers: () => control.state.cluster !== null || identity.identity.cluster === '',
    create: (shard, founders) =>
      createShard({
        id: shard,
        self: id,
        raft: (machine) => raft.create(shardGroup(shard), founders, machine),
        log,
        clock,
        inspector,
        budget,
      }),
    remove: (group) => raft.remove(group),
    claimOf: (shard) => leads.claimOf(shard),
  });

  const cluster = new BehaviorSubject<ClusterId | null>(
    identity.identity.cluster === '' ? null : identity.identity.cluster,
  );
  const { replicas, serving, changes: shardChanges } = shards;
  const leads = createLeadTable({ self: id, shards: replicas, shardChanges, peers, clock });
  const directory = createClusterDirectory({
    self: id,
    grpcAddress,
    httpAddress,
    layouts,
    shardCount: founding.shards,
    clusterId: () => cluster.value,
    announced: control.state.brokers,
    shards: serving,
    shardChanges,
    leads,
    peers,
    clients: ports.clients,
    clock,
  });
  const config = () => control.config;
  const ingest = createIngest({ directory, clock, random: random.fork('ingest'), inspector, config });
  const beats = createHostBeatRounds({ directory, peers, clock, take: () => ingest.takeBeats() });
  const queries = createQueries({ directory, clock });
  const subscriptions = createSubscriptions({
    directory,
    clock,
    random: random.fork('subscriptions'),
    inspector,
    config,
  });
  const isFounded = () =>
    cluster.value !== null || peers.views.some((view) => view.cluster !== null && view.cluster !== '');
  const standings = createStandings({
    self: id,
    groups: raft.groups,
    changes: merge(control.raft.statusChanges, shardChanges),
    peers,
    isFounded,
    clock,
    warn,
  });
  const view = createClusterView({
    self: id,
    control,
    directory,
    layouts,
    claimOf: (shard) => leads.claimOf(shard),
    storageState: () => (log.full ? 'degraded' : 'ready'),
    standings,
  });
  const steering = createSteering({
    self: id,
    control,
    groups: raft.groups,
    leaderOf: (group) =>
      group === 'control' ? control.raft.status.leader : directory.leaderOf(groupNumber(group) - 1),
    view,
    peers,
    clock,
    random: random.fork('steering'),
  });

  const keeper = createMemberKeeper({
    self: id,
    control,
    peers,
    clock,
    holdsReplicas: (broker) => leads.mayHold(broker, founding.shards),
  });

  const beginning = watchBeginning({
    self: id,
    founders,
    cluster: () => identity.identity.cluster,
    peers,
    clock,
    trust: () => raft.groups.forEach((group) => group.trust()),
    warn,
  });
  const membership = followMembership({ self: id, control, identity, peers, left: () => left.next(), say: warn });

  const founded = followFounding({ control, identity, cluster, peers, fail });
  control.note({ id, incarnation: identity.identity.incarnation, grpcAddress, httpAddress, zone });
  const mover = createShardMover({
    self: id,
    shards: serving,
    layouts,
    knowsMembers: () => {
      const { leader, applied, commit } = control.raft.status;
      return control.state.cluster !== null && leader !== null && applied >= commit;
    },
    peers,
    clock,
  });
  const moved = merge(control.changes, leads.changes).subscribe(() => shards.look());
  const inbox = openPeerInbox({ peers, raft, control, directory, beats, leads, standings, steering, warn });

  const serviceability = createHealth({
    state,
    cluster: () => cluster.value,
    control: control.raft,
    shards: shards.voting,
    log,
  });

  function health(): Health {
    const reasons = [...serviceability().reasons, ...standings.reasons()];
    return { ready: reasons.length === 0, reasons };
  }

  function fail(error: unknown): void {
    if (failure !== null) return;
    failure =
      error instanceof VedetteError ? error : new VedetteError('INTERNAL', describeError(error), { cause: error });
    tell('failed');
    failed.next(failure);
    // A log that has failed may never close.
    clock.defer(ended);
  }

  /** Null: calls are taken. */
  function refusal(): VedetteError | null {
    const taking = state() === 'joining' || state() === 'serving';
    // What was acknowledged before founders have met could not be told from what a lost disk held.
    if (taking && cluster.value === null) return unavailable('the cluster is not founded yet');
    if (taking) return null;
    return unavailable(failure === null ? `${id} is stopping` : `${id} has failed: ${failure.message}`);
  }

  function halt(): void {
    looking.cancel();
    beginning.stop();
    membership.stop();
    keeper.stop();
    standings.stop();
    raft.stop();
    snapshots.stop();
    beats.stop();
    inbox.stop();
    founded.unsubscribe();
    moved.unsubscribe();
    ingest.stop();
    subscriptions.stop();
    steering.stop();
    directory.stop();
    leads.stop();
    mover.stop();
    shards.stop();
    control.stop();
    peers.stop();
  }

  function drain(): void {
    const wanted = (group: GroupId) => layouts.current.replicas[groupNumber(group) - 1] ?? [];
    const isThere = (broker: BrokerId) => isLinked(peers.views, broker);
    handOver({ groups: raft.groups.values(), wanted, isLinked: isThere, clock }, () => {
      if (state() !== 'stopping') return;
      halt();
      log.close(() => {
        tell('drained');
        ended();
      });
    });
  }

  function ended(): void {
    const waiting = stopping;
    stopping = [];
    for (const done of waiting) done();
  }

  const looking = watchHealth(clock, merge(control.raft.statusChanges, shardChanges), () => {
    const { ready: isReady } = health();
    tell(isReady ? 'ready' : 'notReady');
    return isReady;
  });
  composed = true;
  if (state() === 'failed') halt();

  return {
    service: createBrokerService({ refusal, ingest, queries, subscriptions }),
    view,
    admin: steering.admin,
    health,
    figures: () => figuresOf({ ingest, subscriptions, shards, budget, log, raft, peers }),
    get groups() {
      return [...raft.groups.values()];
    },
    shards: serving,
    ready,
    failed,
    left,
    fail,
    stop(done) {
      stopping.push(done);
      tell('stop');
      if (state() === 'stopped' || state() === 'failed') clock.defer(ended);
    },
  };
}
