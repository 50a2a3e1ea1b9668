// Steering a cluster of whole brokers, on a virtual clock: changes of the configuration from any broker, while leaders die.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { ConfigAnswer } from '../../src/actors/admin-service.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createMemoryCluster, type MemoryCluster } from '../support/memory-cluster.ts';

const id = (number: number) => `broker-${number}` as BrokerId;

async function started(seed: number): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({ brokers: 3, shards: 2, replicas: 3, seed });
  for (const broker of cluster.ids) cluster.start(broker);
  await cluster.until('all are ready', () => cluster.ids.every((broker) => cluster.broker(broker).health().ready));
  return cluster;
}

/** Lets virtual time run until it is settled. */
async function settled<T>(cluster: MemoryCluster, asked: Promise<T>): Promise<T | VedetteError> {
  let answer: T | VedetteError | undefined;
  asked.then(
    (value) => (answer = value),
    (error: VedetteError) => (answer = error),
  );
  await cluster.until('it is settled', () => answer !== undefined);
  assert.ok(answer !== undefined);
  return answer;
}

async function fine<T>(cluster: MemoryCluster, asked: Promise<T>): Promise<T> {
  const answer = await settled(cluster, asked);
  if (answer instanceof VedetteError) throw answer;
  return answer;
}

const leaderOf = (cluster: MemoryCluster): BrokerId => {
  const running = cluster.ids.find((broker) => cluster.isRunning(broker));
  const leader = running === undefined ? null : cluster.broker(running).view.status().leader;
  assert.ok(leader !== null);
  return leader as BrokerId;
};
const follower = (cluster: MemoryCluster): BrokerId => {
  const found = cluster.ids.find((broker) => cluster.isRunning(broker) && broker !== leaderOf(cluster));
  assert.ok(found !== undefined);
  return found;
};

test('set at one broker, read at every other one at once; of two at a time one wins', async () => {
  const cluster = await started(1);
  const admin = (broker: BrokerId) => cluster.broker(broker).admin;
  const first = await fine(cluster, admin(follower(cluster)).config());
  assert.equal(first.version, 0);
  const race = await Promise.all(
    [1, 2, 3].map((n) => settled(cluster, admin(id(n)).setConfig(0, { 'agents.heartbeatMs': 1_000 * n }))),
  );
  const won = race.filter((answer): answer is ConfigAnswer => !(answer instanceof VedetteError));
  assert.deepEqual(
    race.flatMap((answer) => (answer instanceof VedetteError ? [[answer.code, answer.field]] : [])),
    [
      ['ABORTED', 'version'],
      ['ABORTED', 'version'],
    ],
  );
  for (const broker of cluster.ids) assert.deepEqual(await fine(cluster, admin(broker).config()), won[0]);
});

test('a leader dies while a change is on its way: it is made once, and its author learns that it was', async () => {
  for (const afterMs of [0, 1, 2, 3, 5, 8, 12]) {
    const cluster = await started(afterMs + 10);
    const asked = follower(cluster);
    const leader = leaderOf(cluster);
    const answer = settled(cluster, cluster.broker(asked).admin.setConfig(0, { 'agents.heartbeatMs': 3_000 }));
    cluster.clock.after(afterMs, () => cluster.crash(leader));
    const told = await answer;
    assert.ok(
      !(told instanceof VedetteError),
      `${afterMs} ms: ${told instanceof VedetteError ? told.message : 'done'}`,
    );
    assert.equal((await fine(cluster, cluster.broker(asked).admin.config())).version, 1, `${afterMs} ms`);
  }
});

test('without a quorum nothing is read as if it were true, and what was asked ends as not known', async () => {
  const cluster = await started(3);
  const alone = leaderOf(cluster);
  for (const broker of cluster.ids) if (broker !== alone) cluster.crash(broker);
  const { admin } = cluster.broker(alone);
  const change = await settled(cluster, admin.setConfig(0, { 'agents.heartbeatMs': 3_000 }));
  assert.ok(change instanceof VedetteError && ['DEADLINE_EXCEEDED', 'UNAVAILABLE'].includes(change.code));
  const read = await settled(cluster, admin.config());
  assert.ok(read instanceof VedetteError && read.code === 'UNAVAILABLE', 'refused for now');
  assert.equal(admin.status().brokers.length, 3, 'what is known here is shown in any case');
});

test('what was agreed on is followed at once, by sessions that are open, too', async () => {
  const cluster = await started(5);
  const at = follower(cluster);
  const told: number[] = [];
  const wire = cluster.client(cluster.addresses[cluster.ids.indexOf(at)] ?? '').reportMetrics();
  wire.inbox.subscribe({ next: ({ heartbeatIntervalMs }) => told.push(heartbeatIntervalMs), error: () => {} });
  wire.outbox.next({ hello: { hostId: 'h', agentId: 'a' } });
  await cluster.until('the session is greeted', () => told.length === 1);
  const config = { 'agents.heartbeatMs': 7_000, 'subscriptions.perBrokerMax': 1 };
  await fine(cluster, cluster.broker(id(1)).admin.setConfig(0, config));
  await fine(cluster, cluster.broker(at).admin.config());
  wire.outbox.next({ heartbeat: {} });
  await cluster.until('the heartbeat is answered', () => told.length > 1);
  assert.deepEqual([told[0], told.at(-1)], [5_000, 7_000]);

  const refused: string[] = [];
  for (const host of ['one', 'two']) {
    const source = cluster.client(cluster.addresses[cluster.ids.indexOf(at)] ?? '').subscribe({ hostIds: [host] });
    source.inbox.subscribe({ error: ({ message }: Error) => refused.push(message) });
  }
  await cluster.until('the second is refused', () => refused.length > 0);
  assert.deepEqual(refused, [`${at} serves 1 subscriptions; at most 1`]);
});

test('a group that does not exist is named, with those that do', async () => {
  const cluster = await started(6);
  for (const wrong of ['shard-2', 'shard-01', 'shrd-1', '']) {
    const told = await settled(cluster, cluster.broker(id(1)).admin.snapshot(wrong));
    assert.ok(told instanceof VedetteError, wrong);
    assert.deepEqual([told.code, told.field], ['INVALID_ARGUMENT', 'group']);
    assert.match(told.message, /there are control and shard-0 to shard-1/);
  }
});

test('leadership goes to the broker that is named, asked of any broker; asked for again it is done already', async () => {
  const cluster = await started(7);
  const asked = follower(cluster);
  for (const group of ['control', 'shard-0', 'shard-1'])
    for (const to of [...cluster.ids, ...cluster.ids.slice(-1)]) {
      await fine(
        cluster,
        cluster
          .broker(asked)
          .admin.transfer(group, to)
          .then(() => 'done'),
      );
      const leader = () => {
        const { leader: control, shards } = cluster.broker(asked).view.status();
        return group === 'control' ? control : shards[Number(group.slice(-1))]?.leader;
      };
      await cluster.until(`${to} is seen to lead ${group}`, () => leader() === to, 1_000);
    }
});

test('who cannot lead is told apart: nobody of that name, no replica there, not running', async () => {
  const cluster = createMemoryCluster({ brokers: 4, shards: 2, replicas: 3, seed: 8 });
  for (const broker of cluster.ids) cluster.start(broker);
  await cluster.until('all are ready', () => cluster.ids.every((broker) => cluster.broker(broker).health().ready));
  const { admin, view } = cluster.broker(id(1));
  const without = cluster.ids.find((broker) => view.status().shards[0]?.replicas.includes(broker) !== true);
  const told = async (group: string, to: string) => {
    const answer = await settled(
      cluster,
      admin.transfer(group, to).then(() => 'done'),
    );
    return answer instanceof VedetteError ? `${answer.code} ${answer.field ?? ''}: ${answer.message}` : answer;
  };
  assert.match(
    await told('control', 'broker-11'),
    /^NOT_FOUND to: there is no broker "broker-11"; did you mean broker-1\?$/,
  );
  assert.match(await told('control', 'x'), /there are broker-1, broker-2, broker-3, broker-4$/);
  assert.match(await told('shard-2', 'broker-1'), /^INVALID_ARGUMENT group: .*shard-0 to shard-1$/);
  assert.match(
    await told('shard-0', without ?? ''),
    /^FAILED_PRECONDITION : broker-\d is no member of shard-0: .* are$/,
  );
  const away = follower(cluster);
  cluster.crash(away);
  assert.match(
    await told('control', away),
    /^UNAVAILABLE : leadership of control was not handed to .*: it did not take/,
  );
});

test('a broker that was away follows what was agreed on meanwhile', async () => {
  const cluster = await started(4);
  const away = follower(cluster);
  cluster.crash(away);
  const other = cluster.ids.find((broker) => cluster.isRunning(broker)) ?? away;
  await fine(cluster, cluster.broker(other).admin.setConfig(0, { 'subscriptions.perBrokerMax': 1 }));
  cluster.start(away);
  await cluster.until('it is ready', () => cluster.broker(away).health().ready);
  const read = await fine(cluster, cluster.broker(away).admin.config());
  assert.deepEqual([read.version, read.config['subscriptions.perBrokerMax']], [1, 1]);
});

test.run();
