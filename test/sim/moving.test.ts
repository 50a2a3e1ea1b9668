// watchdog: 180s
// Shards move while rows come in and subscribers watch, in clusters of whole brokers on virtual time: nothing that was acknowledged is
// lost, and nothing is shown twice.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { Agent } from '../../src/actors/agent.ts';
import { describeError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';
import { allReady, readRows, startAgent, started, startSubscriber } from '../support/scenes.ts';

const id = (number: number) => `broker-${number}` as BrokerId;
const HOSTS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Rows of several hosts come in, and somebody watches at every broker. */
async function underLoad(cluster: MemoryCluster, seed: number) {
  const subscribers = cluster.ids.map(() => startSubscriber(cluster, vedette.v1.Delivery.EVERY));
  await cluster.advance(200);
  const agents = HOSTS.map((host) => startAgent(cluster, host, seed).agent);
  await cluster.advance(2_000);
  return { subscribers, agents };
}

/** Every row that was recorded is read once, at each of these brokers, and was shown once to each subscriber. */
async function check(
  cluster: MemoryCluster,
  { subscribers, agents }: Awaited<ReturnType<typeof underLoad>>,
  at: readonly BrokerId[],
  seed: number,
): Promise<void> {
  const recorded = await settledRows(cluster, agents);
  const all: string[] = [];
  for (const [h, host] of HOSTS.entries()) {
    for (const broker of at) {
      const times = await readRows(cluster, host, broker);
      assert.equal(times.length, recorded[h], `seed ${seed}: ${host} at ${broker}`);
      assert.deepEqual(
        times,
        times.map((_, row) => (times[0] ?? 0) + row * 1000),
      );
      if (broker === at[0]) all.push(...times.map((time) => `${host}@${time}`));
    }
  }
  for (const { rows, gaps } of subscribers) {
    assert.deepEqual(rows.toSorted(), all.toSorted(), `seed ${seed}: a subscriber has seen each row once`);
    assert.deepEqual(gaps, []);
  }
  // Whoever was down when it was removed is told when it comes back.
  assert.deepEqual(
    cluster.failures.filter(({ message }) => !message.includes('was removed from the cluster')),
    [],
  );
}

async function settledRows(cluster: MemoryCluster, agents: readonly Agent[]): Promise<number[]> {
  const counts: number[] = [];
  for (const agent of agents) {
    await cluster.until('everything is acknowledged', () => agent.status.ackedRows === agent.status.sampledRows);
    assert.equal(agent.status.droppedRows + agent.status.rejectedFrames, 0);
    counts.push(agent.status.sampledRows);
    agent.stop();
  }
  await cluster.advance(3_000);
  return counts;
}

async function joinable(seed: number): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers: 3, shards: 8, replicas: 3, seed, joiners: 1 });
  for (const broker of cluster.ids) cluster.start(broker);
  await cluster.until('all are ready', allReady(cluster));
  return cluster;
}

const shardsAt = (cluster: MemoryCluster, broker: BrokerId) => cluster.broker(broker).view.status().shards;
const isForgotten = (cluster: MemoryCluster, broker: BrokerId, asked: BrokerId) =>
  cluster.broker(asked).view.node(broker)?.membership !== 'leaving';
const groupsAt = (cluster: MemoryCluster, broker: BrokerId) =>
  cluster
    .broker(broker)
    .groups.map(({ id: group }) => group)
    .filter((group) => group !== 'control');

async function leave(cluster: MemoryCluster, broker: BrokerId, asked: BrokerId): Promise<void> {
  let answered = false;
  cluster
    .broker(asked)
    .admin.removeBroker(broker)
    .then(
      () => (answered = true),
      (error: Error) => assert.fail(error),
    );
  await cluster.until('it is agreed on', () => answered);
}

test('a broker that leads shards leaves: its replicas go to others, then it is forgotten, and nothing is lost', async () => {
  for (const seed of [1, 2]) {
    process.stdout.write(`seed ${seed}\n`);
    const cluster = await started(seed, 4, 8);
    const load = await underLoad(cluster, seed);
    const goes = shardsAt(cluster, id(1)).find(({ leader }) => leader !== null)?.leader as BrokerId;
    const stay = cluster.ids.filter((broker) => broker !== goes);
    const asked = stay[seed % 3] as BrokerId;
    await leave(cluster, goes, asked);
    const moving = () => shardsAt(cluster, asked).flatMap(({ moving: move }) => move ?? []);
    await cluster.until('it is told what is under way', () => moving().length > 0);
    for (const { from, to } of moving()) {
      assert.deepEqual(from, [goes]);
      assert.ok(to.every((broker) => stay.includes(broker as BrokerId)));
    }
    await cluster.until('it has nothing any more', () => groupsAt(cluster, goes).length === 0, 60_000);
    await cluster.until('it is forgotten', () => isForgotten(cluster, goes, asked), 60_000);
    assert.deepEqual(moving(), []);
    for (const { replicas, leader } of shardsAt(cluster, asked)) {
      assert.equal(replicas.length, 3);
      assert.ok(!replicas.includes(goes) && leader !== goes);
    }
    await cluster.advance(2_000);
    await check(cluster, load, stay, seed);
  }
});

/** Unless it has left, and knows it. */
function startAgain(cluster: MemoryCluster, broker: BrokerId): void {
  try {
    cluster.start(broker);
  } catch (error) {
    assert.match(describeError(error), /was removed from cluster/);
  }
}

test('whoever leads a shard, or leaves, or is to take a shard over, crashes in the middle of it', async () => {
  for (const seed of [11, 12, 13]) {
    process.stdout.write(`seed ${seed}\n`);
    const random = createRandom(seed);
    const cluster = await started(seed, 5, 8);
    const load = await underLoad(cluster, seed);
    const goes = id(random.integer(1, 5));
    const stay = cluster.ids.filter((broker) => broker !== goes);
    await leave(cluster, goes, stay[0] as BrokerId);
    for (let crash = 0; crash < 3; crash++) {
      await cluster.advance(random.integer(10, 1_500));
      const moving = shardsAt(cluster, stay[0] as BrokerId).find(({ replicas }) => replicas.includes(goes));
      const victims = [goes, (moving?.leader ?? goes) as BrokerId, stay[random.integer(0, 3)] as BrokerId];
      const victim = victims[crash] as BrokerId;
      if (cluster.left.includes(victim)) continue;
      cluster.crash(victim);
      await cluster.advance(random.integer(10, 3_000));
      startAgain(cluster, victim);
      await cluster.until('a cluster is there', () =>
        shardsAt(cluster, stay[0] as BrokerId).every(({ leader }) => leader !== null),
      );
    }
    const isAway = () => stay.every((broker) => isForgotten(cluster, goes, broker));
    await cluster.until('it is forgotten', isAway, 60_000);
    await cluster.advance(5_000);
    await check(cluster, load, stay, seed);
  }
});

/** All shards lie as the layout of this broker says, and it leads as many as the others, one more or less. */
const areLaid = (cluster: MemoryCluster, asked: BrokerId) => () =>
  shardsAt(cluster, asked).every(({ leader, moving, replicas }) => leader !== null && !moving && replicas.length === 3);

test('a fourth broker joins: shards move to it, and after a while it leads its share', async () => {
  for (const seed of [21]) {
    process.stdout.write(`seed ${seed}\n`);
    const cluster = await joinable(seed);
    const load = await underLoad(cluster, seed);
    await cluster.join(id(4), id(1));
    await cluster.until('it is ready', () => cluster.broker(id(4)).health().ready, 5_000);
    await cluster.until(
      'shards have moved',
      () => groupsAt(cluster, id(4)).length > 0 && areLaid(cluster, id(1))(),
      60_000,
    );
    const held = [...cluster.ids, id(4)].map((broker) => groupsAt(cluster, broker).length);
    assert.ok(
      held.every((count) => count > 0 && count <= 7),
      `each holds its share: ${held.join(' ')}`,
    );
    const { shards: laid } = cluster.broker(id(1)).view.ring() as { shards: { replicas: BrokerId[] }[] };
    const firsts = laid.map(({ replicas }) => replicas[0]);
    for (const broker of [...cluster.ids, id(4)])
      assert.equal(firsts.filter((first) => first === broker).length, 2, 'each is to lead as many as the others');
    const leaders = () => shardsAt(cluster, id(1)).map(({ leader }) => leader);
    await cluster.until('they do', () => leaders().join() === firsts.join(), 120_000);
    const terms = () => cluster.broker(id(1)).groups.map(({ status }) => status.term);
    const before = terms();
    await cluster.advance(10_000);
    assert.deepEqual(terms(), before, 'then all is quiet');
    await check(cluster, load, [...cluster.ids, id(4)], seed);
  }
});

test('the newcomer leaves again: its shards come back to brokers that had forgotten them', async () => {
  const seed = 41;
  process.stdout.write(`seed ${seed}\n`);
  const cluster = await joinable(seed);
  const load = await underLoad(cluster, seed);
  await cluster.join(id(4), id(2));
  const isThere = () => groupsAt(cluster, id(4)).length > 0 && areLaid(cluster, id(1))();
  await cluster.until('shards have moved', isThere, 60_000);
  await cluster.until('they are gone elsewhere', () =>
    cluster.ids.some((broker) => groupsAt(cluster, broker).length < 8),
  );
  await leave(cluster, id(4), id(3));
  await cluster.until('it has left', () => cluster.left.includes(id(4)), 60_000);
  for (const broker of cluster.ids) {
    cluster.crash(broker);
    await cluster.advance(500);
    cluster.start(broker);
    await cluster.until('all are ready', allReady(cluster));
    assert.equal(cluster.broker(broker).shards.size, 8);
  }
  await check(cluster, load, cluster.ids, seed);
});

test('the joining broker crashes in the middle of it, again and again', async () => {
  for (const seed of [31, 32]) {
    process.stdout.write(`seed ${seed}\n`);
    const random = createRandom(seed);
    const cluster = await joinable(seed);
    const load = await underLoad(cluster, seed);
    await cluster.join(id(4), id(random.integer(1, 3)));
    for (let crash = 0; crash < 4; crash++) {
      await cluster.advance(random.integer(1, 800));
      cluster.crash(id(4));
      await cluster.advance(random.integer(10, 3_000));
      cluster.start(id(4));
    }
    await cluster.until(
      'shards have moved',
      () => groupsAt(cluster, id(4)).length > 0 && areLaid(cluster, id(1))(),
      60_000,
    );
    await check(cluster, load, [...cluster.ids, id(4)], seed);
  }
});

test.run();
