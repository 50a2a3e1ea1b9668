// watchdog: 180s
// `vedette up` with real processes: what it refuses, what it starts again, and that it leaves nothing behind, however it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ClusterProcess, startCluster } from '../support/cluster-process.ts';
import { freePortBase, holdPort } from '../support/ports.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';

const test = suite('up');
const NAMES = ['broker-1', 'agent', 'dashboard'];
const ONE = ['--brokers', '1', '--replicas', '1', '--shards', '4'];

async function vedette(...args: string[]) {
  const child = spawn(process.execPath, ['bin/vedette.mjs', ...args], { timeout: 30_000, killSignal: 'SIGKILL' });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const [code] = await once(child, 'close');
  return { code: code as number | null, out, err };
}

/** A process that has ended, and only waits for its parent to look, is gone. */
function isGone(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  try {
    return /\) Z /.test(readFileSync(stat, 'utf8'));
  } catch {
    return true;
  }
}

const pidsOf = (cluster: ClusterProcess) => Promise.all(NAMES.map((name) => cluster.pid(name)));
const lockOf = (cluster: ClusterProcess) => join(cluster.data, 'lock');
const portOf = (address: string | undefined) => Number(address?.split(':')[1]);

let cluster: ClusterProcess;
test.after(async () => {
  await cluster.stop();
});

test('ready: one line with the URL; hosts and machines answer from a terminal', async () => {
  cluster = await startCluster(ONE);
  assert.match(cluster.output(), `vedette ready: ${cluster.url}/\n`);
  const brokers = ['--brokers', cluster.brokers[0] ?? ''];
  await until('a host is known', async () => /online/.test((await vedette('hosts', ...brokers)).out));
  const hosts = await vedette('hosts', '--json', ...brokers);
  assert.is((JSON.parse(hosts.out) as { complete: boolean }).complete, true);
  const machines = await vedette('machines', '--json', '--kind', 'raft', ...brokers);
  const { machines: list } = JSON.parse(machines.out) as { machines: { id: string; state: string }[] };
  assert.ok(list.some(({ id, state }) => id === 'broker-1/raft/control' && state.startsWith('leader')));
  const one = await vedette('machines', 'broker-1/broker', ...brokers);
  assert.is((JSON.parse(one.out) as { id: string }).id, 'broker-1/broker');
  const none = await vedette('machines', 'broker-1/nothing', ...brokers);
  assert.is(none.code, 1);
  assert.match(none.err, 'no live machine "broker-1/nothing"');
  const wrong = await vedette('machines', 'nobody/broker', ...brokers);
  assert.is(wrong.code, 2);
  assert.match(wrong.err, 'an id begins with its broker, one of broker-1');
  assert.match(readFileSync(join(cluster.data, 'logs', 'broker-1.log'), 'utf8'), 'broker broker-1 ready');
});

test('a second one on the same data is refused; so is one on the same ports, which makes nothing', async () => {
  const second = await vedette('up', '--data', cluster.data);
  assert.is(second.code, 2);
  assert.match(second.err, `${cluster.data} is in use by process ${cluster.process.pid}`);

  const grpc = portOf(cluster.brokers[0]);
  const dashboard = portOf(cluster.url.replace('http://', ''));
  const table: [args: string[], words: RegExp][] = [
    [['--grpc-base', String(grpc - 1)], new RegExp(`port ${grpc} .* is in use; choose another with --grpc-base`)],
    [['--http-base', String(grpc - 1)], new RegExp(`port ${grpc} .* is in use; choose another with --http-base`)],
    [['--dashboard', `127.0.0.1:${dashboard}`], new RegExp(`port ${dashboard} .* choose another with --dashboard`)],
  ];
  const base = await freePortBase(10);
  for (const [args, words] of table) {
    const data = join(tempDirectory('up'), 'data');
    const free = ['--grpc-base', `${base}`, '--http-base', `${base + 3}`, '--dashboard', `127.0.0.1:${base + 7}`];
    const other = await vedette('up', '--data', data, ...free, ...ONE, ...args);
    assert.is(other.code, 2, other.err);
    assert.match(other.err, words);
    assert.not(existsSync(data));
  }
});

test('a broker whose directory is of another cluster than the one it is to join is refused', async () => {
  const data = tempDirectory('broker');
  const alone = { shards: 4, replicas: 1, founders: { b: '127.0.0.1:1' }, members: { b: '127.0.0.1:1' }, membersAt: 0 };
  const identity = { format: 2, broker: 'b', incarnation: 'incarnation', cluster: 'another', ...alone, removed: false };
  writeFileSync(join(data, 'identity.json'), JSON.stringify(identity));
  const free = await freePortBase(2);
  const addresses = ['--grpc', `127.0.0.1:${free + 1}`, '--http', `127.0.0.1:${free + 2}`];
  const { code, err } = await vedette(
    ...['broker', '--id', 'b', ...addresses, '--data', data, '--join', cluster.brokers.join()],
  );
  assert.is(code, 2, err);
  assert.match(err, /is the data directory of a broker of cluster another, and \S+ is of cluster \w+/);
  assert.equal(readdirSync(data), ['identity.json']);
});

test('a child that is killed is started again, and it is said', async () => {
  for (const name of NAMES) {
    const pid = await cluster.pid(name);
    process.kill(pid, 'SIGKILL');
    await until(`a new ${name}`, async () => (await cluster.pid(name).catch(() => pid)) !== pid);
    assert.match(cluster.output(), new RegExp(`${name} was killed by SIGKILL: starting it again in \\d+ ms`));
  }
  await until('all serve again', async () => {
    const hosts = await fetch(`${cluster.url}/api/v1/hosts`).catch(() => null);
    return hosts?.ok === true && /"complete":true/.test(await hosts.text());
  });
});

test('killed itself, it leaves no process behind', async () => {
  const pids = await pidsOf(cluster);
  cluster.process.kill('SIGKILL');
  await until('the children have ended', () => pids.every(isGone), 15_000);
  assert.ok(existsSync(lockOf(cluster)), 'it had no time to clean up');
});

test('its data goes on under the next one, and the lock of the dead one is taken over', async () => {
  const { data } = cluster;
  cluster = await startCluster([...ONE, '--data', data]);
  const brokers = ['--brokers', cluster.brokers[0] ?? ''];
  const { out } = await vedette('hosts', ...brokers);
  assert.not.match(out, 'No host');
});

test('SIGTERM to it and to all its children at once: everything ends in order', async () => {
  const pids = await pidsOf(cluster);
  for (const pid of pids) process.kill(pid, 'SIGTERM');
  assert.is(await cluster.stop(), 0, cluster.output());
  assert.ok(pids.every(isGone));
  const broker = join(cluster.data, 'broker-1');
  for (const lock of [lockOf(cluster), join(broker, 'log', 'lock')]) assert.not(existsSync(lock), lock);
  const log = readFileSync(join(cluster.data, 'logs', 'broker-1.log'), 'utf8');
  assert.not.match(log, 'by force');
});

test('a broker that is removed is not started again, now or by the next one', async () => {
  const two = ['--brokers', '2', '--replicas', '1', '--shards', '2'];
  const first = await startCluster(two);
  const removed = await vedette('cluster', 'remove', 'broker-2', '--brokers', first.brokers.slice(0, 2).join(','));
  assert.is(removed.code, 0, removed.err);
  await until('its end is said', () => first.output().includes('broker-2 has left the cluster'));
  assert.not.match(first.output(), 'starting it again');
  assert.is(await first.stop(), 0);

  const again = await startCluster([...two, '--data', first.data]);
  assert.match(again.output(), 'broker-2 is not started: it has left the cluster');
  assert.is(await again.stop(), 0);
});

test('a broker refuses what is not its own, says so in one line, and touches nothing', async () => {
  // They run at once, each with ports of its own: a broker that looks whether a port is free takes it for that moment.
  const base = await freePortBase(20);
  const blocked = base + 20;
  await holdPort(blocked);
  let next = base;
  const its = join(cluster.data, 'broker-1');
  const fresh = join(tempDirectory('broker'), 'data');
  const file = join(tempDirectory('broker'), 'a-file');
  writeFileSync(file, '');
  const damaged = tempDirectory('broker');
  writeFileSync(join(damaged, 'identity.json'), '{"format":');
  const start = (id: string, data: string, ...more: string[]) => {
    const grpc = `127.0.0.1:${++next}`;
    return vedette(
      ...['broker', '--id', id, '--grpc', grpc, '--http', `127.0.0.1:${++next}`, '--data', data],
      ...['--peers', `${id}=${grpc}`, '--shards', '4', '--replicas', '1', ...more],
    );
  };
  const taken = `127.0.0.1:${blocked}`;
  const table: [ReturnType<typeof start>, code: number, words: RegExp][] = [
    [start('broker-9', its), 2, /is the data directory of broker broker-1, not broker-9/],
    [start('broker-1', its, '--shards', '8'), 2, /a cluster with --shards 4, not 8/],
    [start('b', fresh, '--grpc', taken, '--peers', `b=${taken}`), 2, /in use; choose another with --grpc/],
    [start('b', fresh, '--http', taken), 2, new RegExp(`port ${blocked} .* in use; choose another with --http`)],
    [start('b', fresh, '--election-min', '10ms'), 2, /election timeout \(10 ms\) must be at least/],
    [start('b', fresh, '--shards', '5'), 2, /--shards 5 is no power of two/],
    [start('b', file), 2, /a-file/],
    [start('b', damaged), 1, /identity\.json is damaged/],
  ];
  for (const [result, code, words] of table) {
    const { code: found, err } = await result;
    assert.is(found, code, err);
    assert.match(err, words);
    assert.is(err.trimEnd().split('\n').length, 1, err);
  }
  assert.not(existsSync(fresh));
});

test.run();
