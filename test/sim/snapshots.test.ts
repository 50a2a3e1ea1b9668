// watchdog: 240s
// Whole brokers whose logs are compacted all the time: what was recorded is read once, restarts begin from snapshots, and a broker
// that was away for long is sent one.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId, HostId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { MemoryCluster } from '../support/memory-cluster.ts';
import { allReady, readRows, startAgent, started, startSubscriber } from '../support/scenes.ts';

const test = suite('snapshots');
/** A few rows fill it. */
const TINY = {
  everyBytes: 1_000,
  horizonMs: 2_000,
  tailBytesMax: 2_000,
  tailBytesMin: 300,
  chunkBytes: 400,
  windowChunks: 2,
  patienceMs: 1_000,
};

const shardsOf = (cluster: MemoryCluster, id: BrokerId) => [...cluster.broker(id).shards.values()];

function isCompacted(cluster: MemoryCluster, id: BrokerId): boolean {
  return shardsOf(cluster, id).some(({ raft }) => raft.status.firstIndex > 1);
}

/** Everything recorded since `first` is there, once for each second, at every broker. */
async function checkRows(
  cluster: MemoryCluster,
  hosts: readonly string[],
  first: number,
  what: string,
): Promise<string[]> {
  const all: string[] = [];
  for (const host of hosts) {
    let before: readonly number[] | null = null;
    for (let at = 0; at < cluster.ids.length; at++) {
      const times = await readRows(cluster, host, at);
      const expected = Array.from({ length: times.length }, (_, n) => (times[0] ?? 0) + n * 1000);
      assert.equal(times, expected, `${what}: ${host} has a row for every second at broker ${at + 1}`);
      if (before !== null) assert.equal(times, before, `${what}: all brokers say the same of ${host}`);
      before = times;
    }
    assert.ok(
      (before?.[0] ?? Number.POSITIVE_INFINITY) <= first + 1_000,
      `${what}: ${host} begins at its first second`,
    );
    for (const time of before ?? []) all.push(`${host}@${time}`);
  }
  return all;
}

test('logs do not grow without end, and all restart from snapshots with what they had', async () => {
  const cluster = await started(1, 3, 2, TINY);
  const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
  const hosts = ['a', 'b', 'c', 'd'];
  const agents = hosts.map((host) => startAgent(cluster, host, 1).agent);
  await cluster.advance(20_000);
  const spans = () =>
    cluster.ids
      .flatMap((id) => shardsOf(cluster, id))
      .map(({ raft: { status } }) => status.lastIndex - status.firstIndex);
  const after20 = Math.max(...spans());
  await cluster.advance(20_000);
  assert.ok(cluster.ids.every((id) => isCompacted(cluster, id)));
  assert.ok(
    Math.max(...spans()) < 1.5 * after20 + 20,
    `${after20} entries after 20 s, ${Math.max(...spans())} after 40 s`,
  );
  for (const agent of agents) agent.stop();
  await cluster.advance(1_000);
  const before = await checkRows(cluster, hosts, first, 'before');
  const states = () =>
    cluster.ids.map((id) =>
      hosts.map((host) =>
        shardsOf(cluster, id).flatMap((shard) => shard.hosts.get(host as HostId)?.labels['zone'] ?? []),
      ),
    );
  const known = states();
  for (const id of cluster.ids) cluster.crash(id);
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all are ready', allReady(cluster));
  await cluster.advance(1_000);
  assert.equal(await checkRows(cluster, hosts, first, 'after'), before);
  assert.equal(states(), known);
  assert.ok(
    cluster.ids.every((id) => isCompacted(cluster, id)),
    'the log was not played back from its beginning',
  );
  assert.equal(cluster.failures, []);
});

test('a broker that was away for long is sent snapshots, and has everything from then on', async () => {
  for (const seed of [2, 3]) {
    const cluster = await started(seed, 3, 2, TINY);
    const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
    const hosts = ['a', 'b', 'c', 'd'];
    const agents = hosts.map((host) => startAgent(cluster, host, seed).agent);
    await cluster.advance(3_000);
    const [victim] = cluster.ids;
    assert.ok(victim);
    cluster.crash(victim);
    await cluster.advance(15_000);
    cluster.start(victim);
    await cluster.until('all are ready', allReady(cluster));
    await cluster.advance(4_000);
    for (const agent of agents) agent.stop();
    await cluster.advance(1_000);
    assert.ok(cluster.snapshotsOffered > 0, 'it was needed');
    await checkRows(cluster, hosts, first, `seed ${seed}`);
    // The others go: what the straggler was sent is all there is beside one.
    const others = cluster.ids.slice(2);
    for (const id of others) cluster.crash(id);
    await cluster.until('somebody leads again', () =>
      shardsOf(cluster, victim).every(({ raft }) => raft.status.leader !== null && raft.status.leader !== others[0]),
    );
    await cluster.advance(2_000);
    for (const host of hosts) assert.ok((await readRows(cluster, host, 0)).length >= 20);
    assert.equal(cluster.failures, []);
  }
});

test('all snapshots of one shard are damaged on a broker: it starts, is repaired there, and has lost nothing', async () => {
  const cluster = await started(4, 3, 2, TINY);
  const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
  const hosts = ['a', 'b', 'c', 'd'];
  const agents = hosts.map((host) => startAgent(cluster, host, 4).agent);
  const [victim] = cluster.ids;
  assert.ok(victim);
  await cluster.until('one is compacted there', () => isCompacted(cluster, victim), 60_000);
  const shard = shardsOf(cluster, victim).find(({ raft }) => raft.status.firstIndex > 1);
  assert.ok(shard);
  const { id } = shard.raft;
  cluster.crash(victim);
  const disk = cluster.disk(victim);
  const snapshots = disk.list('/data/snapshots').filter((name) => name.startsWith(`${id}-`));
  assert.is(snapshots.length, 2);
  for (const name of snapshots) {
    const path = `/data/snapshots/${name}`;
    disk.damage(path, disk.size(path) >> 1, (byte) => byte ^ 1);
  }
  cluster.start(victim);
  const doubted = () => cluster.broker(victim).groups.filter(({ status }) => status.role === 'storageUncertain');
  assert.equal(
    doubted().map((group) => group.id),
    [id],
    'in doubt in that group alone',
  );
  assert.ok(
    cluster.warnings.some((text) => text.includes(`no snapshot holds what was before: all of it is forgotten`)),
  );
  await cluster.until('it was repaired, and all are ready', () => doubted().length === 0 && allReady(cluster)());
  await cluster.advance(4_000);
  for (const agent of agents) agent.stop();
  await cluster.advance(1_000);
  await checkRows(cluster, hosts, first, 'afterwards');
  assert.equal(cluster.failures, []);
});

test('a subscriber that keeps up with installs and crashes has seen each row once; within the horizon nothing is a gap', async () => {
  let offered = 0;
  for (let seed = 200; seed < 206; seed++) {
    process.stdout.write(`seed ${seed}\n`);
    const random = createRandom(seed);
    const cluster = await started(seed, 3, 1, { ...TINY, horizonMs: 2_500, tailBytesMax: 1e6 });
    const hosts = ['a', 'b', 'c', 'd', 'e', 'f'];
    const subscriber = startSubscriber(cluster, vedette.v1.Delivery.EVERY);
    await cluster.advance(100);
    const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
    const agents = hosts.map((host) => startAgent(cluster, host, seed).agent);
    for (let round = 0; round < 5; round++) {
      await cluster.advance(random.integer(200, 3_000));
      const victim = cluster.ids[random.integer(0, 2)];
      assert.ok(victim);
      cluster.crash(victim);
      await cluster.advance(random.integer(2_000, 14_000));
      cluster.start(victim);
      await cluster.until('all are ready', allReady(cluster));
    }
    await cluster.advance(3_000);
    for (const agent of agents) agent.stop();
    await cluster.advance(2_000);
    const rows = await checkRows(cluster, hosts, first, `seed ${seed}`);
    assert.equal([...subscriber.rows].sort(), rows.sort(), `seed ${seed}: a subscriber has seen each row once`);
    assert.equal(subscriber.gaps, []);
    assert.equal(cluster.failures, []);
    offered += cluster.snapshotsOffered;
  }
  assert.ok(offered > 0, `${offered} snapshots were offered`);
});

test('tiny logs and crashes: every row is readable once; a subscriber sees nothing twice, and what it misses was told', async () => {
  for (let seed = 300; seed < 308; seed++) {
    process.stdout.write(`seed ${seed}\n`);
    const random = createRandom(seed);
    const cluster = await started(seed, 3, 2, TINY);
    const hosts = ['a', 'b', 'c'];
    const subscriber = startSubscriber(cluster, vedette.v1.Delivery.EVERY);
    await cluster.advance(100);
    const first = Math.ceil(cluster.clock.now() / 1000) * 1000;
    const agents = hosts.map((host) => startAgent(cluster, host, seed).agent);
    for (let round = 0; round < 5; round++) {
      await cluster.advance(random.integer(200, 6_000));
      const victim = cluster.ids[random.integer(0, 2)];
      assert.ok(victim);
      cluster.crash(victim);
      await cluster.advance(random.integer(10, 8_000));
      cluster.start(victim);
      await cluster.until('all are ready', allReady(cluster));
      await cluster.until('all have caught up', () => {
        const shards = cluster.ids.flatMap((id) => shardsOf(cluster, id));
        return shards.every(
          ({ id, raft }) =>
            raft.status.commit >=
            Math.max(...shards.filter((other) => other.id === id).map((other) => other.raft.status.commit)) - 5,
        );
      });
    }
    await cluster.advance(3_000);
    for (const agent of agents) agent.stop();
    await cluster.advance(2_000);
    const rows = await checkRows(cluster, hosts, first, `seed ${seed}`);
    assert.is(new Set(subscriber.rows).size, subscriber.rows.length, `seed ${seed}: nothing twice`);
    const missed = rows.filter((row) => !subscriber.rows.includes(row));
    assert.ok(missed.length === 0 || subscriber.gaps.length > 0, `seed ${seed}: ${missed.length} missed, no gap told`);
    assert.equal(
      subscriber.rows.filter((row) => !rows.includes(row)),
      [],
    );
    assert.equal(cluster.failures, []);
  }
});

test.run();
