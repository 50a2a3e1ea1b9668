// The directory (actors/directory.ts): members, layout, leaders and forwarding, from the links and the groups on this broker.
import { Subject } from 'rxjs';
import type { BrokerId, ClusterId, Millis, ShardId } from '../../core/ids.ts';
import { type Layout, shardOf } from '../../core/ring.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ForwardOutcome, ForwardReply, ForwardRequest } from '../../streams/envelope.ts';
import type { BrokerInfo, Directory } from '../directory.ts';
import type { MonitorClient } from '../monitor-client.ts';
import type { Shard } from '../shard.ts';
import { decodeProposal } from '../shard/row-proposal.ts';
import type { Peers } from './peers.ts';

export interface ClusterDirectoryPorts {
  readonly self: BrokerId;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly layout: Layout;
  readonly clusterId: () => ClusterId | null;
  readonly shards: ReadonlyMap<ShardId, Shard>;
  readonly peers: Peers;
  readonly clients: (address: string) => MonitorClient;
  readonly clock: Clock;
}

export interface ClusterDirectory extends Directory {
  /** A peer asks this broker, as a shard's leader, to propose. */
  answer(from: BrokerId, request: ForwardRequest): void;
  /** A peer answered. */
  settle(reply: ForwardReply): void;
  /** A stream broke: what was asked over it has an unknown outcome. */
  peerLost(peer: BrokerId): void;
  stop(): void;
}

interface Asked {
  readonly to: BrokerId;
  readonly shard: ShardId;
  readonly timer: Timer;
  readonly done: (outcome: ForwardOutcome) => void;
}

export function createClusterDirectory(ports: ClusterDirectoryPorts): ClusterDirectory {
  const { self, layout, shards, peers, clock } = ports;
  const changes = new Subject<void>();
  const asked = new Map<number, Asked>();
  /** Of shards without a replica here: who was named last. */
  const heardLeaders = new Map<ShardId, BrokerId>();
  let nextRequest = 1;
  const addresses = new Map<BrokerId, string>(peers.views.map(({ id, grpcAddress }) => [id, grpcAddress]));

  const subscriptions = [
    peers.changes.subscribe(() => changes.next()),
    ...[...shards.values()].map(({ raft }) => raft.statusChanges.subscribe(() => changes.next())),
  ];

  function end(requestId: number, outcome: ForwardOutcome): void {
    const request = asked.get(requestId);
    if (request === undefined) return;
    asked.delete(requestId);
    request.timer.cancel();
    if (outcome.outcome === 'applied') heardLeaders.set(request.shard, request.to);
    if (outcome.outcome === 'notApplied' && outcome.leader !== null) heardLeaders.set(request.shard, outcome.leader);
    request.done(outcome);
  }

  return {
    self,
    get clusterId() {
      return ports.clusterId();
    },
    ringVersion: layout.version,
    shardCount: layout.replicas.length,
    get brokers() {
      const own: BrokerInfo = { id: self, grpcAddress: ports.grpcAddress, httpAddress: ports.httpAddress, state: 'up' };
      return [own, ...peers.views].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    shardOf: (host) => shardOf(host, layout.replicas.length),
    replicasOf: (shard) => layout.replicas[shard] ?? [],
    shards,
    leaderOf(shard) {
      const local = shards.get(shard);
      return local === undefined ? (heardLeaders.get(shard) ?? null) : local.raft.status.leader;
    },
    changes,
    client(broker) {
      const address = addresses.get(broker);
      return broker === self || address === undefined ? null : ports.clients(address);
    },
    forward(to, shard, proposal, timeoutMs: Millis, done) {
      const requestId = nextRequest++;
      const view = peers.views.find(({ id }) => id === to);
      if (view === undefined || (view.state !== 'up' && view.state !== 'suspect')) {
        clock.defer(() =>
          done({ outcome: 'notApplied', code: 'UNAVAILABLE', message: `no link to ${to}`, leader: null }),
        );
        return;
      }
      const timer = clock.after(timeoutMs, () =>
        end(requestId, { outcome: 'unknown', message: `${to} did not answer within ${timeoutMs} ms` }),
      );
      asked.set(requestId, { to, shard, timer, done });
      peers.send(to, { kind: 'forward', requestId, shard, ringVersion: layout.version, proposal });
    },
    answer(from, { requestId, shard, proposal }) {
      const reply = (result: ForwardOutcome) => peers.send(from, { kind: 'forwardReply', requestId, result });
      const local = shards.get(shard);
      if (local === undefined) {
        reply({
          outcome: 'notApplied',
          code: 'FAILED_PRECONDITION',
          message: `${self} holds no replica of shard ${shard}`,
          leader: null,
        });
        return;
      }
      local.propose(decodeProposal(proposal), reply);
    },
    settle: ({ requestId, result }) => end(requestId, result),
    peerLost(peer) {
      for (const [requestId, { to }] of [...asked]) {
        if (to === peer) end(requestId, { outcome: 'unknown', message: `the link to ${peer} broke` });
      }
      changes.next();
    },
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
      for (const requestId of [...asked.keys()])
        end(requestId, { outcome: 'unknown', message: 'this broker is stopping' });
      changes.complete();
    },
  };
}
