// The dashboard without a network: browsers' connections and their subscriptions, and which brokers are asked for answers.
import { Subject } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isReply, type Route } from '../../src/actors/http-route.ts';
import type { MonitorClient } from '../../src/actors/monitor-client.ts';
import type { WsConnection } from '../../src/actors/transports/ws-server.ts';
import { createDashboard } from '../../src/actors/visualization.ts';
import type { FetchJson } from '../../src/actors/visualization/cluster-routes.ts';
import { invalidArgument, unavailable, VedetteError } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('visualization');

// ---------------------------------------------------------------- a dashboard over brokers that the test speaks for

type Request = vedette.v1.ISubscribeRequest;
interface Upstream {
  readonly broker: string;
  readonly request: Request;
  readonly inbox: Subject<vedette.v1.SubscribeResponse>;
  held: boolean;
  closed: boolean;
}

const BROKERS = ['b1', 'b2', 'b3'] as const;
const never = <T>() => new Promise<T>(() => {});

function dashboard(answer: Partial<MonitorClient> = {}, fetchJson: FetchJson = () => never()) {
  const clock = createVirtualClock();
  const upstreams: Upstream[] = [];
  const asked: string[] = [];
  const clients = (address: string): MonitorClient => ({
    address,
    reportMetrics: () => assert.unreachable() as never,
    getMetrics: never,
    listHosts: never,
    listBrokers: async () =>
      vedette.v1.ListBrokersResponse.create({
        clusterId: 'c',
        brokers: BROKERS.map((brokerId) => ({ brokerId, grpcAddress: brokerId, httpAddress: `http-${brokerId}` })),
      }),
    subscribe(request) {
      const upstream: Upstream = { broker: address, request, inbox: new Subject(), held: false, closed: false };
      upstreams.push(upstream);
      return {
        inbox: upstream.inbox,
        pause: () => (upstream.held = true),
        resume: () => (upstream.held = false),
        close: () => (upstream.closed = true),
      };
    },
    close() {},
    ...Object.fromEntries(
      Object.entries(answer).map(([name, call]) => [
        name,
        (...args: never[]) => {
          asked.push(address);
          return (call as (...args: never[]) => unknown).apply({ address }, args);
        },
      ]),
    ),
  });
  const connections = new Subject<WsConnection>();
  const board = createDashboard({
    seeds: BROKERS,
    clients,
    fetchJson,
    connections,
    processFigures: () => ({ residentBytes: 4096, cpuSeconds: 1.5, uptimeSeconds: 60 }),
    clock,
    random: createRandom(1),
    inspector: createInspector({ clock }),
  });

  function browser() {
    const inbox = new Subject<string | Uint8Array>();
    const drained = new Subject<void>();
    const closed = new Subject<void>();
    const seen = { messages: [] as Record<string, unknown>[], room: true, closedWith: 0 };
    connections.next({
      inbox,
      drained,
      closed,
      subprotocol: '',
      remoteAddress: '',
      send(data) {
        seen.messages.push(JSON.parse(String(data)) as Record<string, unknown>);
        return seen.room;
      },
      close(code) {
        seen.closedWith = code;
        closed.next();
      },
    });
    return { seen, drained, say: (message: object) => inbox.next(JSON.stringify(message)), raw: inbox };
  }

  const route = async (path: string, params: Record<string, string> = {}, query = '') => {
    const found = board.routes.find((each: Route) => each.method === 'GET' && each.path === path);
    return found?.handle({ params, query: new URLSearchParams(query), body: undefined });
  };
  const last = () => upstreams.at(-1) as Upstream;
  return { clock, board, browser, upstreams, last, asked, route };
}

const response = (fields: vedette.v1.ISubscribeResponse = {}) => vedette.v1.SubscribeResponse.create(fields);
const rows = (cursor: string) => response({ cursor, conflatedRows: 1 });
/** Promises that are settled already have their turns. */
const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

test('what a browser changes while its subscription begins, or goes on elsewhere, counts', () => {
  const { browser, clock, last, upstreams } = dashboard();
  const { say } = browser();
  say({ op: 'subscribe', id: 's', hosts: ['a'] });
  const first = last();
  say({ op: 'update', id: 's', hosts: ['b'] });
  assert.ok(first.closed);
  assert.equal(last().request.hostIds, ['b']);
  last().inbox.error(unavailable('gone'));
  say({ op: 'update', id: 's', hosts: ['c'] });
  clock.advance(100);
  assert.equal([last().request.hostIds, upstreams.length], [['c'], 3]);
  say({ op: 'update', id: 's', hosts: ['d'] });
  assert.equal([last().request.hostIds, upstreams.length], [['d'], 4]);
});

test('a broken stream goes on at another broker, from the last cursor, without its backfill', () => {
  const { browser, clock, last } = dashboard();
  const { say, seen } = browser();
  say({ op: 'subscribe', id: 's', backfillMs: 5000, delivery: 'every' });
  assert.is(last().request.backfillMs, 5000);
  last().inbox.next(rows('c1'));
  last().inbox.next(response({ cursor: 'c2' }));
  const first = last();
  first.inbox.error(unavailable('gone'));
  clock.advance(100);
  assert.not(last().broker === first.broker);
  assert.equal([last().request.cursor, last().request.backfillMs], ['c2', 0], 'a sign of life moved the cursor');
  last().inbox.next(rows('c3'));
  assert.equal(
    seen.messages.map(({ op, cursor }) => cursor ?? op),
    ['subscribed', 'c1', 'c3'],
  );
});

test('a stream does not go on at the broker that has just failed, whoever else asks the others meanwhile', async () => {
  const { browser, clock, last, route } = dashboard({ listHosts: noHosts });
  browser().say({ op: 'subscribe', id: 's' });
  for (let round = 0; round < 10; round++) {
    const failed = last();
    for (let n = 0; n <= round; n++) await route('/api/v1/hosts');
    if (round % 2 === 0) {
      failed.inbox.next(rows(`c${round}`));
      failed.inbox.error(unavailable('gone'));
    } else clock.advance(limits.dashboard.answerPatienceMs);
    clock.advance(50);
    assert.not(last().broker === failed.broker);
    assert.ok(round % 2 === 0 || failed.closed, 'it says nothing');
  }
});

test('a browser that does not read holds its stream, also when it changes what it asks for', () => {
  const { browser, last } = dashboard();
  const { say, seen, drained } = browser();
  say({ op: 'subscribe', id: 's' });
  last().inbox.next(rows('c1'));
  seen.room = false;
  last().inbox.next(rows('c2'));
  assert.ok(last().held);
  say({ op: 'update', id: 's', hosts: ['b'] });
  assert.ok(last().held, 'the new stream, too');
  seen.room = true;
  drained.next();
  assert.not(last().held);
});

test('a window: no more messages than it are unacknowledged', () => {
  const { browser, last } = dashboard();
  const { say } = browser();
  say({ op: 'subscribe', id: 's', window: 2 });
  last().inbox.next(rows('c1'));
  assert.not(last().held);
  last().inbox.next(rows('c2'));
  assert.ok(last().held);
  say({ op: 'ack', id: 's', cursor: 'nothing of ours' });
  assert.ok(last().held);
  say({ op: 'ack', id: 's', cursor: 'c1' });
  assert.not(last().held);
});

test('a request that is refused ends; the others go on, and its id is free', () => {
  const { browser, last } = dashboard();
  const { say, seen } = browser();
  say({ op: 'subscribe', id: 's', cursor: 'x' });
  const refused = last();
  refused.inbox.error(invalidArgument('cursor', 'no cursor of this cluster'));
  assert.equal(seen.messages.at(-1)?.['error'], {
    code: 'INVALID_ARGUMENT',
    message: 'no cursor of this cluster',
    field: 'cursor',
  });
  say({ op: 'subscribe', id: 's' });
  last().inbox.next(rows('c1'));
  assert.equal(
    seen.messages.map(({ op }) => op),
    ['error', 'subscribed', 'data'],
  );
});

test('what a browser may not say is answered, and changes nothing; nothing else for long ends the connection', () => {
  const { browser, upstreams } = dashboard();
  const { say, seen, raw } = browser();
  const code = () => (seen.messages.at(-1)?.['error'] as { code: string } | undefined)?.code;
  say({ op: 'subscribe', id: 's' });
  say({ op: 'subscribe', id: 's' });
  assert.is(code(), 'ALREADY_EXISTS');
  say({ op: 'subscribe', id: 't', kind: 'topk' });
  assert.is(code(), 'UNIMPLEMENTED');
  say({ op: 'unsubscribe', id: 'nobody' });
  assert.is(code(), 'NOT_FOUND');
  assert.is(upstreams.length, 1);
  const most = limits.dashboard.subscriptionsPerConnectionMax;
  for (let n = 1; n < most; n++) say({ op: 'subscribe', id: `n${n}` });
  assert.is(upstreams.length, most);
  say({ op: 'subscribe', id: 'one more' });
  assert.is(code(), 'RESOURCE_EXHAUSTED');
  for (let n = 1; n < limits.dashboard.malformedMessagesMax; n++) raw.next('{');
  assert.is(code(), 'INVALID_ARGUMENT');
  assert.is(seen.closedWith, 0);
  raw.next(Uint8Array.of(1));
  assert.is(seen.closedWith, 1008);
  assert.ok(upstreams.every(({ closed }) => closed));
});

test('the end of the dashboard ends browsers and their streams; so does the end of a browser', () => {
  const { board, browser, upstreams } = dashboard();
  const first = browser();
  const second = browser();
  for (const { say } of [first, second]) say({ op: 'subscribe', id: 's' });
  assert.is(board.browsers, 2);
  board.stop();
  assert.equal([first.seen.closedWith, second.seen.closedWith, board.browsers], [1001, 1001, 0]);
  assert.ok(upstreams.every(({ closed }) => closed));
});

test('its figures: the process, who looks, and the brokers it knows', async () => {
  const { board, browser, route } = dashboard();
  const [first, second] = [browser(), browser()];
  for (const id of ['s', 't']) first.say({ op: 'subscribe', id });
  second.say({ op: 'subscribe', id: 's' });
  await settled();
  const figures = async () => {
    const answer = await route('/metrics');
    assert.ok(isReply(answer));
    assert.match(answer.contentType ?? '', 'text/plain; version=0.0.4');
    const lines = String(answer.body).trimEnd().split('\n');
    return lines.filter((line) => !line.startsWith('#'));
  };
  const own = ['process_resident_memory_bytes 4096', 'process_cpu_seconds_total 1.5', 'vedette_uptime_seconds 60'];
  const viewers = (browsers: number, subscriptions: number) => [
    `vedette_dashboard_browsers ${browsers}`,
    `vedette_dashboard_subscriptions ${subscriptions}`,
    'vedette_dashboard_brokers 3',
  ];
  assert.equal(await figures(), [...own, ...viewers(2, 3)]);
  first.say({ op: 'unsubscribe', id: 's' });
  assert.equal(await figures(), [...own, ...viewers(2, 2)]);
  board.stop();
  assert.equal(await figures(), [...own, ...viewers(0, 0)]);
});

// ---------------------------------------------------------------- who is asked

const noHosts = () => Promise.resolve(vedette.v1.ListHostsResponse.create({ complete: true }));

test('a broker that is slow costs a moment: the next one is asked as well, and the first answer counts', async () => {
  const slow = new Set<string>();
  const { clock, route, asked } = dashboard({
    listHosts() {
      if (slow.size === 0) slow.add(this.address ?? '');
      return slow.has(this.address ?? '') ? never() : noHosts();
    },
  });
  const answer = route('/api/v1/hosts');
  await settled();
  assert.is(asked.length, 1);
  clock.advance(limits.dashboard.callPatienceMs);
  assert.equal(await answer, { hosts: [], complete: true });
  assert.is(new Set(asked).size, 2);
  clock.advance(10_000);
  assert.is(asked.length, 2, 'nobody is asked any more');
});

test('calls go round; what failed is tried at the next one; when all fail, each is named', async () => {
  let failing = true;
  const { route, asked } = dashboard({
    listHosts() {
      return failing ? Promise.reject(unavailable(`${this.address} is away`)) : noHosts();
    },
  });
  await route('/api/v1/hosts').then(
    () => assert.unreachable(),
    (error: VedetteError) => {
      assert.is(error.code, 'UNAVAILABLE');
      for (const broker of BROKERS) assert.match(error.message, `${broker}: ${broker} is away`);
    },
  );
  failing = false;
  asked.length = 0;
  for (const _ of BROKERS) await route('/api/v1/hosts');
  assert.equal([...asked].sort(), [...BROKERS]);
});

test('what every broker would refuse is asked once', async () => {
  const { route, asked } = dashboard({ listHosts: () => Promise.reject(invalidArgument('hostIds', 'no such')) });
  await route('/api/v1/hosts').then(
    () => assert.unreachable(),
    (error: VedetteError) => assert.is(error.field, 'hostIds'),
  );
  assert.is(asked.length, 1);
});

test('the cluster: a broker that is slow over HTTP is passed over; before any is known, it is said', async () => {
  const asked: string[] = [];
  const { clock, route } = dashboard({}, (address) => {
    asked.push(address);
    return asked.length === 1 ? never() : Promise.resolve({ status: 200, body: { leader: address } });
  });
  await route('/api/v1/cluster/status').then(
    () => assert.unreachable(),
    (error: VedetteError) => assert.match(error.message, 'none is known yet'),
  );
  await settled();
  const answer = route('/api/v1/cluster/status');
  await settled();
  clock.advance(limits.dashboard.callPatienceMs);
  const { body } = (await answer) as { body: { leader: string } };
  assert.is(body.leader, asked[1]);
});

test('an answer about a host has an end', async () => {
  const timestampsMs = Array.from({ length: 10_000 }, (_, at) => at);
  const columns = Array.from({ length: 25 }, (_, at) => ({ metric: `m${at}`, values: timestampsMs }));
  let pages = 0;
  const { route } = dashboard({
    getMetrics: () => {
      pages++;
      const frame = { timestampsMs, columns };
      return Promise.resolve(vedette.v1.MetricsResponse.create({ frame, nextPageToken: 'more', complete: true }));
    },
  });
  await route('/api/v1/hosts/{id}/metrics', { id: 'h' }).then(
    () => assert.unreachable(),
    (error: VedetteError) => assert.equal([error.code, error.field], ['RESOURCE_EXHAUSTED', 'start']),
  );
  assert.is(pages, limits.dashboard.answerValuesMax / 250_000 + 1);
});

test.run();
