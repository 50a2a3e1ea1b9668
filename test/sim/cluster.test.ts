// watchdog: 120s
// What a cluster of whole brokers knows of itself, on virtual time: leaders, links, members; who is refused; how brokers stop and fail.
import { strict as assert } from 'node:assert';
import { ReplaySubject, Subject } from 'rxjs';
import { test } from 'uvu';
import { prometheusText } from '../../src/actors/cluster/broker-metrics.ts';
import type { ClusterStatus } from '../../src/actors/admin-service.ts';
import { brokerRoutes } from '../../src/actors/cluster/http-routes.ts';
import { isReply } from '../../src/actors/http-route.ts';
import type { BrokerId, HostId, ShardId } from '../../src/core/ids.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import { shardOf } from '../../src/core/ring.ts';
import { vedette } from '../../src/core/proto.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';

const id = (number: number) => `broker-${number}` as BrokerId;
const statusAt = (cluster: MemoryCluster, broker: BrokerId) => cluster.broker(broker).view.status();
const ready = (cluster: MemoryCluster, brokers = cluster.ids) =>
  brokers.every((broker) => cluster.isRunning(broker) && cluster.broker(broker).health().ready);

async function started(brokers: number, shards: number, seed: number, replicas = 3): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers, shards, replicas, seed });
  for (const broker of cluster.ids) cluster.start(broker);
  await cluster.until('all are ready', () => ready(cluster));
  return cluster;
}

/** The error that a promise rejects with, in virtual time. */
async function refusalOf(cluster: MemoryCluster, promise: Promise<unknown>): Promise<VedetteError> {
  let refusal: VedetteError | null = null;
  let answered = false;
  promise.then(
    () => {
      answered = true;
    },
    (error: VedetteError) => {
      refusal = error;
    },
  );
  await cluster.until('it is refused', () => refusal !== null || answered);
  assert.ok(refusal !== null, 'it was answered');
  return refusal;
}

test('links stay up in a cluster with nothing to say', async () => {
  const cluster = await started(5, 1, 1, 1);
  await cluster.advance(30_000);
  for (const broker of cluster.ids)
    assert.deepEqual(
      statusAt(cluster, broker).brokers.map(({ state }) => state),
      ['up', 'up', 'up', 'up', 'up'],
      broker,
    );
});

test('every broker knows the leader of every shard, and a new one within the time of an election', async () => {
  const cluster = await started(5, 16, 2);
  const complete = (brokers: readonly BrokerId[], without?: BrokerId) =>
    brokers.every((broker) =>
      statusAt(cluster, broker).shards.every(
        ({ leader, state }) => leader !== null && leader !== without && state === 'active',
      ),
    );
  await cluster.until('all leaders are known to all', () => complete(cluster.ids), 1_000);
  const told = cluster.ids.map((broker) =>
    JSON.stringify(statusAt(cluster, broker).shards.map(({ leader }) => leader)),
  );
  assert.equal(new Set(told).size, 1, 'all name the same ones');

  const { leader } = statusAt(cluster, id(1));
  assert.ok(leader !== null);
  const rest = cluster.ids.filter((broker) => broker !== leader);
  cluster.crash(leader as BrokerId);
  // The hint: an election begins within 20 ms of the broken link. Without it, after 250 ms of silence and more.
  await cluster.until('all leaders are others', () => complete(rest, leader as BrokerId), 150);
  for (const broker of rest) assert.notEqual(statusAt(cluster, broker).leader, leader);

  cluster.start(leader as BrokerId);
  await cluster.until('it is back', () => ready(cluster));
  await cluster.until('it was told by those it met', () => complete(cluster.ids), 100);
  const [shard] = statusAt(cluster, id(1)).shards;
  const outside = cluster.ids.find((broker) => !shard?.replicas.includes(broker));
  assert.ok(shard !== undefined && outside !== undefined);
  const other = shard.replicas.find((replica) => replica !== shard.leader);
  for (const replica of [shard.leader, other]) cluster.crash(replica as BrokerId);
  await cluster.until(
    'a shard without a quorum has no leader, also where it has no replica',
    () => statusAt(cluster, outside).shards[0]?.state === 'leaderless',
    1_500,
  );
});

test('what is read and written through a broker without a replica finds the new leader of a shard at once', async () => {
  const cluster = await started(5, 4, 3, 3);
  const [shard] = statusAt(cluster, id(1)).shards;
  assert.ok(shard !== undefined && shard.leader !== null);
  const outside = cluster.ids.find((broker) => !shard.replicas.includes(broker));
  assert.ok(outside !== undefined);
  const { view, service } = cluster.broker(outside);
  const host = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].find(
    (name) => cluster.broker(shard.leader as BrokerId).shards.get(0 as ShardId) && shardOfHost(cluster, name) === 0,
  );
  assert.ok(host !== undefined && view !== undefined);
  cluster.crash(shard.leader as BrokerId);
  await cluster.advance(300);
  // Nobody has reported such a host: whoever leads the shard has to say so.
  const asked = cluster.clock.monotonic();
  const request = vedette.v1.MetricsRequest.decode(vedette.v1.MetricsRequest.encode({ hostId: host }).finish());
  const refusal = await refusalOf(cluster, service.getMetrics(request, { forwarded: false, remoteAddress: 't' }));
  assert.equal(refusal.code, 'NOT_FOUND');
  assert.ok(cluster.clock.monotonic() - asked <= 200, `asked for ${cluster.clock.monotonic() - asked} ms`);
});

function shardOfHost(cluster: MemoryCluster, host: string): number {
  const count = statusAt(cluster, id(1)).shards.length;
  return cluster.broker(id(1)) && shardOf(host as HostId, count);
}

/** An agent's session at a broker, with one host. */
function session(cluster: MemoryCluster, broker: BrokerId, host: string) {
  const requests = new Subject<vedette.v1.ReportRequest>();
  let acked = 0;
  let sequence = 0;
  const responses = {
    send(response: vedette.v1.IReportResponse) {
      acked = Math.max(acked, response.ackedSequence ?? 0);
      return true;
    },
    drained: new Subject<void>(),
    closed: new ReplaySubject<void>(1),
    close() {},
  };
  const context = { forwarded: false, remoteAddress: 't' };
  cluster.broker(broker).service.reportMetrics({ requests, responses, pause() {}, resume() {} }, context);
  const say = (request: vedette.v1.IReportRequest) =>
    requests.next(vedette.v1.ReportRequest.decode(vedette.v1.ReportRequest.encode(request).finish()));
  say({ hello: { agentId: 'agent', hostId: host } });
  return {
    /** All that was reported is acknowledged. */
    isAcked: () => acked === sequence,
    beat: () => say({ heartbeat: { sentAtMs: cluster.clock.now(), hostIds: [] } }),
    report() {
      const column = { metric: 'm', unit: '1', kind: vedette.v1.MetricKind.GAUGE, values: [1] };
      const row = { hostId: host, timestampsMs: [cluster.clock.now()], columns: [column] };
      say({ batch: { sequence: ++sequence, frames: [row] } });
    },
  };
}

test('rows under way to a leader that dies are brought to the next one at once, not when its answer is overdue', async () => {
  const cluster = await started(5, 4, 11, 3);
  await cluster.advance(100);
  const [shard] = statusAt(cluster, id(1)).shards;
  assert.ok(shard !== undefined && shard.leader !== null);
  const outside = cluster.ids.find((broker) => !shard.replicas.includes(broker));
  const host = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].find((name) => shardOfHost(cluster, name) === 0);
  assert.ok(outside !== undefined && host !== undefined);
  const agent = session(cluster, outside, host);
  agent.report();
  await cluster.advance(0);
  assert.ok(!agent.isAcked());
  cluster.crash(shard.leader as BrokerId);
  await cluster.until('it is acknowledged', agent.isAcked, 500);
});

test("a broker without a link to a shard's leader: rows are acknowledged through another one, and the host stays online", async () => {
  const cluster = await started(3, 4, 12);
  const [shard] = statusAt(cluster, id(1)).shards;
  const leader = shard?.leader as BrokerId;
  const [cut, third] = cluster.ids.filter((broker) => broker !== leader) as [BrokerId, BrokerId];
  const host = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].find((name) => shardOfHost(cluster, name) === 0) ?? '';
  const agent = session(cluster, cut, host);
  agent.report();
  await cluster.until('its first row is acknowledged', agent.isAcked, 500);
  cluster.cut(cut, leader);
  for (let second = 0; second < 30; second++) {
    agent.report();
    if (second % 5 === 0) agent.beat();
    await cluster.until(`row ${second} is acknowledged`, agent.isAcked, second === 0 ? 1_500 : 900);
    await cluster.advance(1_000);
  }
  const list = cluster.client(`mem-${third}:1`).listHosts({});
  let states: unknown[] = [];
  list.then(({ hosts }) => {
    states = hosts.map(({ state, shard: of }) => [state, of]);
  }, assert.ifError);
  await cluster.until('the hosts are listed', () => states.length > 0);
  assert.deepEqual(states, [['online', 0]]);
  assert.equal(statusAt(cluster, third).shards[0]?.leader, leader, 'the one that is cut off deposes nobody');
  cluster.heal(cut, leader);
  await cluster.until('it is whole again', () => ready(cluster));
});

test('where a broker serves HTTP is agreed on, and known while it is down, also to those that have restarted', async () => {
  const cluster = await started(3, 2, 4);
  await cluster.until('all have presented themselves', () =>
    statusAt(cluster, id(1)).brokers.every(({ http }) => http !== ''),
  );
  await cluster.advance(500);
  cluster.crash(id(3));
  cluster.crash(id(1));
  cluster.start(id(1));
  await cluster.until('two are ready', () => ready(cluster, [id(1), id(2)]));
  const third = statusAt(cluster, id(1)).brokers.find((broker) => broker.id === id(3));
  assert.equal(third?.http, 'http-broker-3:1');
  assert.notEqual(third?.state, 'up');
});

test('a broker with other founding settings is refused, says why, and the others go on', async () => {
  for (const wrong of [1, 2, 3]) {
    const cluster = createMemoryCluster({ brokers: 3, shards: 4, replicas: 3, seed: 5 });
    const rest = cluster.ids.filter((broker) => broker !== id(wrong));
    for (const broker of rest) cluster.start(broker);
    await cluster.until('two are ready', () => ready(cluster, rest));
    cluster.start(id(wrong), { shards: 8 });
    await cluster.until('it gives up', () => cluster.failures.length > 0, 5_000);
    const [failure] = cluster.failures;
    assert.equal(failure?.code, 'FAILED_PRECONDITION');
    assert.match(failure.message, /were started with different --peers, --shards or --replicas/);
    await cluster.advance(5_000);
    assert.equal(cluster.failures.length, 1);
    assert.ok(ready(cluster, rest));
    assert.deepEqual(cluster.broker(id(wrong)).health().reasons[0], 'the broker is failed');
  }
});

test('a broker that begins anew under an id that is in use is refused', async () => {
  const cluster = await started(4, 4, 6);
  cluster.crash(id(4));
  // On the fourth's machine, with a directory of its own, somebody starts another broker-2.
  cluster.start(id(4), { as: id(2), fresh: true });
  await cluster.until('it gives up', () => cluster.failures.length > 0, 5_000);
  assert.match(cluster.failures[0]?.message ?? '', /two brokers have the id broker-2/);
  await cluster.advance(2_000);
  assert.equal(cluster.failures.length, 1);
  assert.ok(ready(cluster, [id(1), id(2), id(3)]));
});

test('a failed sync ends the broker: nothing is taken any more, and the others lead', async () => {
  const cluster = await started(3, 4, 7);
  const leader = statusAt(cluster, id(1)).leader as BrokerId;
  const rest = cluster.ids.filter((broker) => broker !== leader);
  const broken = cluster.broker(leader);
  cluster.disk(leader).failSync = true;
  // Something must be written for it to be noticed: the terms of the others' elections.
  for (const other of rest) cluster.crash(other);
  for (const other of rest) cluster.start(other);
  await cluster.until('it fails', () => cluster.failures.length > 0);
  const refusal = await refusalOf(cluster, broken.service.listBrokers({ forwarded: false, remoteAddress: 't' }));
  assert.equal(refusal.code, 'UNAVAILABLE');
  assert.match(refusal.message, /has failed/);
  assert.equal(broken.health().ready, false);
  assert.deepEqual(
    cluster
      .inspector(leader)
      .machines({ kind: 'broker' })
      .map(({ state }) => state),
    ['failed'],
  );
  await cluster.until('the others go on', () => ready(cluster, rest));
  let stopped = 0;
  broken.stop(() => stopped++);
  await cluster.advance(10);
  assert.equal(stopped, 1, 'what has failed is stopped at once');
});

test('a broker that is stopped refuses calls, ends streams, and says when its log is closed; once more is harmless', async () => {
  const cluster = await started(3, 4, 8);
  const broker = cluster.broker(id(2));
  const context = { forwarded: false, remoteAddress: 't' };
  const streams: string[] = [];
  const subscribe = (name: string) =>
    broker.service.subscribe(
      new vedette.v1.SubscribeRequest(),
      {
        send: () => true,
        drained: new Subject<void>(),
        closed: new ReplaySubject<void>(1),
        close: (error) => streams.push(`${name}: ${error?.code}`),
      },
      context,
    );
  const report = (name: string) =>
    broker.service.reportMetrics(
      {
        requests: new Subject<vedette.v1.ReportRequest>(),
        responses: {
          send: () => true,
          drained: new Subject<void>(),
          closed: new ReplaySubject<void>(1),
          close: (error) => streams.push(`${name}: ${error?.code}`),
        },
        pause() {},
        resume() {},
      },
      context,
    );
  subscribe('open subscription');
  report('open session');
  await cluster.advance(10);
  let stops = 0;
  broker.stop(() => stops++);
  broker.stop(() => stops++);
  subscribe('late subscription');
  report('late session');
  assert.deepEqual(streams.toSorted(), ['late session: UNAVAILABLE', 'late subscription: UNAVAILABLE']);
  await cluster.until('it has stopped', () => stops === 2);
  assert.deepEqual(streams.slice(2).toSorted(), ['open session: UNAVAILABLE', 'open subscription: UNAVAILABLE']);
  broker.stop(() => stops++);
  await cluster.until('a third call is answered, too', () => stops === 3);
  assert.equal((await refusalOf(cluster, broker.service.listBrokers(context))).code, 'UNAVAILABLE');
  assert.ok(
    statusAt(cluster, id(1)).shards.every(({ leader }) => leader !== null && leader !== id(2)),
    'the others lead everything by then',
  );
});

test('a member alone is not ready, and says why; it becomes ready when a quorum is there', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 4, replicas: 3, seed: 9 });
  cluster.start(id(1));
  await cluster.advance(3_000);
  assert.deepEqual(cluster.broker(id(1)).health(), {
    ready: false,
    reasons: [
      'the cluster is not founded yet',
      'the control group has no leader',
      'no leader for 4 of 4 shards (shard-0, shard-1, shard-2, …)',
      'the founders have not all met yet',
    ],
  });
  const told: boolean[] = [];
  cluster.broker(id(1)).ready.subscribe((isReady) => void told.push(isReady));
  cluster.start(id(2));
  await cluster.until('two of three are enough', () => ready(cluster, [id(1), id(2)]));
  await cluster.advance(200);
  assert.deepEqual(told, [false, true]);
  cluster.crash(id(2));
  await cluster.until('it is not ready without a quorum, and that was told', () => told.length === 3);
  assert.equal(cluster.broker(id(1)).health().ready, false);
  cluster.start(id(2));
  await cluster.until('and is again', () => told.length === 4);
  assert.deepEqual(told, [false, true, false, true], 'load balancers are told when it is not, too');
});

test('settings that cannot work are refused by name', () => {
  const start = (members: Record<string, string>, shards: number, replicas: number) => () => {
    const cluster = createMemoryCluster({ brokers: Object.keys(members).length, shards, replicas, seed: 1 });
    cluster.start(id(1));
  };
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`broker-${at + 1}`, 'x']));
  assert.throws(start(many, 4, 3), /8 brokers; at most 7 found a cluster together/);
  assert.throws(start({ a: '' }, 12, 3), /--shards 12 is no power of two/);
  assert.throws(start({ a: '' }, 4, 0), /--replicas must be at least 1/);
});

test("the cluster's part of the HTTP face has the agreed shapes", async () => {
  const cluster = await started(3, 4, 10);
  const broker = cluster.broker(id(1));
  const metrics = () => prometheusText(broker, { residentBytes: 1, cpuSeconds: 2, uptimeSeconds: 3 });
  const routes = brokerRoutes(broker, cluster.inspector(id(1)), metrics);
  const get = (path: string, params: Record<string, string> = {}, query = '') => {
    const route = routes.find((candidate) => candidate.path === path && candidate.method === 'GET');
    assert.ok(route !== undefined, path);
    return route.handle({ params, query: new URLSearchParams(query), body: undefined });
  };
  const status = get('/api/v1/cluster/status') as ClusterStatus;
  assert.deepEqual(Object.keys(status).toSorted(), [
    'brokers',
    'clusterId',
    'leader',
    'ringVersion',
    'shards',
    'storage',
    'term',
  ]);
  assert.deepEqual(Object.keys(status.brokers[0] ?? {}).toSorted(), [
    'grpc',
    'http',
    'id',
    'membership',
    'role',
    'state',
    'storageUncertain',
    'zone',
  ]);
  assert.deepEqual(status.brokers.map(({ role }) => role).toSorted(), ['follower', 'follower', 'leader']);
  assert.deepEqual(status.storage, { kind: 'embedded', state: 'ready' });
  assert.equal(status.ringVersion, 1);
  const { nodes } = get('/api/v1/cluster/nodes') as { nodes: { id: string; leads: number[]; replicas: number[] }[] };
  assert.deepEqual(nodes.flatMap(({ leads }) => leads).toSorted(), [0, 1, 2, 3]);
  assert.deepEqual(get('/api/v1/cluster/nodes/{id}', { id: 'broker-2' }), nodes[1]);
  assert.throws(() => get('/api/v1/cluster/nodes/{id}', { id: 'broker-9' }), /no broker "broker-9" in this cluster/);
  const ring = get('/api/v1/cluster/ring') as { version: number; shards: { replicas: string[] }[] };
  assert.deepEqual(
    ring.shards.map(({ replicas }) => replicas.toSorted()),
    Array.from({ length: 4 }, () => cluster.ids),
  );
  assert.equal((get('/api/v1/cluster/metrics') as { groups: number }).groups, 5);
  assert.deepEqual(get('/api/v1/cluster/health'), { ready: true, reasons: [] });
  assert.deepEqual(get('/healthz'), { status: 'alive' });

  const { machines } = get('/api/v1/machines', {}, 'kind=peer&state=up') as {
    machines: { id: string; state: string }[];
  };
  assert.deepEqual(
    machines.map((machine) => [machine.id, machine.state]),
    [
      ['broker-1/peer/broker-2', 'up'],
      ['broker-1/peer/broker-3', 'up'],
    ],
  );
  const one = get('/api/v1/machines/{id}', { id: 'broker-1/raft/control' }) as { kind: string; definition: unknown };
  assert.equal(one.kind, 'raft');
  assert.ok(one.definition !== undefined);
  assert.throws(() => get('/api/v1/machines/{id}', { id: 'broker-1/raft/shard-9' }), /no live machine/);

  const readyz = get('/readyz');
  assert.ok(isReply(readyz) && readyz.status === 200);
  const text = get('/metrics');
  assert.ok(isReply(text) && typeof text.body === 'string');
  assert.match(text.body, /^vedette_raft_groups 5$/m);
  assert.match(text.body, /^vedette_peers_up 2$/m);
  assert.match(text.body, /^vedette_raft_term\{group="control"\} \d+$/m);
  for (const other of [id(2), id(3)]) cluster.crash(other);
  await cluster.advance(2_000);
  const unready = get('/readyz');
  assert.ok(isReply(unready));
  assert.equal(unready.status, 503);
  assert.match(JSON.stringify(unready.body), /the control group has no leader/);
});

test.run();
