// `vedette cluster` beside HTTP, over one broker that only answers: with --json it prints what HTTP answers, without it what people read.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AdminService, ClusterStatus, NodeStatus } from '../../src/actors/admin-service.ts';
import type { Broker } from '../../src/actors/broker-interface.ts';
import { configFrom } from '../../src/actors/cluster/cluster-config.ts';
import { brokerRoutes } from '../../src/actors/cluster/http-routes.ts';
import { isReply, type Route } from '../../src/actors/http-route.ts';
import type { MonitorService } from '../../src/actors/monitor-service.ts';
import { createAdminClient } from '../../src/actors/transports/admin-client.ts';
import { createGrpcPeers } from '../../src/actors/transports/grpc-peers.ts';
import { startGrpcServer } from '../../src/actors/transports/grpc-server.ts';
import { actionOf, clusterCommand } from '../../src/cli/cluster.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { invalidArgument } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { freePortBase } from '../support/ports.ts';

const test = suite('cluster command');
const clock = createRealClock();

/** A broker of a cluster of two, which changes as it is asked to; who leaves is gone after it was looked at three times. */
function fakeBroker(grpc: string) {
  const node = (id: string, more: Partial<NodeStatus> = {}): NodeStatus => ({
    ...{ id, state: 'up', grpc, http: '', role: 'follower', zone: '', membership: 'member' },
    ...{ storageUncertain: [], leads: [], replicas: [0], ...more },
  });
  const known = new Map(
    [node('b-1', { role: 'leader', leads: [0], zone: 'z' }), node('b-2')].map((one) => [one.id, one]),
  );
  let version = 3;
  let looks = 0;
  const nodes = () => {
    const leaver = [...known.values()].find(({ membership }) => membership === 'leaving');
    if (leaver !== undefined && ++looks > 3) known.delete(leaver.id);
    return [...known.values()];
  };
  const status = (): ClusterStatus => ({
    ...{ clusterId: 'c', term: 4, leader: 'b-1', ringVersion: 2, storage: { kind: 'embedded', state: 'ready' } },
    brokers: nodes().map(({ leads: _, replicas: __, ...broker }) => broker),
    shards: [{ id: 0, leader: 'b-1', replicas: ['b-1', 'b-2'], state: 'active' }],
  });
  const admin: AdminService = {
    status,
    nodes,
    config: async () => ({ version, config: configFrom({}) }),
    openSession: async () => 7,
    setConfig: async () => ({ version: ++version, config: configFrom({}) }),
    async addBroker({ id, zone }) {
      known.set(id, node(id, { membership: 'joining', state: 'connecting', role: 'none', replicas: [], zone }));
      const brokers = [...known.values()].map((one) => ({ id: one.id, grpc: one.grpc }));
      return { clusterId: 'c', shards: 1, replicas: 2, founders: [], brokers, membersAt: 9 };
    },
    async removeBroker(id) {
      const leaver = known.get(id);
      if (leaver === undefined) throw invalidArgument('id', `there is no broker ${id}`);
      known.set(id, { ...leaver, membership: 'leaving' });
    },
    snapshot: async () => 42,
    transfer: async () => {},
  };
  const view = { status, nodes, node: (id: string) => nodes().find((one) => one.id === id), ring: () => ({}) };
  return { admin, view } as unknown as Broker;
}

async function setUp() {
  const address = `127.0.0.1:${(await freePortBase(1)) + 1}`;
  // Each way has a broker of its own, in the same state.
  const [overGrpc, overHttp] = [fakeBroker(address), fakeBroker(address)];
  const peers = createGrpcPeers('b-1' as BrokerId);
  const server = await startGrpcServer({ address, service: {} as MonitorService, admin: overGrpc.admin, peers });
  const admin = createAdminClient({ addresses: [address], clock, random: createRandom('cluster command') });
  const routes = brokerRoutes(overHttp, createInspector({ clock }), () => '');
  return {
    say: (...words: string[]) => actionOf(parseFlags(clusterCommand, words, {}))(admin),
    async http(method: Route['method'], path: string, body?: object) {
      const route = routes.find((each) => each.method === method && each.path === `/api/v1/cluster/${path}`);
      const answer = await route?.handle({ params: { id: 'b-2' }, query: new URLSearchParams(), body });
      return isReply(answer) ? answer.body : answer;
    },
    close() {
      admin.close();
      return new Promise<void>((done) => server.stop(done));
    },
  };
}

const add = ['add', 'b-3', '--grpc', '127.0.0.1:9', '--zone', 'z'];
type Asked = readonly [method: Route['method'], path: string, body?: object];
const actions: [words: readonly string[], asked: Asked, forPeople: RegExp][] = [
  [['status'], ['GET', 'status'], /cluster c +leader b-1 +term 4/],
  [['nodes'], ['GET', 'nodes'], /^b-1 +up +leader/m],
  [add, ['POST', 'nodes', { id: 'b-3', grpc: '127.0.0.1:9', zone: 'z' }], /b-3 is a member of cluster c; it waits/],
  [
    ['remove', 'b-2'],
    ['DELETE', 'nodes/{id}'],
    /^b-2 has left the cluster; its data directory may be deleted\none broker is left:/m,
  ],
  [['remove', 'b-2', '--no-wait'], ['DELETE', 'nodes/{id}'], /^b-2 is leaving; vedette cluster status shows/],
  [['config', 'get'], ['GET', 'config'], /\d/],
  [['snapshot', 'shard-0'], ['POST', 'snapshot', { group: 'shard-0' }], /^shard-0: .* up to entry 42$/m],
  [['transfer', 'control', 'b-2'], ['POST', 'transfer', { group: 'control', to: 'b-2' }], /^b-2 leads control$/m],
];

for (const [words, asked, forPeople] of actions)
  test(`${words.join(' ')}: the HTTP answer with --json, words without`, async () => {
    const plain = await setUp();
    assert.match(await plain.say(...words), forPeople);
    await plain.close();
    const json = await setUp();
    const said: unknown = JSON.parse(await json.say(...words, '--json'));
    assert.equal(said, JSON.parse(JSON.stringify(await json.http(...asked))));
    await json.close();
  });

test('after a change: the node, as it stands then', async () => {
  const { say, close } = await setUp();
  const { id, membership } = JSON.parse(await say(...add, '--json')) as NodeStatus;
  assert.equal([id, membership], ['b-3', 'joining']);
  const leaver = JSON.parse(await say('remove', 'b-2', '--json')) as NodeStatus;
  assert.equal([leaver.id, leaver.membership], ['b-2', 'leaving']);
  await close();
});

test('rebalance says that nobody needs to', () => {
  assert.throws(
    () => actionOf(parseFlags(clusterCommand, ['rebalance'], {})),
    /vedette cluster rebalance is not in this release: shards move by themselves/,
  );
});

test.run();
