// watchdog: 120s
// A cluster of real processes, steered from a terminal and over HTTP, while brokers are killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClusterStatus, ConfigAnswer, NodeStatus } from '../../src/actors/admin-service.ts';
import { type ClusterProcess, startCluster } from '../support/cluster-process.ts';
import { until } from '../support/until.ts';

const test = suite('steering');

async function vedette(...args: string[]) {
  const child = spawn(process.execPath, ['bin/vedette.mjs', ...args], { timeout: 60_000, killSignal: 'SIGKILL' });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const [code] = await once(child, 'close');
  return { code: code as number | null, out, err };
}

let cluster: ClusterProcess;
test.before(async () => {
  cluster = await startCluster(['--shards', '4']);
});
test.after(async () => {
  assert.is(await cluster.stop(), 0, cluster.output());
});

const steer = (...words: string[]) => vedette('cluster', ...words, '--brokers', cluster.brokers.join());
async function data<T>(...words: string[]): Promise<T> {
  const { code, out, err } = await steer(...words, '--json');
  assert.is(code, 0, err);
  return JSON.parse(out) as T;
}
async function put(body: unknown) {
  const response = await fetch(`${cluster.url}/api/v1/cluster/config`, { method: 'PUT', body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as ConfigAnswer & { error?: { field?: string } } };
}

test('status and nodes: for programs as over HTTP, for people as a table', async () => {
  const status = await data<ClusterStatus>('status');
  const overHttp = (await cluster.json('/api/v1/cluster/status')) as ClusterStatus;
  assert.equal(Object.keys(status).toSorted(), Object.keys(overHttp).toSorted());
  assert.equal([status.clusterId, status.shards], [overHttp.clusterId, overHttp.shards]);
  assert.equal(
    status.brokers.map(({ id, membership }) => `${id} ${membership}`),
    ['broker-1 member', 'broker-2 member', 'broker-3 member'],
  );
  const { nodes } = await data<{ nodes: NodeStatus[] }>('nodes');
  assert.equal(nodes.flatMap(({ leads }) => leads).toSorted(), [0, 1, 2, 3]);

  const { out } = await steer('status');
  assert.match(out, new RegExp(`cluster ${status.clusterId}   leader ${status.leader}   term`));
  assert.match(out, /broker-3 +up +(?:leader|follower) +member/);
  assert.match(out, '4 shards, each with a leader');
});

test('the configuration: set from a terminal, raced for over HTTP', async () => {
  const before = await data<ConfigAnswer>('config', 'get');
  const set = await data<ConfigAnswer>('config', 'set', 'agents.heartbeatMs=2000');
  assert.equal([set.version, set.config['agents.heartbeatMs']], [before.version + 1, 2_000]);

  const { version, config } = set;
  const race = await Promise.all(
    [3_000, 4_000].map((ms) => put({ version, config: { ...config, 'agents.heartbeatMs': ms } })),
  );
  assert.equal(race.map(({ status }) => status).toSorted(), [200, 409]);
  const lost = race.find(({ status }) => status === 409);
  assert.is(lost?.body.error?.field, 'version');
  const won = race.find(({ status }) => status === 200);
  assert.equal(await data('config', 'get'), won?.body);

  const wrong = await put({ version: version + 1, config: { 'agents.hartbeatMs': 1_000 } });
  assert.equal([wrong.status, wrong.body.error?.field], [400, 'config.agents.hartbeatMs']);
  assert.is((await put({ config })).status, 400);
  assert.is((await put([])).status, 400);
});

test('the leader is killed: a change that is asked for at that moment is made once', async () => {
  const { leader } = await data<ClusterStatus>('status');
  const before = await data<ConfigAnswer>('config', 'get');
  const asked = steer('config', 'set', 'subscriptions.perBrokerMax=77', '--json');
  const pid = await cluster.pid(leader ?? '');
  process.kill(pid, 'SIGKILL');
  const { code, out, err } = await asked;
  assert.is(code, 0, err);
  const set = JSON.parse(out) as ConfigAnswer;
  assert.equal([set.version, set.config['subscriptions.perBrokerMax']], [before.version + 1, 77]);
  await until('the killed one is back, and knows it', async () => {
    const now = await data<ClusterStatus>('status');
    return now.brokers.every(({ state }) => state === 'up') && now.shards.every((shard) => shard.leader !== null);
  });
  for (const broker of cluster.brokers) {
    const { out: told } = await vedette('cluster', 'config', 'get', '--json', '--brokers', broker);
    assert.equal(JSON.parse(told), set, broker);
  }
});

test('what is wrong is said in one line, with the nearest right thing', async () => {
  const table: [words: string[], code: number, said: RegExp][] = [
    [[], 2, /takes one of status, nodes, config/],
    [['stauts'], 2, /did you mean status\?/],
    [['status', 'now'], 2, /"now" is too much/],
    [['config', 'sett'], 2, /did you mean set\?/],
    [['config', 'set'], 2, /takes KEY=NUMBER/],
    [['config', 'set', 'agents.heartbeatMs'], 2, /should be KEY=NUMBER/],
    [['config', 'set', 'agents.heartbeatMs=5s'], 2, /a number is expected/],
    [['config', 'set', 'agents.heartbeatMs=5'], 2, />=1000/],
    [['config', 'get', 'agents.hartbeatMs'], 2, /did you mean agents\.heartbeatMs\?/],
    [['snapshot', 'shard-4'], 2, /there are control and shard-0 to shard-3/],
    [['status', '--jsn'], 2, /did you mean --json\?/],
  ];
  const told = await Promise.all(table.map(([words]) => steer(...words)));
  for (const [at, [words, code, said]] of table.entries()) {
    const { code: found, err } = told[at] ?? { code: null, err: '' };
    assert.is(found, code, `${words.join(' ')}: ${err}`);
    assert.match(err, said);
    assert.is(err.trimEnd().split('\n').length, 1, err);
  }
  const nobody = await vedette('cluster', 'status', '--brokers', '127.0.0.1:1,127.0.0.1:2');
  assert.is(nobody.code, 1);
  assert.match(nobody.err, /no broker could answer \(127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: /);
});

test.run();
