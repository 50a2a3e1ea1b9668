// Brokers that do not belong together are told apart, and told why.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId } from '../../src/core/ids.ts';
import { createMemoryCluster } from '../support/memory-cluster.ts';
import { readRows, startAgent } from '../support/scenes.ts';

const test = suite('founding');
const ready = (cluster: ReturnType<typeof createMemoryCluster>, ids: readonly BrokerId[]) => () =>
  ids.every((id) => cluster.isRunning(id) && cluster.broker(id).health().ready);

test('a broker with other settings is refused by all, and fails with the reason; the others go on', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 4, replicas: 3, seed: 1 });
  const [one, two, three] = cluster.ids as [BrokerId, BrokerId, BrokerId];
  cluster.start(one);
  cluster.start(two);
  cluster.start(three, { shards: 8 });
  await cluster.until('it fails', () => cluster.failures.length > 0);
  assert.match(cluster.failures[0]?.message ?? '', /different --peers, --shards or --replicas/);
  await cluster.until('the other two are ready', ready(cluster, [one, two]));
  assert.is(cluster.failures.length, 1, 'only the odd one fails');
});

test("a data directory is its broker's own", async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 2 });
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all are ready', ready(cluster, cluster.ids));
  const [one, two] = cluster.ids as [BrokerId, BrokerId];
  cluster.crash(one);
  assert.throws(() => cluster.start(one, { as: two }), /is the data directory of broker broker-1, not broker-2/);
  assert.throws(() => cluster.start(one, { shards: 4 }), /is the data directory of a cluster with --shards 2, not 4/);
  cluster.start(one);
  await cluster.until('it is back', ready(cluster, cluster.ids));
});

test('settings that cannot work are refused at once', () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 6, replicas: 3, seed: 3 });
  assert.throws(() => cluster.start('broker-1' as BrokerId), /--shards 6 is no power of two/);
  const large = createMemoryCluster({ brokers: 8, shards: 8, replicas: 3, seed: 3 });
  assert.throws(() => large.start('broker-1' as BrokerId), /at most 7/);
});

test('without a quorum nobody is ready, and the reasons are told', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 4 });
  cluster.start('broker-1' as BrokerId);
  await cluster.advance(3_000);
  const { ready: isReady, reasons } = cluster.broker('broker-1' as BrokerId).health();
  assert.not(isReady);
  assert.ok(
    reasons.some((reason) => /not founded/.test(reason)) && reasons.some((reason) => /no leader/.test(reason)),
    `${reasons}`,
  );
});

const sound = (cluster: ReturnType<typeof createMemoryCluster>, id: BrokerId) =>
  cluster.broker(id).groups.every(({ status }) => status.role !== 'storageUncertain');

test('founders wait for each other before anything is agreed on; not for ever, and then they say so', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 5 });
  const [one, two, three] = cluster.ids as [BrokerId, BrokerId, BrokerId];
  cluster.start(one);
  cluster.start(two);
  await cluster.advance(9_000);
  assert.is(cluster.broker(one).view.status().clusterId, null);
  assert.ok(cluster.broker(one).health().reasons.includes('the founders have not all met yet'));
  cluster.start(three);
  await cluster.until('all are ready', ready(cluster, cluster.ids), 2_000);
  assert.not(cluster.warnings.some((warning) => /founded without/.test(warning)));

  const other = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 6 });
  other.start(one);
  other.start(two);
  await other.until('the two are ready', ready(other, [one, two]), 12_000);
  assert.ok(other.warnings.some((warning) => /broker-1: the cluster is founded without broker-3/.test(warning)));
  other.start(three);
  await other.until('the third one is taken in', ready(other, other.ids), 5_000);
});

test('a founder that is started before any other has met it may be started again', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 7 });
  const [one, two] = cluster.ids as [BrokerId, BrokerId];
  for (const id of cluster.ids) cluster.start(id);
  for (const afterMs of [1, 2, 3, 5, 8, 40]) {
    await cluster.advance(afterMs);
    for (const id of [one, two]) {
      cluster.crash(id);
      cluster.start(id);
    }
  }
  await cluster.until('all are ready', ready(cluster, cluster.ids), 15_000);
});

test('a wiped broker is vouched for, and votes no sooner; what was agreed on is there', async () => {
  for (const seed of [11, 12, 13]) {
    const cluster = createMemoryCluster({ brokers: 3, shards: 4, replicas: 3, seed });
    for (const id of cluster.ids) cluster.start(id);
    await cluster.until('all are ready', ready(cluster, cluster.ids));
    const wiped = cluster.ids[seed % 3] as BrokerId;
    const [other, another] = cluster.ids.filter((id) => id !== wiped) as [BrokerId, BrokerId];
    const before = cluster.broker(other).view.status().clusterId;
    const { agent } = startAgent(cluster, 'h', seed);
    await cluster.until('rows are acknowledged', () => agent.status.ackedRows > 3);
    cluster.crash(wiped);
    cluster.start(wiped, { fresh: true });
    assert.not(sound(cluster, wiped));
    await cluster.until('all leaders vouch for it', () => sound(cluster, wiped));
    await cluster.until('it is ready', ready(cluster, cluster.ids));
    assert.is(cluster.broker(wiped).view.status().clusterId, before);
    cluster.crash(other);
    await cluster.until('with it there is a quorum again', ready(cluster, [wiped, another]));
    await cluster.until('all is acknowledged', () => agent.status.ackedRows === agent.status.sampledRows);
    const recorded = agent.status.sampledRows;
    agent.stop();
    assert.is((await readRows(cluster, 'h', cluster.ids.indexOf(wiped))).length, recorded, `seed ${seed}`);
  }
});

test('founders that are wiped when the cluster has outgrown them found no second one', async () => {
  for (const [brokers, seed] of [
    [1, 31],
    [1, 32],
    [2, 33],
    [2, 34],
  ] as const) {
    const cluster = createMemoryCluster({ brokers, joiners: 5 - brokers, shards: 1, replicas: 5, seed });
    for (const id of cluster.ids) cluster.start(id);
    await cluster.until('the founders are ready', ready(cluster, cluster.ids));
    const all = [1, 2, 3, 4, 5].map((n) => `broker-${n}` as BrokerId);
    const joiners = all.slice(brokers);
    for (const id of joiners) await cluster.join(id, cluster.ids[0] as BrokerId);
    const status = (id: BrokerId) => cluster.broker(id).view.status();
    const before = status(all[0] as BrokerId).clusterId;
    await cluster.until('all are members, and ready', ready(cluster, all));
    await cluster.until('all vote', () =>
      cluster.broker(all[4] as BrokerId).groups.every((group) => group.members.length === 5),
    );
    for (const id of cluster.ids) cluster.crash(id);
    // Attempts to reach them are as far apart as they get.
    await cluster.advance(20_000);
    for (const id of cluster.ids) cluster.start(id, { fresh: true });
    // Who is sure of itself, and was not told so by a leader, has a term of its own.
    const believers = () =>
      cluster.ids
        .flatMap((id) => cluster.broker(id).groups)
        .filter(({ status: { role, term } }) => role !== 'storageUncertain' && term === 0);
    await cluster.until('they are taken in again', () => {
      assert.is(believers().length, 0, `seed ${seed}`);
      return ready(cluster, all)();
    });
    assert.ok(before !== null);
    for (const id of all) assert.is(status(id).clusterId, before, `${id}, seed ${seed}`);
    assert.equal(cluster.failures, []);
  }
});

test('where two of three are wiped nothing goes on, and every one of them says why', async () => {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed: 21 });
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all are ready', ready(cluster, cluster.ids));
  const [, two, three] = cluster.ids as [BrokerId, BrokerId, BrokerId];
  const saved = cluster.disk(two);
  for (const id of [two, three]) cluster.crash(id);
  for (const id of [two, three]) cluster.start(id, { fresh: true });
  await cluster.advance(30_000);
  const why =
    /broker-2 and broker-3 lost what they knew of control, shard-0, shard-1: .*bring one of their data directories back/;
  for (const id of cluster.ids) {
    assert.ok(
      cluster
        .broker(id)
        .health()
        .reasons.some((reason) => why.test(reason)),
      `${cluster.broker(id).health().reasons}`,
    );
    assert.is(cluster.broker(id).groups.filter(({ status }) => status.serving).length, 0);
  }
  assert.ok(cluster.warnings.some((warning) => why.test(warning)));
  assert.is(cluster.failures.length, 0);

  cluster.crash(two);
  cluster.start(two, { disk: saved });
  await cluster.until('with one directory back all goes on', ready(cluster, cluster.ids));
});

test.run();
