// watchdog: 180s
// Whole brokers, agents and subscribers on virtual time: founding, forwarding, crashes, and that nothing acknowledged is lost, or
// shown twice.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Agent, createAgent } from '../../src/actors/agent.ts';
import { openSchemaTable } from '../../src/actors/agent/schema-table.ts';
import { openQueue } from '../../src/actors/stores/queue.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { SeriesDefinition } from '../../src/core/frame.ts';
import type { AgentId, BrokerId, HostId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';
import { createMemoryDisk } from '../support/memory-disk.ts';

const test = suite('brokers');
const SERIES: readonly SeriesDefinition[] = [
  { metric: 'test.counter', labels: {}, unit: '1', kind: 'counter' },
  { metric: 'test.gauge', labels: { part: 'a' }, unit: '1', kind: 'gauge' },
];

/** An agent with a made-up host. */
function startAgent(cluster: MemoryCluster, host: string, seed: number) {
  const { clock } = cluster;
  const agent = createAgent({
    hostId: host as HostId,
    agentId: `agent-${host}` as AgentId,
    labels: { zone: 'z1' },
    version: 'test',
    intervalMs: 1_000,
    brokers: cluster.addresses,
    clients: cluster.client,
    clock,
    random: createRandom(`${seed}/${host}`),
    inspector: createInspector({ clock }),
    collector: {
      collect(timestamp) {
        return { timestamp, series: SERIES, values: Float64Array.of(timestamp / 1000, Math.sin(timestamp)) };
      },
      close() {},
    },
    queue: openQueue({
      disk: createMemoryDisk(clock),
      directory: '/queue',
      clock,
      crc32c,
      warn: () => {},
      limits: limits.agent,
    }),
    schemas: openSchemaTable(createMemoryDisk(clock), '/agent', () => {}),
    warn: () => {},
  });
  return { agent };
}

/** A subscriber that goes on from its last cursor at another broker whenever its stream breaks. */
function startSubscriber(cluster: MemoryCluster, delivery: vedette.v1.Delivery) {
  const rows: string[] = [];
  const gaps: string[] = [];
  let cursor = '';
  let turn = 0;
  const open = () => {
    const names = new Map<number, string>();
    const source = cluster
      .client(cluster.addresses[turn++ % cluster.addresses.length] ?? '')
      .subscribe({ delivery, cursor, hostIds: ['*'], metrics: ['test.counter'] });
    source.inbox.subscribe({
      next(response) {
        for (const { schemaId, hostId } of response.schemas) names.set(schemaId ?? 0, hostId ?? '');
        for (const frame of response.frames) {
          const view = new DataView(Uint8Array.from(frame.packed ?? []).buffer);
          frame.timestampsMs?.forEach((time, at) => {
            assert.is(view.getFloat64(at * 8, true), time / 1000, 'a row holds what was recorded');
            rows.push(`${frame.hostId || names.get(frame.schemaId ?? 0)}@${time}`);
          });
        }
        if (response.gap) gaps.push(response.gap.reason ?? '');
        if (response.cursor !== '') cursor = response.cursor;
      },
      error: () => cluster.clock.after(20, open),
      complete: () => cluster.clock.after(20, open),
    });
  };
  open();
  return { rows, gaps };
}

const allReady = (cluster: MemoryCluster) => () =>
  cluster.ids.every((id) => cluster.isRunning(id) && cluster.broker(id).health().ready);

async function started(seed: number, brokers = 3, shards = 4): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers, shards, replicas: 3, seed });
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all brokers are ready', allReady(cluster));
  return cluster;
}

/** Stops the agents at an instant when everything they recorded is acknowledged; returns how many rows each has recorded. */
async function stopSettled(cluster: MemoryCluster, agents: readonly Agent[]): Promise<number[]> {
  const counts: number[] = [];
  for (const agent of agents) {
    await cluster.until('everything is acknowledged', () => agent.status.ackedRows === agent.status.sampledRows);
    counts.push(agent.status.sampledRows);
    agent.stop();
  }
  await cluster.advance(500);
  return counts;
}

async function readRows(cluster: MemoryCluster, host: string, at: number): Promise<number[]> {
  let answer: vedette.v1.MetricsResponse | null = null;
  let failure: unknown = null;
  const client = cluster.client(cluster.addresses[at % cluster.addresses.length] ?? '');
  client.getMetrics({ hostId: host, startTime: { seconds: 0 }, metrics: ['test.counter'] }).then(
    (response) => {
      answer = response;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await cluster.until(`rows of ${host}`, () => answer !== null || failure !== null);
  if (failure !== null) throw failure;
  const found = answer as vedette.v1.MetricsResponse | null;
  assert.ok(found?.complete);
  return found?.frame?.timestampsMs ?? [];
}

test('three brokers found one cluster, and agree on its id', async () => {
  const cluster = await started(1);
  const ids = new Set(cluster.ids.map((id) => (cluster.broker(id).view.status() as { clusterId: string }).clusterId));
  assert.is(ids.size, 1);
  for (const id of cluster.ids) cluster.crash(id);
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all are ready again', allReady(cluster));
  assert.equal(
    new Set(cluster.ids.map((id) => (cluster.broker(id).view.status() as { clusterId: string }).clusterId)),
    ids,
  );
});

test('rows of many hosts, reported anywhere, are read at every broker', async () => {
  const cluster = await started(2);
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f'];
  const agents = hosts.map((host) => startAgent(cluster, host, 2).agent);
  await cluster.advance(5_500);
  const counts = await stopSettled(cluster, agents);
  for (const [h, host] of hosts.entries()) {
    for (let at = 0; at < 3; at++)
      assert.is((await readRows(cluster, host, at)).length, counts[h], `${host} at broker ${at + 1}`);
  }
});

test('five brokers, three replicas: shards that are elsewhere are read and subscribed to, too', async () => {
  const cluster = await started(3, 5, 8);
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  const subscribers = [
    startSubscriber(cluster, vedette.v1.Delivery.EVERY),
    startSubscriber(cluster, vedette.v1.Delivery.EVERY),
  ];
  await cluster.advance(200);
  const agents = hosts.map((host) => startAgent(cluster, host, 3).agent);
  await cluster.advance(5_500);
  const counts = await stopSettled(cluster, agents);
  for (const [h, host] of hosts.entries()) {
    for (let at = 0; at < 5; at++)
      assert.is((await readRows(cluster, host, at)).length, counts[h], `${host} at broker ${at + 1}`);
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  for (const { rows } of subscribers) {
    assert.is(rows.length, total);
    assert.is(new Set(rows).size, total);
  }
});

test('a host that falls silent is offline between three and three and a half intervals later, on every broker', async () => {
  const cluster = await started(4);
  const { agent } = startAgent(cluster, 'mortal', 4);
  await cluster.advance(12_000);
  const stateAt = (id: BrokerId) =>
    [...cluster.broker(id).shards.values()].flatMap(({ hosts }) => hosts.get('mortal' as HostId)?.state ?? [])[0];
  assert.equal(cluster.ids.map(stateAt), ['online', 'online', 'online']);
  agent.stop();
  const stopped = cluster.clock.monotonic();
  await cluster.until('it is offline everywhere', () => cluster.ids.every((id) => stateAt(id) === 'offline'), 30_000);
  const after = cluster.clock.monotonic() - stopped;
  // The last heartbeat was up to one interval before the stop, and beats are passed on once a second.
  assert.ok(after >= 2 * 5_000 && after <= 3.5 * 5_000 + 1_100, `offline ${after} ms after the stop`);
});

test('crashes without end: every recorded row is readable once, and was shown to a subscriber once', async () => {
  for (let seed = 100; seed < 108; seed++) {
    process.stdout.write(`seed ${seed}\n`);
    const random = createRandom(seed);
    const cluster = await started(seed);
    const hosts = ['a', 'b', 'c'];
    const subscriber = startSubscriber(cluster, vedette.v1.Delivery.EVERY);
    await cluster.advance(100);
    const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
    const agents = hosts.map((host) => startAgent(cluster, host, seed).agent);
    for (let round = 0; round < 6; round++) {
      await cluster.advance(random.integer(200, 3_000));
      const victim = cluster.ids[random.integer(0, 2)] ?? cluster.ids[0];
      if (victim === undefined) continue;
      cluster.crash(victim);
      await cluster.advance(random.integer(10, 4_000));
      cluster.start(victim);
      await cluster.until('all are ready', allReady(cluster));
    }
    await cluster.advance(5_000);
    for (const agent of agents) {
      assert.is(agent.status.rejectedFrames, 0);
      assert.is(agent.status.droppedRows, 0);
      agent.stop();
    }
    await cluster.advance(3_000);
    const total: string[] = [];
    for (const host of hosts) {
      const times = await readRows(cluster, host, seed);
      const expected = Array.from({ length: times.length }, (_, at) => (times[0] ?? 0) + at * 1000);
      assert.equal(times, expected, `seed ${seed}: ${host} has a row for every second`);
      assert.ok((times[0] ?? 0) <= first + 1000, `seed ${seed}: ${host} begins at its first second`);
      for (const time of times) total.push(`${host}@${time}`);
    }
    assert.equal([...subscriber.rows].sort(), total.sort(), `seed ${seed}: a subscriber has seen each row once`);
    assert.equal(subscriber.gaps, []);
    assert.equal(cluster.failures, []);
  }
});

test.run();
