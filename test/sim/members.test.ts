// Brokers come and go, in a cluster of whole brokers on a virtual clock.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';

const id = (number: number) => `broker-${number}` as BrokerId;

async function started(seed: number, brokers: number, joiners = 0): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers, shards: 1, replicas: 3, seed, joiners });
  for (const broker of cluster.ids) cluster.start(broker);
  await cluster.until('all are ready', () => cluster.ids.every((broker) => cluster.broker(broker).health().ready));
  return cluster;
}

async function settled<T>(cluster: MemoryCluster, asked: Promise<T>): Promise<T | VedetteError> {
  let answer: { readonly of: T | VedetteError } | undefined;
  asked.then(
    (of) => (answer = { of }),
    (of: VedetteError) => (answer = { of }),
  );
  await cluster.until('it is settled', () => answer !== undefined);
  assert.ok(answer !== undefined);
  return answer.of;
}

async function refusal(cluster: MemoryCluster, asked: Promise<unknown>): Promise<string> {
  const answer = await settled(cluster, asked);
  assert.ok(answer instanceof VedetteError, 'it is refused');
  return `${answer.code} ${answer.field ?? ''}: ${answer.message}`;
}

const configurationAt = (cluster: MemoryCluster, broker: BrokerId) => {
  const control = cluster.broker(broker).groups.find((group) => group.id === 'control');
  assert.ok(control !== undefined);
  return control.status.configuration.configuration;
};

test('of four founders three vote; the one without replicas leaves, wherever that is asked', async () => {
  const cluster = await started(1, 4);
  await cluster.until('one of them learns', () => configurationAt(cluster, id(1)).learners.length === 1);
  const idle = cluster.ids.find((broker) => cluster.broker(broker).shards.size === 0);
  assert.ok(idle !== undefined);
  const asked = cluster.ids.find((broker) => broker !== idle) ?? id(1);
  const remove = () => settled(cluster, cluster.broker(asked).admin.removeBroker(idle));
  for (const answer of await Promise.all([remove(), remove()]))
    assert.ok(!(answer instanceof VedetteError), 'once, or on its way already');
  const others = cluster.ids.filter((broker) => broker !== idle);
  await cluster.until('it has left', () =>
    others.every((broker) => !configurationAt(cluster, broker).learners.includes(idle)),
  );
  assert.deepEqual(configurationAt(cluster, asked).voters, others);
});

const nodeAt = (cluster: MemoryCluster, asked: BrokerId, about: BrokerId) => cluster.broker(asked).view.node(about);

test('a broker joins, learns, and comes back by itself; with one more both vote; then one leaves, and says so', async () => {
  const cluster = await started(3, 3, 2);
  await cluster.join(id(4), id(2));
  await cluster.until('it is ready', () => cluster.broker(id(4)).health().ready);
  assert.equal(cluster.broker(id(4)).view.status().clusterId, cluster.broker(id(1)).view.status().clusterId);
  await cluster.until('it is a member', () => nodeAt(cluster, id(1), id(4))?.membership === 'member');
  await cluster.until('and learns', () => nodeAt(cluster, id(1), id(4))?.role === 'learner');
  for (const broker of [...cluster.ids, id(4)]) assert.equal(cluster.broker(broker).view.nodes().length, 4);

  cluster.crash(id(4));
  await cluster.advance(2_000);
  await cluster.join(id(5), id(3));
  await cluster.advance(2_000);
  assert.deepEqual(configurationAt(cluster, id(1)).voters, cluster.ids, 'one more alone would make four');
  cluster.start(id(4));
  await cluster.until('all five vote', () => configurationAt(cluster, id(4)).voters.length === 5);
  await cluster.until('it knows the newcomer', () => nodeAt(cluster, id(4), id(5))?.state === 'up');

  cluster
    .broker(id(4))
    .admin.removeBroker(id(5))
    .catch(() => assert.fail('it is not refused'));
  await cluster.until('it has left', () => cluster.left.includes(id(5)));
  await cluster.until('it is forgotten', () => nodeAt(cluster, id(1), id(5)) === undefined);
  assert.equal(configurationAt(cluster, id(1)).voters.length, 3, 'of four three vote');
  assert.throws(() => cluster.start(id(5)), /broker-5, which was removed from cluster .* empty directory and --join/);
  await cluster.join(id(5), id(1));
  await cluster.until('it is back, as new', () => configurationAt(cluster, id(5)).voters.length === 5);
  assert.equal(cluster.failures.length, 0);
});

test('a broker that leads the control group and leaves hands over first', async () => {
  const cluster = await started(4, 3, 1);
  await cluster.join(id(4), id(1));
  await cluster.until('it is a member', () => nodeAt(cluster, id(1), id(4))?.membership === 'member');
  const leader = cluster.broker(id(1)).view.status().leader as BrokerId;
  const asked = cluster.ids.find((broker) => broker !== leader) ?? id(1);
  cluster
    .broker(asked)
    .admin.removeBroker(leader)
    .catch(() => assert.fail('it is not refused'));
  await cluster.until('another leads, and another votes', () => {
    const { voters } = configurationAt(cluster, asked);
    return cluster.broker(asked).view.status().leader !== leader && !voters.includes(leader) && voters.includes(id(4));
  });
});

test('whoever leads the control group leaves a cluster that has just grown, and another one crashes meanwhile', async () => {
  for (const seed of [100, 101, 102, 103]) {
    const cluster = await started(seed, 3, 2);
    await cluster.join(id(4), id(1 + (seed % 3)));
    await cluster.join(id(5), id(1 + ((seed + 1) % 3)));
    await cluster.advance((seed % 7) * 400);
    const leaver = cluster.broker(id(1)).view.status().leader as BrokerId;
    const others = [1, 2, 3, 4, 5].map(id).filter((broker) => broker !== leaver);
    const [asked, , , victim] = others as [BrokerId, BrokerId, BrokerId, BrokerId];
    const answer = await settled(cluster, cluster.broker(asked).admin.removeBroker(leaver));
    assert.ok(!(answer instanceof VedetteError), `seed ${seed}: ${answer}`);
    await cluster.advance(300);
    cluster.crash(victim);
    await cluster.advance(1_500);
    cluster.start(victim);
    const isForgotten = () => others.every((broker) => nodeAt(cluster, broker, leaver) === undefined);
    await cluster.until('it is forgotten', isForgotten, 60_000);
    await cluster.until('and has said that it left', () => cluster.left.includes(leaver));
    await cluster.until('three of four vote', () => configurationAt(cluster, asked).voters.length === 3);
    await cluster.until('all are ready', () => others.every((broker) => cluster.broker(broker).health().ready));
    assert.deepEqual(cluster.failures, [], `seed ${seed}`);
  }
});

test('who cannot be added or removed is told apart', async () => {
  const cluster = await started(2, 3);
  const { admin } = cluster.broker(id(2));
  const add = (name: string, grpc: string) => refusal(cluster, admin.addBroker({ id: name, grpc, http: '', zone: '' }));
  assert.match(await add('broker-4', 'mem-broker-1:1'), /^ALREADY_EXISTS grpc: .* is the address of broker-1/);
  assert.match(
    await add('broker-1', 'elsewhere:1'),
    /^ALREADY_EXISTS id: broker-1 is a member already, at mem-broker-1/,
  );
  assert.match(await add('', 'elsewhere:1'), /^INVALID_ARGUMENT id/);
  assert.match(await add('broker-4', 'nonsense'), /^INVALID_ARGUMENT grpc/);
  assert.match(
    await refusal(cluster, admin.removeBroker('broker-11')),
    /^NOT_FOUND id: there is no broker "broker-11"; did you mean broker-1\?/,
  );
  cluster.crash(id(3));
  await cluster.until('it is missed', () => cluster.broker(id(2)).view.node('broker-3')?.state !== 'up');
  assert.match(
    await refusal(cluster, admin.removeBroker('broker-1')),
    /^FAILED_PRECONDITION id: without broker-1 the cluster would be broker-2, broker-3, and broker-3 cannot be reached/,
  );
});

test.run();
