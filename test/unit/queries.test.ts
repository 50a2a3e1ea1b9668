// Queries of whole read paths: brokers with real queries over fake replicas, calling each other in memory, on virtual time.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { CallContext } from '../../src/actors/monitor-service.ts';
import { VedetteError } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createFakeCluster, type FakeCluster } from '../support/fake-cluster.ts';
import { block, hostRecord, series } from '../support/fake-shard.ts';

const { MetricsRequest, ListHostsRequest, Consistency } = vedette.v1;
const bounds = limits.queries;
const CLIENT: CallContext = { forwarded: false, remoteAddress: 'a test' };
const BROKER: CallContext = { forwarded: true, remoteAddress: 'a test' };
const CPU = series('system.cpu.utilization', { cpu: '0' });
const RECEIVED = series('system.network.io', { direction: 'receive' });
const SENT = series('system.network.io', { direction: 'transmit' });

const at = (ms: number, nanos = 0) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 + nanos });

/** Lets virtual time pass until the promise has settled. */
async function settled<T>(cluster: FakeCluster, promise: Promise<T>): Promise<T> {
  let open = true;
  const done = promise.finally(() => {
    open = false;
  });
  done.catch(() => {});
  for (let turns = 0; open; turns++) {
    assert.ok(turns < 10_000, 'the call ends');
    // Promises of a turn first: what they start belongs to it.
    await new Promise((resume) => setImmediate(resume));
    if (open) cluster.clock.advance(1);
  }
  return done;
}

async function refusal(cluster: FakeCluster, promise: Promise<unknown>): Promise<VedetteError> {
  try {
    await settled(cluster, promise);
  } catch (error) {
    assert.ok(error instanceof VedetteError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: 'the call was answered' });
}

/** Three brokers, all with all shards, broker-1 leading, unless asked for otherwise. */
function setUp(options: Parameters<typeof createFakeCluster>[0] = {}) {
  const cluster = createFakeCluster(options);
  for (const { id } of cluster.logs) lead(id);

  function lead(shard: number, leader?: string): void {
    const members = cluster.broker('broker-1').directory.replicasOf(shard);
    cluster.lead(shard, leader ?? (members.includes('broker-1' as never) ? 'broker-1' : (members[0] ?? null)));
  }
  const logOf = (host: string) => {
    const log = cluster.logs[cluster.shardOf(host)];
    assert.ok(log !== undefined);
    return log;
  };
  return {
    cluster,
    logOf,
    lead,
    /** Commits rows of CPU, received and sent: time, time + 0.1, time + 0.2. */
    rows(host: string, ...times: number[]) {
      const log = logOf(host);
      const schema = log.schema(host, [CPU, RECEIVED, SENT]);
      const columns = [times, times.map((time) => time + 0.1), times.map((time) => time + 0.2)];
      log.append(
        cluster.clock.now(),
        [block(schema, times, columns)],
        [hostRecord(host, 'online', cluster.clock.now())],
      );
      cluster.settle();
    },
    get: (broker: string, request: vedette.v1.IMetricsRequest, context = CLIENT) =>
      cluster.broker(broker).queries.getMetrics(MetricsRequest.create(request), context),
    list: (broker: string, request: vedette.v1.IListHostsRequest = {}, context = CLIENT) =>
      cluster.broker(broker).queries.listHosts(ListHostsRequest.create(request), context),
  };
}

const timesOf = (response: vedette.v1.IMetricsResponse) => response.frame?.timestampsMs ?? [];
const idsOf = (response: vedette.v1.IListHostsResponse) => (response.hosts ?? []).map(({ hostId }) => hostId);

// ---------------------------------------------------------------- a host's rows

test('neither start nor end: the newest row, whole, in columns', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000, 2_000, 3_000);
  const response = await settled(cluster, get('broker-1', { hostId: 'a' }));
  assert.deepEqual(response, {
    frame: {
      hostId: 'a',
      timestampsMs: [3_000],
      columns: [
        { metric: 'system.cpu.utilization', labels: { cpu: '0' }, unit: '1', values: [3_000], kind: 0 },
        { metric: 'system.network.io', labels: { direction: 'receive' }, unit: '1', values: [3_000.1], kind: 0 },
        { metric: 'system.network.io', labels: { direction: 'transmit' }, unit: '1', values: [3_000.2], kind: 0 },
      ],
    },
    complete: true,
    incompleteReason: '',
    nextPageToken: '',
  });
});

test('both ends are inclusive; start = end is exactly that millisecond; no start is the beginning, no end is now', async () => {
  const { cluster, rows, get } = setUp();
  const now = cluster.clock.now();
  rows('a', now - 3_000, now - 2_000, now - 1_000, now + 60_000);
  const ask = async (startTime?: object, endTime?: object) => {
    const request = { hostId: 'a', ...(startTime && { startTime }), ...(endTime && { endTime }) };
    return timesOf(await settled(cluster, get('broker-1', request))).map((time) => time - now);
  };
  assert.deepEqual(await ask(at(now - 3_000), at(now - 1_000)), [-3_000, -2_000, -1_000]);
  assert.deepEqual(await ask(at(now - 2_999), at(now - 1_001)), [-2_000]);
  assert.deepEqual(await ask(at(now - 2_000), at(now - 2_000)), [-2_000]);
  assert.deepEqual(await ask(at(now - 2_001), at(now - 2_001)), []);
  assert.deepEqual(await ask(undefined, at(now - 2_000)), [-3_000, -2_000]);
  assert.deepEqual(await ask(at(now - 2_000)), [-2_000, -1_000], 'what is ahead of now is not in it');
  assert.deepEqual(await ask(at(now - 3_000, 1), at(now - 1_000, 999)), [-2_000, -1_000], 'nanoseconds count');
  assert.deepEqual(await ask(at(now + 5_000)), [], 'a start in the future, by a clock that is ahead');
});

test('a known host without rows in the range is empty and complete; one never seen is NOT_FOUND', async () => {
  const { cluster, rows, get, logOf } = setUp();
  rows('a', 1_000);
  const nothing = await settled(cluster, get('broker-1', { hostId: 'a', startTime: at(2_000), endTime: at(3_000) }));
  assert.deepEqual([timesOf(nothing), nothing.complete], [[], true]);
  logOf('silent').append(cluster.clock.now(), [], [hostRecord('silent', 'online', 1)]);
  cluster.settle();
  const silent = await settled(cluster, get('broker-1', { hostId: 'silent' }));
  assert.deepEqual([timesOf(silent), silent.complete], [[], true]);
  const error = await refusal(cluster, get('broker-1', { hostId: 'nobody' }));
  assert.deepEqual([error.code, error.field], ['NOT_FOUND', 'host_id']);
});

test('metrics are names, globs, and labels; rows that hold none of them are not in the answer', async () => {
  const { cluster, rows, get, logOf } = setUp();
  rows('a', 1_000);
  const log = logOf('a');
  log.append(2, [
    block(
      log.schema('a', [CPU, SENT]),
      [2_000, 3_000],
      [
        [5, 6],
        [Number.NaN, 7],
      ],
    ),
  ]);
  cluster.settle();
  const ask = async (...metrics: string[]) => {
    const response = await settled(
      cluster,
      get('broker-1', { hostId: 'a', metrics, startTime: at(0), endTime: at(9_000) }),
    );
    const columns = response.frame?.columns ?? [];
    return [
      timesOf(response),
      ...columns.map(({ labels, values }) => [...Object.values(labels ?? {}), ...(values ?? [])]),
    ];
  };
  assert.deepEqual(await ask('system.network.io{direction=transmit}'), [
    [1_000, 3_000],
    ['transmit', 1_000.2, 7],
  ]);
  assert.deepEqual(await ask('*network*'), [
    [1_000, 3_000],
    ['receive', 1_000.1, Number.NaN],
    ['transmit', 1_000.2, 7],
  ]);
  assert.deepEqual(await ask('nothing.such'), [[]]);
});

test('pages follow each other without gap or repetition; a token is good on every broker', async () => {
  const { cluster, rows, get } = setUp();
  const now = cluster.clock.now();
  const all = Array.from({ length: 25 }, (_, n) => now - 25_000 + n * 1_000);
  rows('a', ...all);
  const request = { hostId: 'a', startTime: at(now - 60_000), maxRows: 10 };
  const got: number[][] = [];
  let pageToken = '';
  do {
    const page = await settled(cluster, get(`broker-${(got.length % 3) + 1}`, { ...request, pageToken }));
    got.push([...timesOf(page)]);
    pageToken = page.nextPageToken ?? '';
    // What comes later is not in the range of the first page.
    rows('a', cluster.clock.now());
  } while (pageToken !== '');
  assert.deepEqual(
    got.map(({ length }) => length),
    [10, 10, 5],
  );
  assert.deepEqual(got.flat(), all);
});

test('an answer is cut to what a message can hold, and goes on with the next page', async () => {
  const { cluster, logOf, get } = setUp({ windowBytes: 1 << 28 });
  const log = logOf('a');
  const definitions = Array.from({ length: 2_000 }, (_, n) => series(`m${n}`));
  const times = Array.from({ length: 200 }, (_, n) => n + 1);
  log.append(
    1,
    [
      block(
        log.schema('a', definitions),
        times,
        definitions.map(() => times),
      ),
    ],
    [hostRecord('a', 'online', 1)],
  );
  cluster.settle();
  const request = { hostId: 'a', startTime: at(0), endTime: at(1_000) };
  const first = await settled(cluster, get('broker-1', request));
  const second = await settled(cluster, get('broker-1', { ...request, pageToken: first.nextPageToken ?? '' }));
  assert.equal(timesOf(first).length, Math.floor(bounds.valuesMax / definitions.length));
  assert.deepEqual([...timesOf(first), ...timesOf(second)], times);
  assert.ok(vedette.v1.MetricsResponse.encode(first).finish().length < 4 * 1024 * 1024);
});

test('what has left memory is said', async () => {
  const { cluster, logOf, get } = setUp({ windowBytes: 4_000 });
  const log = logOf('a');
  const schema = log.schema('a', [CPU]);
  const times = Array.from({ length: 1_000 }, (_, n) => n + 1);
  log.append(1, [block(schema, times, [times])], [hostRecord('a', 'online', 1)]);
  cluster.settle();
  const response = await settled(cluster, get('broker-1', { hostId: 'a', startTime: at(1), endTime: at(2_000) }));
  assert.equal(response.complete, false);
  const lost = times.length - timesOf(response).length;
  assert.ok(lost > 0);
  assert.match(response.incompleteReason ?? '', new RegExp(`rows up to ${lost} `));
  const late = await settled(cluster, get('broker-1', { hostId: 'a', startTime: at(lost + 1), endTime: at(2_000) }));
  assert.equal(late.complete, true);
});

for (const [field, request, message] of [
  ['host_id', { hostId: '' }, /empty/],
  ['host_id', { hostId: 'no spaces' }, /letters, digits/],
  ['start_time', { startTime: at(2_000), endTime: at(1_000) }, /after end_time/],
  ['start_time', { startTime: at(1_000, 2), endTime: at(1_000, 1) }, /after end_time/],
  ['start_time', { startTime: { seconds: 1e15 } }, /years 1 to 9999/],
  ['end_time', { endTime: { seconds: 1, nanos: 1e9 } }, /within a second/],
  ['end_time', { endTime: { seconds: 1, nanos: -1 } }, /within a second/],
  ['metrics', { metrics: ['cpu{open=1'] }, /closing brace/],
  ['metrics', { metrics: ['{a=b}'] }, /no metric/],
  ['metrics', { metrics: [''] }, /empty/],
  ['metrics', { metrics: Array.from({ length: 1_001 }, () => 'm') }, /at most 1000/],
  ['max_rows', { maxRows: 10_001 }, /at most 10000/],
  ['page_token', { pageToken: 'nonsense' }, /malformed/],
  ['page_token', { pageToken: Buffer.from('[1,2,"3"]').toString('base64url') }, /malformed/],
  ['consistency', { consistency: 9 as vedette.v1.Consistency }, /neither LINEARIZABLE/],
] as const) {
  test(`getMetrics refuses, naming ${field}: ${JSON.stringify(request).slice(0, 60)}`, async () => {
    const { cluster, get } = setUp();
    const asked = { hostId: 'nobody', ...request } as vedette.v1.IMetricsRequest;
    const error = await refusal(cluster, get('broker-1', asked));
    assert.deepEqual([error.code, error.field], ['INVALID_ARGUMENT', field]);
    assert.match(error.message, message);
  });
}

test('a token of another request is refused, and so is a changed one', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000, 2_000);
  rows('b', 1_000, 2_000);
  const request = { hostId: 'a', startTime: at(0), endTime: at(9_000), maxRows: 1 };
  const { nextPageToken: pageToken = '' } = await settled(cluster, get('broker-1', request));
  assert.ok(typeof pageToken === 'string' && pageToken !== '');
  for (const other of [{ hostId: 'b' }, { startTime: at(1) }, { endTime: at(9_001) }, { metrics: ['system.*'] }]) {
    const error = await refusal(cluster, get('broker-1', { ...request, ...other, pageToken }));
    assert.match(error.message, /another request/);
  }
  for (let n = 0; n < pageToken.length; n++) {
    const changed = `${pageToken.slice(0, n)}${pageToken[n] === 'A' ? 'B' : 'A'}${pageToken.slice(n + 1)}`;
    const error = await refusal(cluster, get('broker-1', { ...request, pageToken: changed }));
    assert.equal(error.field, 'page_token');
  }
});

// ---------------------------------------------------------------- where it is read

test('linearizable: a broker that does not lead passes the call on to the one that does, once', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000);
  const response = await settled(cluster, get('broker-3', { hostId: 'a' }));
  assert.deepEqual(timesOf(response), [1_000]);
  assert.equal(cluster.broker('broker-1').forwardedCalls, 1);
  assert.equal(cluster.broker('broker-2').forwardedCalls, 0);
});

test('linearizable: a replica that is behind does not answer; eventual: it may', async () => {
  const { cluster, logOf, get } = setUp();
  const log = logOf('a');
  const schema = log.schema('a', [CPU]);
  log.append(1, [block(schema, [1], [[1]])], [hostRecord('a', 'online', 1)]);
  cluster.settle();
  log.append(2, [block(schema, [2], [[2]])]);
  cluster.broker('broker-1').replicas.get(log.id)?.applyTo(2);
  assert.deepEqual(timesOf(await settled(cluster, get('broker-2', { hostId: 'a' }))), [2]);
  const eventual = { hostId: 'a', consistency: Consistency.EVENTUAL };
  assert.deepEqual(timesOf(await settled(cluster, get('broker-2', eventual))), [1]);
  assert.equal(cluster.broker('broker-1').forwardedCalls, 1, 'the eventual one was answered here');
});

test('while leadership changes hands the call is tried again', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000);
  const shard = cluster.shardOf('a');
  cluster.lead(shard, null);
  const answer = get('broker-3', { hostId: 'a' });
  cluster.clock.advance(400);
  cluster.lead(shard, 'broker-2');
  assert.deepEqual(timesOf(await settled(cluster, answer)), [1_000]);
  assert.equal(cluster.broker('broker-2').forwardedCalls, 1);
});

test('a leader that hangs does not take all the time there is', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000);
  const shard = cluster.shardOf('a');
  cluster.broker('broker-1').hangs = true;
  const answer = get('broker-3', { hostId: 'a' });
  cluster.clock.advance(500);
  cluster.lead(shard, 'broker-2');
  const began = cluster.clock.monotonic();
  assert.deepEqual(timesOf(await settled(cluster, answer)), [1_000]);
  assert.ok(cluster.clock.monotonic() - began < bounds.attemptMs);
});

test('no quorum: UNAVAILABLE with a delay, in time, wherever it is asked', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000);
  const shard = cluster.shardOf('a');
  const replica = cluster.broker('broker-1').replicas.get(shard);
  assert.ok(replica !== undefined);
  replica.quorum = false;
  for (const broker of ['broker-1', 'broker-3']) {
    const began = cluster.clock.monotonic();
    const error = await refusal(cluster, get(broker, { hostId: 'a' }));
    assert.equal(error.code, 'UNAVAILABLE');
    assert.ok((error.retryAfterMs ?? 0) > 0);
    assert.match(error.message, new RegExp(`shard ${shard}`));
    const took = cluster.clock.monotonic() - began;
    assert.ok(took <= bounds.deadlineMs + bounds.attemptMs, `${took} ms`);
  }
  const eventual = { hostId: 'a', consistency: Consistency.EVENTUAL };
  assert.deepEqual(timesOf(await settled(cluster, get('broker-1', eventual))), [1_000]);
});

test('a call that was passed on is answered here or not at all', async () => {
  const { cluster, rows, get } = setUp();
  rows('a', 1_000);
  const error = await refusal(cluster, get('broker-3', { hostId: 'a' }, BROKER));
  assert.equal(error.code, 'UNAVAILABLE');
  assert.match(error.message, /broker-1 leads/);
  assert.equal(
    cluster.brokers.reduce((sum, { forwardedCalls }) => sum + forwardedCalls, 0),
    0,
  );
});

/** Two replicas of each shard: some are not on broker-1. */
function elsewhere() {
  const setting = setUp({ brokers: 5, shards: 8, replicas: 2 });
  const { cluster, rows } = setting;
  const host = Array.from({ length: 100 }, (_, n) => `host-${n}`).find(
    (name) => !cluster.broker('broker-1').replicas.has(cluster.shardOf(name)),
  );
  assert.ok(host !== undefined);
  rows(host, 1_000);
  const [first = '', second = ''] = cluster.broker('broker-1').directory.replicasOf(cluster.shardOf(host));
  return { ...setting, host, first, second };
}

test('a shard without a replica here: its leader is found, and asked first the next time', async () => {
  const { cluster, get, host, first, second } = elsewhere();
  cluster.lead(cluster.shardOf(host), second);
  // What was heard last is long past.
  Object.assign(cluster.broker('broker-1').directory, { leaderOf: () => first });
  assert.deepEqual(timesOf(await settled(cluster, get('broker-1', { hostId: host }))), [1_000]);
  assert.deepEqual([cluster.broker(first).forwardedCalls, cluster.broker(second).forwardedCalls], [1, 1]);
  assert.deepEqual(timesOf(await settled(cluster, get('broker-1', { hostId: host }))), [1_000]);
  assert.deepEqual([cluster.broker(first).forwardedCalls, cluster.broker(second).forwardedCalls], [1, 2]);
});

test('eventual, without a replica here: any that answers', async () => {
  const { cluster, get, host, first, second } = elsewhere();
  const eventual = { hostId: host, consistency: Consistency.EVENTUAL };
  for (const [gone, back] of [
    [first, second],
    [second, first],
  ] as const) {
    cluster.revive(back);
    cluster.kill(gone);
    assert.deepEqual(timesOf(await settled(cluster, get('broker-1', eventual))), [1_000]);
  }
  cluster.kill(first);
  const error = await refusal(cluster, get('broker-1', eventual));
  assert.equal(error.code, 'UNAVAILABLE');
});

test('a leader to whom no way is known counts as one that does not answer', async () => {
  const { cluster, rows, get, list } = setUp();
  rows('a', 1_000);
  Object.assign(cluster.broker('broker-3').directory, { client: () => null });
  const error = await refusal(cluster, get('broker-3', { hostId: 'a' }));
  assert.equal(error.code, 'UNAVAILABLE');
  assert.match(error.message, /no way to broker-1/);
  const hosts = await settled(cluster, list('broker-3'));
  assert.deepEqual([hosts.complete, hosts.missingShards], [false, [0, 1, 2, 3]]);
});

test('no broker answers for one it holds no replica of', async () => {
  const { cluster, get, host } = elsewhere();
  for (const consistency of [Consistency.EVENTUAL, Consistency.LINEARIZABLE]) {
    const error = await refusal(cluster, get('broker-1', { hostId: host, consistency }, BROKER));
    assert.equal(error.code, 'UNAVAILABLE');
    assert.match(error.message, /broker-1 holds no replica of shard/);
  }
});

// ---------------------------------------------------------------- the hosts

test('all hosts, in order, with what is known of them', async () => {
  const { cluster, logOf, list, rows } = setUp();
  const now = cluster.clock.now();
  rows('b', now - 1_000);
  const more = { labels: { zone: 'z1' }, firstSeenMs: now - 60_000, lastSeenMs: now - 2_500, clockSkewMs: -30 };
  logOf('a').append(now, [], [hostRecord('a', 'suspect', now, more)]);
  logOf('c').append(now, [], [hostRecord('c', 'unseen', now)]);
  cluster.settle();
  const response = await settled(cluster, list('broker-1'));
  assert.deepEqual(idsOf(response), ['a', 'b', 'c']);
  assert.deepEqual([response.complete, response.nextPageToken], [true, '']);
  assert.deepEqual(response.hosts?.[0], {
    hostId: 'a',
    state: 'suspect',
    labels: { zone: 'z1' },
    firstSeen: at(now - 60_000),
    lastSeen: at(now - 2_500),
    shard: cluster.shardOf('a'),
    owner: 'broker-1',
    clockSkewMs: -30,
  });
});

test('names and globs; a name asks its own shard alone', async () => {
  const { cluster, rows, list } = setUp();
  for (const host of ['web-1', 'web-2', 'db-1']) rows(host, 1_000);
  const ask = async (...hostIds: string[]) => idsOf(await settled(cluster, list('broker-1', { hostIds })));
  assert.deepEqual(await ask('web-*'), ['web-1', 'web-2']);
  assert.deepEqual(await ask('db-1', 'web-2'), ['db-1', 'web-2']);
  assert.deepEqual(await ask('nobody'), []);
  for (const { id } of cluster.logs) if (id !== cluster.shardOf('web-1')) cluster.lead(id, null);
  const response = await settled(cluster, list('broker-1', { hostIds: ['web-1'] }));
  assert.deepEqual([idsOf(response), response.complete], [['web-1'], true]);
});

test('each broker is asked once for all shards that it leads', async () => {
  const { cluster, rows, list, lead } = setUp({ shards: 16 });
  const hosts = Array.from({ length: 50 }, (_, n) => `host-${n}`);
  for (const host of hosts) rows(host, 1_000);
  cluster.logs.forEach(({ id }) => lead(id, `broker-${(id % 3) + 1}`));
  const response = await settled(cluster, list('broker-2'));
  assert.deepEqual(idsOf(response), [...hosts].sort());
  assert.deepEqual(
    cluster.brokers.map(({ forwardedCalls }) => forwardedCalls),
    [1, 0, 1],
  );
  const eventual = await settled(cluster, list('broker-2', { consistency: Consistency.EVENTUAL }));
  assert.deepEqual(idsOf(eventual), [...hosts].sort());
  assert.deepEqual(
    cluster.brokers.map(({ forwardedCalls }) => forwardedCalls),
    [1, 0, 1],
    'all of it is here',
  );
});

test('pages by the order of ids, over all brokers, however many hosts one shard has', async () => {
  const { cluster, rows, list } = setUp({ brokers: 5, shards: 8, replicas: 2 });
  const hosts = Array.from({ length: 100 }, (_, n) => `host-${n}`).sort();
  for (const host of hosts) rows(host, 1_000);
  const pages: (string | null | undefined)[][] = [];
  let pageToken = '';
  do {
    const request = { hostIds: ['host-*'], limit: 7, pageToken };
    const page = await settled(cluster, list(`broker-${(pages.length % 5) + 1}`, request));
    assert.equal(page.complete, true);
    pages.push(idsOf(page));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  assert.deepEqual(pages.flat(), hosts);
  assert.ok(pages.every((page, n) => page.length === 7 || n === pages.length - 1));
});

test('shards that cannot be read: the rest, not complete, and which are missing', async () => {
  const { cluster, rows, list } = setUp();
  const hosts = Array.from({ length: 20 }, (_, n) => `host-${n}`).sort();
  for (const host of hosts) rows(host, 1_000);
  cluster.lead(1, null);
  const hung = cluster.broker('broker-1').replicas.get(3);
  assert.ok(hung !== undefined);
  hung.quorum = false;
  for (const broker of ['broker-1', 'broker-2']) {
    const response = await settled(cluster, list(broker));
    assert.deepEqual(
      idsOf(response),
      hosts.filter((host) => ![1, 3].includes(cluster.shardOf(host))),
    );
    assert.equal(response.complete, false);
    assert.deepEqual(response.missingShards, [1, 3]);
    assert.match(response.incompleteReason ?? '', /shards 1, 3/);
  }
});

test('a shard that gets its leader while the list is made is in it, and no host is there twice', async () => {
  const { cluster, rows, list } = setUp();
  const hosts = Array.from({ length: 20 }, (_, n) => `host-${n}`).sort();
  for (const host of hosts) rows(host, 1_000);
  cluster.lead(1, null);
  const answer = list('broker-3');
  cluster.clock.advance(300);
  cluster.lead(1, 'broker-2');
  const response = await settled(cluster, answer);
  assert.deepEqual([idsOf(response), response.complete], [hosts, true]);
});

test('between brokers: only the shards asked for, and only those led here', async () => {
  const { cluster, rows, list, lead } = setUp();
  const hosts = Array.from({ length: 20 }, (_, n) => `host-${n}`).sort();
  for (const host of hosts) rows(host, 1_000);
  lead(2, 'broker-2');
  const response = await settled(cluster, list('broker-1', { shards: [1, 2] }, BROKER));
  assert.deepEqual(
    idsOf(response),
    hosts.filter((host) => cluster.shardOf(host) === 1),
  );
  assert.deepEqual([response.complete, response.missingShards], [false, [2]]);
});

test('rows that are newer than the last heartbeat count as seen, but not beyond now', async () => {
  const { cluster, logOf, list } = setUp();
  const now = cluster.clock.now();
  for (const [host, time] of [
    ['a', now - 1_000],
    ['b', now + 240_000],
  ] as const) {
    const log = logOf(host);
    const record = hostRecord(host, 'unseen', now - 60_000);
    log.append(now, [block(log.schema(host, [CPU]), [time], [[1]])], [record]);
  }
  cluster.settle();
  const { hosts = [] } = await settled(cluster, list('broker-1', { consistency: Consistency.EVENTUAL }));
  assert.deepEqual(
    hosts?.map(({ lastSeen }) => lastSeen),
    [at(now - 1_000), at(now)],
  );
});

for (const [field, request, message] of [
  ['host_ids', { hostIds: ['no spaces'] }, /letters, digits/],
  ['host_ids', { hostIds: [''] }, /empty/],
  ['limit', { limit: 1_001 }, /at most 1000/],
  ['shards', { shards: [4] }, /count from 0/],
  ['page_token', { pageToken: '?' }, /malformed/],
  ['consistency', { consistency: 2 as vedette.v1.Consistency }, /neither/],
] as const) {
  test(`listHosts refuses, naming ${field}: ${JSON.stringify(request)}`, async () => {
    const { cluster, list } = setUp();
    const error = await refusal(cluster, list('broker-1', { ...request } as vedette.v1.IListHostsRequest));
    assert.deepEqual([error.code, error.field], ['INVALID_ARGUMENT', field]);
    assert.match(error.message, message);
  });
}

test('a page token of another list is refused', async () => {
  const { cluster, rows, list } = setUp();
  for (const host of ['a', 'b', 'c']) rows(host, 1_000);
  const { nextPageToken: pageToken = '' } = await settled(cluster, list('broker-1', { limit: 1 }));
  const error = await refusal(cluster, list('broker-1', { hostIds: ['a*'], pageToken: pageToken ?? '' }));
  assert.match(error.message, /another request/);
});

// ---------------------------------------------------------------- the brokers

test('the brokers, as the directory knows them', async () => {
  const { cluster } = setUp();
  cluster.kill('broker-3');
  const response = await cluster.broker('broker-1').queries.listBrokers(CLIENT);
  assert.deepEqual(response, {
    clusterId: 'cluster-of-tests',
    ringVersion: 1,
    brokers: ['broker-1', 'broker-2', 'broker-3'].map((id) => ({
      brokerId: id,
      grpcAddress: `${id}:1`,
      httpAddress: `${id}:2`,
      state: id === 'broker-3' ? 'down' : 'up',
      labels: id === 'broker-1' ? { zone: 'rack-1' } : {},
    })),
  });
});

test.run();
