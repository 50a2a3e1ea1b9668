// watchdog: 150s
// `vedette cluster recover` as a person would use it: two of three brokers are gone for ever, disks and all.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { test } from 'uvu';
import type { ClusterStatus } from '../../src/actors/admin-service.ts';
import { kernels } from '../../src/actors/kernels.ts';
import { openIdentity } from '../../src/actors/stores/identity.ts';
import { openLog } from '../../src/actors/stores/log-store.ts';
import { createNodeDisk } from '../../src/actors/stores/node-disk.ts';
import { createMonitorClients } from '../../src/actors/transports/grpc-client.ts';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { freePortBase } from '../support/ports.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { startVedette as vedette, type VedetteProcess as Process } from '../support/vedette-process.ts';

const hasEnded = ({ child }: Process): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(process: Process, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(process)) return;
  const ended = once(process.child, 'exit');
  process.child.kill(signal);
  await ended;
}

/** What it says, and its exit code. */
async function recover(...args: string[]): Promise<readonly [code: number | null, output: string]> {
  const { child, output } = vedette('cluster', 'recover', ...args);
  await once(child, 'close');
  return [child.exitCode, output()];
}

test('two of three brokers are lost: the third goes on with every row, and a fresh one is added', async () => {
  const base = await freePortBase(12);
  const data = tempDirectory('recover');
  const grpc = (id: string) => `127.0.0.1:${base + Number(id.slice(-1))}`;
  const http = (id: string) => `127.0.0.1:${base + 5 + Number(id.slice(-1))}`;
  const founders = [1, 2, 3].map((number) => `broker-${number}`);
  const peers = ['--peers', founders.map((id) => `${id}=${grpc(id)}`).join(), '--shards', '4'];
  const brokers = new Map<string, Process>();
  const start = (id: string, ...how: string[]) =>
    brokers.set(
      id,
      vedette('broker', '--id', id, '--grpc', grpc(id), '--http', http(id), '--data', join(data, id), ...how),
    );
  const broker = (id: string): Process => brokers.get(id) ?? assert.fail(`${id} was not started`);
  const isReady = (id: string) => broker(id).output().includes(`broker ${id} ready`);
  for (const id of founders) start(id, ...peers);
  await until('three are ready', () => founders.every(isReady), 30_000);
  const reports = ['--brokers', founders.map(grpc).join(), '--host-id', 'h', '--data', join(data, 'agent')];
  const agent = vedette('agent', ...reports);
  const clients = createMonitorClients();
  const timesAt = async (id: string): Promise<readonly number[]> => {
    const request = { hostId: 'h', startTime: { seconds: 1 }, metrics: ['system.uptime'] };
    const { frame, complete } = await clients.get(grpc(id)).getMetrics(request, { deadlineMs: 3_000 });
    assert.ok(complete);
    return frame?.timestampsMs ?? [];
  };
  const status = async (id: string) =>
    (await (await fetch(`http://${http(id)}/api/v1/cluster/status`)).json()) as ClusterStatus;
  await until('rows come in', async () => (await timesAt('broker-1').catch(() => [])).length > 3, 30_000);
  const { clusterId } = await status('broker-1');

  const own = ['--data', join(data, 'broker-1'), '--id', 'broker-1'];
  const [inUse, whoUsesIt] = await recover(...own);
  assert.equal(inUse, 2);
  assert.match(whoUsesIt, /is in use by process \d+/);

  // The survivor holds what the leaders had: nothing is reported while they go.
  await end(agent, 'SIGTERM');
  const before = await timesAt('broker-1');
  await end(broker('broker-3'), 'SIGKILL');
  await end(broker('broker-1'), 'SIGKILL');
  const [tooEarly, whoRuns] = await recover(...own, '--yes');
  assert.equal(tooEarly, 2);
  assert.match(whoRuns, /broker-2 runs, at .*\nNothing was written: --accept-doubt goes on nevertheless/);
  await end(broker('broker-2'), 'SIGKILL');
  for (const id of ['broker-2', 'broker-3']) rmSync(join(data, id), { recursive: true });

  const [looked, would] = await recover(...own);
  assert.equal(looked, 0, would);
  assert.match(would, new RegExp(`cluster ${clusterId}: broker-1 goes on alone .*; given up: broker-2, broker-3`));
  assert.match(would, /shard-3 .*broker-1 broker-2 broker-3\n[^]*Nothing was written\. --yes does it\./);
  const [code, answer] = await recover(...own, '--yes', '--json');
  assert.equal(code, 0, answer);
  const { becomes, lost } = JSON.parse(answer) as { becomes: string; lost: string[] };
  assert.deepEqual(lost, ['broker-2', 'broker-3']);
  assert.match((await recover(...own, '--yes')).join(), /^0,broker-1 is the only broker of cluster .*nothing to do/);

  start('broker-1', ...peers);
  await until('it is ready, alone', () => isReady('broker-1'), 30_000);
  const after = await status('broker-1');
  assert.equal(after.clusterId, becomes);
  assert.deepEqual(
    after.brokers.map(({ id }) => id),
    ['broker-1'],
  );
  assert.deepEqual(await timesAt('broker-1'), before);
  const again = vedette('agent', ...reports);
  await until('rows go on', async () => (await timesAt('broker-1')).length > before.length, 30_000);

  start('broker-4', '--join', grpc('broker-1'));
  await until('a fresh one is ready', () => isReady('broker-4'), 30_000);
  const there = async () => (await timesAt('broker-4').catch(() => [])).slice(0, before.length);
  await until('and has every row', async () => JSON.stringify(await there()) === JSON.stringify(before), 20_000);
  assert.equal((await status('broker-4')).clusterId, becomes);
  clients.close();
  for (const process of [again, broker('broker-4'), broker('broker-1')]) await end(process, 'SIGTERM');
});

test('what is in doubt is done only for who accepts it', async () => {
  const data = tempDirectory('recover-doubt');
  const [b1, disk, clock] = ['b1' as BrokerId, createNodeDisk(), createRealClock()];
  const founding = { members: { b1: 'x:1', b2: 'x:2', b3: 'x:3' }, shards: 2, replicas: 3 };
  openIdentity(disk, data, b1, { how: 'founder', founding }, () => 'incarnation').setCluster('c1' as ClusterId);
  const failed = (error: Error): void => assert.fail(error);
  const log = openLog({
    disk,
    directory: join(data, 'log'),
    clock,
    random: createRandom(1),
    kernels,
    warn() {},
    failed,
  });
  const entries = [{ index: 1, term: 3, kind: 'noop' as const, payload: new Uint8Array() }];
  for (const group of ['control', 'shard-0'] as const)
    await new Promise<void>((done) => log.write({ group, hard: { term: 3, votedFor: b1 }, entries }, done));
  await new Promise<void>((done) => log.close(done));

  const own = ['--data', data, '--id', 'b1'];
  const doubt = 'shard-1: nothing of it is here: it begins empty';
  const [looked, would] = await recover(...own);
  assert.equal(looked, 0);
  assert.ok(would.includes(`In doubt: ${doubt}.`), would);
  const [refused, why] = await recover(...own, '--yes');
  assert.equal(refused, 2);
  assert.equal(why, `vedette: ${doubt}\nNothing was written: --accept-doubt goes on nevertheless\n`);
  const [done, said] = await recover(...own, '--yes', '--accept-doubt');
  assert.equal(done, 0, said);
  assert.match(said, /Done: b1 is the only broker of cluster \w+\. Start it as before, but without --join\./);
  assert.match((await recover(...own)).join(), /^0,b1 is the only broker/);
  assert.match((await recover('--data', data)).join(), /^2,vedette: vedette cluster recover needs --id ID/);
});

test.run();
