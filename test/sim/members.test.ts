// Brokers come and go, in a cluster of whole brokers on a virtual clock.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';

const id = (number: number) => `broker-${number}` as BrokerId;

async function started(seed: number, brokers: number, shards = 1): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers, shards, replicas: 3, seed });
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
