// watchdog: 180s
// Whole brokers, agents and subscribers on virtual time: founding, forwarding, crashes, and that nothing acknowledged is lost, or
// shown twice.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId, HostId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { createRandom } from '../../src/streams/random.ts';
import { allReady, readRows, startAgent, started, startSubscriber, stopSettled } from '../support/scenes.ts';

const test = suite('brokers');

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
