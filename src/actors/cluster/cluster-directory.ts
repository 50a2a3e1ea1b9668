// The directory (actors/directory.ts): members, layout, leaders and forwarding, from the links and the groups on this broker.
//
// Invariant: what was asked over a stream is answered over that stream or not at all. An answer that came over a later one could be
// taken for the answer to another request, of the asking broker's next process.
import { type Observable, Subject } from 'rxjs';
import { describeError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, Millis, ShardId } from '../../core/ids.ts';
import type { BrokerFacts } from '../../core/control-state.ts';
import { limits } from '../../core/limits.ts';
import { shardOf } from '../../core/ring.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ForwardOutcome, ForwardReply, ForwardRequest } from '../../streams/envelope.ts';
import type { BrokerInfo, Directory } from '../directory.ts';
import type { MonitorClient } from '../monitor-client.ts';
import type { Shard } from '../shard.ts';
import { decodeProposal, type RowProposal } from '../shard/row-proposal.ts';
import type { Layouts } from './layout.ts';
import type { Peers } from './peer-interface.ts';
import type { LeadTable } from './shard-leads.ts';
import { isLinked, relayTo } from './ways.ts';

export interface ClusterDirectoryPorts {
  readonly self: BrokerId;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly layouts: Pick<Layouts, 'current'>;
  readonly shardCount: number;
  readonly clusterId: () => ClusterId | null;
  /** What the cluster agreed on: where brokers are that are not linked, and the zones of all. */
  readonly announced: ReadonlyMap<BrokerId, BrokerFacts>;
  readonly shards: ReadonlyMap<ShardId, Shard>;
  readonly shardChanges: Observable<void>;
  readonly leads: Pick<LeadTable, 'leaderOf' | 'claimOf' | 'changes'>;
  readonly peers: Pick<Peers, 'views' | 'send' | 'changes'>;
  readonly clients: (address: string) => MonitorClient;
  readonly clock: Clock;
}

export interface ClusterDirectory extends Directory {
  /** A peer asks this broker, as a shard's leader, to propose. */
  answer(from: BrokerId, request: ForwardRequest): void;
  /** A peer answered. */
  settle(from: BrokerId, reply: ForwardReply): void;
  /** A stream ended: what was asked over it has an unknown outcome, and what it asked is not answered. */
  peerLost(peer: BrokerId): void;
  stop(): void;
}

interface Asked {
  readonly to: BrokerId;
  /** Not as the leader. */
  readonly relayed: boolean;
  readonly shard: ShardId;
  readonly timer: Timer;
  readonly done: (outcome: ForwardOutcome) => void;
}

interface Sending {
  readonly timeoutMs: Millis;
  readonly done: (outcome: ForwardOutcome) => void;
}

type NotApplied = Extract<ForwardOutcome, { outcome: 'notApplied' }>;

export function createClusterDirectory(ports: ClusterDirectoryPorts): ClusterDirectory {
  const { self, layouts, announced, shards, leads, peers, clock } = ports;
  const changes = new Subject<void>();
  const asked = new Map<number, Asked>();
  /** Of shards without a replica here: who was named last, for when nobody who is linked says that it leads. */
  const named = new Map<ShardId, BrokerId>();
  /** How many streams to each broker have ended. */
  const ended = new Map<BrokerId, number>();
  let nextRequest = 1;

  const subscriptions = [
    peers.changes.subscribe(() => changes.next()),
    leads.changes.subscribe(() => changes.next()),
    ports.shardChanges.subscribe(() => changes.next()),
  ];

  function end(requestId: number, outcome: ForwardOutcome): void {
    const request = asked.get(requestId);
    if (request === undefined) return;
    asked.delete(requestId);
    request.timer.cancel();
    const { to, relayed, shard, done } = request;
    if (outcome.outcome === 'applied' && !relayed) named.set(shard, to);
    else if (outcome.outcome === 'notApplied' && outcome.leader !== null) named.set(shard, outcome.leader);
    else if (named.get(shard) === to) named.delete(shard);
    done(outcome);
  }

  const no = (code: NotApplied['code'], message: string): NotApplied => ({
    outcome: 'notApplied',
    code,
    message,
    leader: null,
  });

  function send(to: BrokerId, request: Omit<ForwardRequest, 'kind' | 'requestId'>, rest: Sending): void {
    const { timeoutMs, done } = rest;
    if (asked.size >= limits.peers.forwardsMax) {
      const refusal = no('RESOURCE_EXHAUSTED', `${asked.size} proposals are on their way to other brokers`);
      clock.defer(() => done(refusal));
      return;
    }
    const requestId = nextRequest++;
    const timer = clock.after(timeoutMs, () =>
      end(requestId, { outcome: 'unknown', message: `${to} did not answer within ${timeoutMs} ms` }),
    );
    asked.set(requestId, { to, relayed: request.relay, shard: request.shard, timer, done });
    peers.send(to, { kind: 'forward', requestId, ...request });
  }

  /** Who else may be asked, on behalf of a broker that has no way to it. */
  function leaderElsewhere(shard: ShardId): BrokerId | null {
    const leader = leaderOf(shard);
    return leader !== null && leader !== self && isLinked(peers.views, leader) ? leader : null;
  }

  function leaderOf(shard: ShardId): BrokerId | null {
    const local = shards.get(shard);
    return local === undefined ? (leads.leaderOf(shard) ?? named.get(shard) ?? null) : local.raft.status.leader;
  }

  /** Those who vote in it, by whoever leads it; where nobody says so, those who are to. */
  function replicasOf(shard: ShardId): readonly BrokerId[] {
    const planned = layouts.current.replicas[shard] ?? [];
    const known = leads.claimOf(shard)?.configuration ?? shards.get(shard)?.raft.status.configuration;
    if (known === undefined) return planned;
    const { voters } = known.configuration;
    return [...planned.filter((id) => voters.includes(id)), ...voters.filter((id) => !planned.includes(id))];
  }

  const zoneOf = (id: BrokerId): string => announced.get(id)?.zone ?? '';

  function brokerInfo({ id, grpcAddress, httpAddress, state }: Peers['views'][number]): BrokerInfo {
    return {
      id,
      grpcAddress,
      httpAddress: httpAddress || (announced.get(id)?.httpAddress ?? ''),
      state,
      zone: zoneOf(id),
    };
  }

  return {
    self,
    get clusterId() {
      return ports.clusterId();
    },
    get ringVersion() {
      return layouts.current.version;
    },
    shardCount: ports.shardCount,
    get brokers() {
      const { grpcAddress, httpAddress } = ports;
      const own: BrokerInfo = { id: self, grpcAddress, httpAddress, state: 'up', zone: zoneOf(self) };
      return [own, ...peers.views.map(brokerInfo)].sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    shardOf: (host) => shardOf(host, ports.shardCount),
    replicasOf,
    shards,
    leaderOf,
    changes,
    client(broker) {
      const address = peers.views.find(({ id }) => id === broker)?.grpcAddress;
      return broker === self || address === undefined ? null : ports.clients(address);
    },
    forward(to, shard, proposal, timeoutMs: Millis, done) {
      if (to !== null && isLinked(peers.views, to))
        return send(to, { shard, proposal, relay: false }, { timeoutMs, done });
      if (named.get(shard) === to) named.delete(shard);
      const relay = relayTo(peers.views, to, nextRequest);
      if (relay !== null) return send(relay, { shard, proposal, relay: true }, { timeoutMs, done });
      const refusal = no('UNAVAILABLE', `no link to ${to ?? 'any other broker'}`);
      clock.defer(() => done(refusal));
    },
    answer(from, { requestId, shard, proposal, relay }) {
      const stream = ended.get(from) ?? 0;
      const reply = (result: ForwardOutcome) => {
        if ((ended.get(from) ?? 0) === stream) peers.send(from, { kind: 'forwardReply', requestId, result });
      };
      const refuse = (code: NotApplied['code'], message: string) =>
        reply({ outcome: 'notApplied', code, message, leader: leaderOf(shard) });
      const next = relay ? leaderElsewhere(shard) : null;
      if (next !== null)
        return send(
          next,
          { shard, proposal, relay: false },
          { timeoutMs: limits.ingest.forwardTimeoutMs, done: reply },
        );
      const local = shards.get(shard);
      if (local === undefined) return refuse('FAILED_PRECONDITION', `${self} holds no replica of shard ${shard}`);
      let rows: RowProposal;
      try {
        rows = decodeProposal(proposal);
      } catch (error) {
        return refuse('INVALID_ARGUMENT', `the proposal cannot be read: ${describeError(error)}`);
      }
      local.propose(rows, reply);
    },
    settle(from, { requestId, result }) {
      if (asked.get(requestId)?.to === from) end(requestId, result);
    },
    peerLost(peer) {
      ended.set(peer, (ended.get(peer) ?? 0) + 1);
      for (const [shard, broker] of named) if (broker === peer) named.delete(shard);
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
