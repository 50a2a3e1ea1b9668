// watchdog: 150s
// Brokers come and go as processes: a fourth one joins three, one of the three is removed, and rows are read all the while.
import { once } from 'node:events';
import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { test } from 'uvu';
import type { ClusterStatus } from '../../src/actors/admin-service.ts';
import { createMonitorClients } from '../../src/actors/transports/grpc-client.ts';
import { freePortBase } from '../support/ports.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { startVedette as vedette, type VedetteProcess as Process } from '../support/vedette-process.ts';

const exitOf = async ({ child }: Process): Promise<number | null> =>
  child.exitCode ?? ((await once(child, 'exit'))[0] as number | null);

test('a fourth broker joins, the leader of the control group is removed and says so, nothing is missing meanwhile', async () => {
  const base = await freePortBase(12);
  const data = tempDirectory('membership');
  const ids = [1, 2, 3, 4].map((number) => `broker-${number}`);
  const grpc = (id: string) => `127.0.0.1:${base + Number(id.slice(-1))}`;
  const http = (id: string) => `127.0.0.1:${base + 5 + Number(id.slice(-1))}`;
  const founders = ids.slice(0, 3);
  const broker = (id: string, ...how: string[]) =>
    vedette('broker', '--id', id, '--grpc', grpc(id), '--http', http(id), '--data', join(data, id), ...how);
  const peers = ['--peers', founders.map((id) => `${id}=${grpc(id)}`).join(), '--shards', '4'];
  const brokers = new Map(founders.map((id) => [id, broker(id, ...peers)]));
  const isReady = (id: string) => brokers.get(id)?.output().includes(`broker ${id} ready`) === true;
  await until('three are ready', () => founders.every(isReady), 30_000);
  const agent = vedette('agent', '--brokers', ids.map(grpc).join(), '--host-id', 'h', '--data', join(data, 'agent'));

  const clients = createMonitorClients();
  const rowsAt = async (id: string): Promise<number> => {
    const request = { hostId: 'h', startTime: { seconds: 1 }, metrics: ['system.uptime'] };
    const { frame, complete } = await clients.get(grpc(id)).getMetrics(request, { deadlineMs: 3_000 });
    assert.ok(complete);
    return frame?.timestampsMs?.length ?? 0;
  };
  const status = async (id: string) =>
    (await (await fetch(`http://${http(id)}/api/v1/cluster/status`)).json()) as ClusterStatus;
  const nodeAt = async (asked: string, id: string) => (await status(asked)).brokers.find((known) => known.id === id);
  await until('rows come in', async () => (await rowsAt('broker-1').catch(() => 0)) > 0, 20_000);

  // It may be added before it is started; then it is a member already when it asks to join.
  const addition = vedette('cluster', 'add', 'broker-4', '--grpc', grpc('broker-4'), '--brokers', grpc('broker-2'));
  assert.equal(await exitOf(addition), 0, addition.output());
  assert.match(
    addition.output(),
    /broker-4 is a member of cluster .* waits to be started:\n {2}vedette broker .*--join/,
  );
  assert.equal((await nodeAt('broker-2', 'broker-4'))?.membership, 'joining');
  brokers.set('broker-4', broker('broker-4', '--join', founders.map(grpc).join()));
  await until('the fourth one is ready', () => isReady('broker-4'), 30_000);
  await until('it is a member', async () => (await nodeAt('broker-1', 'broker-4'))?.membership === 'member', 10_000);
  await until('and learns', async () => (await nodeAt('broker-4', 'broker-4'))?.role === 'learner', 10_000);

  const leader = (await status('broker-4')).leader ?? '';
  assert.ok(founders.includes(leader));
  const others = ids.filter((id) => id !== leader);
  // Read all the while, at one that stays: what was there is there.
  let longest = 0;
  let served = performance.now();
  let most = 0;
  let reading = true;
  const reads = (async () => {
    while (reading) {
      const rows = await rowsAt(others[0] ?? '').catch(() => -1);
      const now = performance.now();
      longest = Math.max(longest, now - served);
      if (rows < 0) continue;
      assert.ok(rows >= most, `${rows} rows, there were ${most}`);
      most = rows;
      served = now;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const asked = ['--brokers', others.map(grpc).join()];
  const removal = vedette('cluster', 'remove', leader, ...asked);
  assert.equal(await exitOf(removal), 0, removal.output());
  assert.match(removal.output(), new RegExp(`${leader} is leaving: .*\\n[^]*${leader} has left the cluster`));
  const removed = brokers.get(leader);
  assert.ok(removed !== undefined);
  assert.equal(await exitOf(removed), 0, removed.output());
  assert.match(removed.output(), new RegExp(`${leader} is stopping: it has left cluster`));
  const had = most;
  await until('rows go on', () => most > had, 10_000);
  reading = false;
  await reads;
  assert.ok(longest < 5_000, `no answer for ${longest} ms`);

  const after = await status(others[0] ?? '');
  assert.deepEqual(
    after.brokers.map(({ id, membership }) => `${id} ${membership}`),
    others.map((id) => `${id} member`),
  );
  const again = broker(leader, ...peers);
  assert.equal(await exitOf(again), 2);
  assert.match(again.output(), /which was removed from cluster .*start it with an empty directory and --join/);
  clients.close();
  const rest = [agent, ...others.flatMap((id) => brokers.get(id) ?? [])];
  for (const { child } of rest) child.kill('SIGTERM');
  for (const one of rest) assert.equal(await exitOf(one), 0, one.output());
});

test.run();
