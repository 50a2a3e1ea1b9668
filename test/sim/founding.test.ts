// Brokers that do not belong together are told apart, and told why.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId } from '../../src/core/ids.ts';
import { createMemoryCluster } from '../support/memory-cluster.ts';

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

test.run();
