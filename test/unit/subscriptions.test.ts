// Subscriptions of whole read paths: brokers with real subscriptions over fake replicas, calling each other in memory.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { decodeCursor, encodeCursor, NOT_BEGUN } from '../../src/core/cursor.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import type { HostState, RowBlock } from '../../src/core/frame.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { unpack } from '../../src/core/series-codec.ts';
import { CLUSTER, createFakeCluster, createPipe, type FakeCluster } from '../support/fake-cluster.ts';
import { block, hostRecord, series } from '../support/fake-shard.ts';

const { Delivery } = vedette.v1;
const bounds = limits.subscriptions;
const CPU = series('system.cpu.utilization');
const RECEIVED = series('system.network.io', { direction: 'receive' });
const SENT = series('system.network.io', { direction: 'transmit' });

interface SeenRow {
  readonly host: string;
  readonly time: number;
  /** By `metric` or `metric{label}`. */
  readonly values: Record<string, number>;
}

/** A subscriber that reads what comes, unless it is told to stop. */
function subscribe(
  cluster: FakeCluster,
  broker: string,
  request: vedette.v1.ISubscribeRequest = {},
  room = 4,
  forwarded = false,
) {
  const pipe = createPipe(cluster.clock, room);
  const responses: vedette.v1.SubscribeResponse[] = [];
  const rows: SeenRow[] = [];
  const schemas = new Map<number, vedette.v1.ISchema>();
  const seen = { cursor: '', error: null as VedetteError | null, completed: false };
  pipe.source.inbox.subscribe({
    next(response) {
      responses.push(response);
      seen.cursor = response.cursor;
      for (const schema of response.schemas) {
        assert.ok(!schemas.has(schema.schemaId ?? 0), 'a schema is announced once');
        schemas.set(schema.schemaId ?? 0, schema);
      }
      for (const frame of response.frames) rows.push(...rowsOf(frame, schemas));
    },
    error: (error: VedetteError) => {
      seen.error = error;
    },
    complete: () => {
      seen.completed = true;
    },
  });
  const bytes = vedette.v1.SubscribeRequest.encode(request).finish();
  const target = cluster.broker(broker).subscriptions;
  target.subscribe(vedette.v1.SubscribeRequest.decode(bytes), pipe.sink, { forwarded, remoteAddress: 'a test' });
  return {
    ...pipe,
    responses,
    rows,
    schemas,
    get cursor() {
      return seen.cursor;
    },
    get error() {
      return seen.error;
    },
    positions: () => decodeCursor(seen.cursor, CLUSTER, cluster.logs.length).shards,
    events: () => responses.flatMap(({ events }) => events),
    gaps: () => responses.flatMap(({ gap }) => gap ?? []),
    conflated: () => responses.reduce((sum, { conflatedRows }) => sum + conflatedRows, 0),
    times: (host?: string) => rows.filter((row) => host === undefined || row.host === host).map(({ time }) => time),
    state: () => cluster.broker(broker).inspector.machines({ kind: 'subscription' }).at(-1)?.state,
  };
}

function rowsOf(frame: vedette.v1.IHostFrame, schemas: Map<number, vedette.v1.ISchema>): SeenRow[] {
  const schema = schemas.get(frame.schemaId ?? 0);
  assert.ok(schema !== undefined, 'a frame comes after its schema');
  assert.equal(frame.hostId, schema.hostId);
  const times = frame.timestampsMs ?? [];
  const values = unpack(frame.packed ?? new Uint8Array(0));
  assert.equal(values.length, times.length * (schema.series ?? []).length);
  return times.map((time, r) => ({
    host: frame.hostId ?? '',
    time,
    values: Object.fromEntries(
      (schema.series ?? []).map(({ metric, labels }, s) => [
        [metric, ...Object.values(labels ?? {})].join('/'),
        values[s * times.length + r] ?? Number.NaN,
      ]),
    ),
  }));
}

/** One shard on one broker, unless asked for more: what is committed is applied at once. */
function setUp(options: Parameters<typeof createFakeCluster>[0] = {}) {
  const cluster = createFakeCluster({ brokers: 1, shards: 1, replicas: 1, windowBytes: 0, ...options });
  const { clock } = cluster;
  const schemas = new Map<string, RowBlock['schema']>();
  for (const { id } of cluster.logs) cluster.lead(id, 'broker-1');

  const logOf = (host: string) => {
    const log = cluster.logs[cluster.shardOf(host)];
    assert.ok(log !== undefined);
    return log;
  };
  const schemaOf = (host: string, ...definitions: ReturnType<typeof series>[]) => {
    const key = JSON.stringify([host, definitions]);
    const schema = schemas.get(key) ?? logOf(host).schema(host, definitions);
    schemas.set(key, schema);
    return schema;
  };
  return {
    cluster,
    clock,
    logOf,
    schemaOf,
    /** Commits rows of CPU at these times, the values being the times. */
    rows(host: string, ...times: number[]) {
      logOf(host).append(clock.now(), [block(schemaOf(host, CPU), times, [times])]);
      cluster.settle();
    },
    host(host: string, state: HostState) {
      logOf(host).append(clock.now(), [], [hostRecord(host, state, clock.now())]);
      cluster.settle();
    },
    noop(shard = 0) {
      cluster.logs[shard]?.append(0, []);
      cluster.settle();
    },
  };
}

// ---------------------------------------------------------------- what is delivered

test('from now on: the first answer comes at once with a cursor, then rows as they commit, grouped by a few milliseconds', () => {
  const { cluster, clock, rows } = setUp();
  rows('a', 1);
  clock.advance(100);
  const one = subscribe(cluster, 'broker-1');
  clock.advance(2);
  assert.equal(one.responses.length, 1);
  assert.deepEqual(one.positions(), [1]);
  assert.equal(one.state(), 'live');
  rows('a', 2);
  rows('b', 2);
  clock.advance(bounds.gatherMs + 1);
  assert.equal(one.responses.length, 2, 'two entries, one message');
  rows('a', 3);
  clock.advance(bounds.gatherMs + 1);
  assert.deepEqual(one.times('a'), [2, 3]);
  assert.deepEqual(one.times('b'), [2]);
  assert.deepEqual(one.positions(), [4]);
});

test('rows of a leader whose clock is far behind are delivered all the same', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const one = subscribe(cluster, 'broker-1');
  clock.advance(5);
  logOf('a').append(clock.now() - 3_600_000, [block(schemaOf('a', CPU), [1], [[1]])]);
  cluster.settle();
  clock.advance(50);
  assert.deepEqual(one.times(), [1]);
});

test('at a replica that was just started what was committed long ago is not news', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const log = logOf('a');
  for (let n = 1; n <= 5; n++) log.append(clock.now() - 60_000 + n, [block(schemaOf('a', CPU), [n], [[n]])]);
  cluster.broker('broker-1').replicas.get(0)?.setStatus({ leader: null, commit: 0 });
  const one = subscribe(cluster, 'broker-1');
  clock.advance(5);
  cluster.settle();
  log.append(clock.now(), [block(schemaOf('a', CPU), [6], [[6]])]);
  cluster.settle();
  clock.advance(50);
  assert.deepEqual(one.times(), [6]);
});

test('only the hosts and series asked for; a cursor moves past what was not', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const wanted = subscribe(cluster, 'broker-1', {
    hostIds: ['web-*'],
    metrics: ['system.network.io{direction=receive}', 'nothing.such'],
    delivery: Delivery.EVERY,
  });
  clock.advance(5);
  const log = logOf('web-1');
  const both = schemaOf('web-1', CPU, RECEIVED, SENT);
  log.append(clock.now(), [
    block(
      both,
      [10, 20],
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ),
    block(schemaOf('db-1', CPU, RECEIVED), [10], [[7], [8]]),
    block(schemaOf('web-2', CPU), [10], [[9]]),
  ]);
  log.append(clock.now(), [
    block(
      both,
      [30, 40],
      [
        [1, 1],
        [Number.NaN, 7],
        [1, 1],
      ],
    ),
  ]);
  log.append(clock.now(), [block(schemaOf('db-1', CPU, RECEIVED), [20], [[7], [8]])]);
  cluster.settle();
  clock.advance(50);
  assert.deepEqual(wanted.rows, [
    { host: 'web-1', time: 10, values: { 'system.network.io/receive': 3 } },
    { host: 'web-1', time: 20, values: { 'system.network.io/receive': 4 } },
    { host: 'web-1', time: 40, values: { 'system.network.io/receive': 7 } },
  ]);
  assert.equal(wanted.schemas.size, 1);
  clock.advance(bounds.signOfLifeMs);
  assert.deepEqual(wanted.positions(), [3]);
});

test('rows are picked and packed once for all who want the same', () => {
  const { cluster, clock, rows } = setUp();
  const sent: vedette.v1.ISubscribeResponse[] = [];
  const { subscriptions } = cluster.broker('broker-1');
  for (let n = 0; n < 2; n++) {
    const { sink } = createPipe(clock);
    subscriptions.subscribe(
      vedette.v1.SubscribeRequest.create({ hostIds: n === 0 ? ['a', 'b'] : ['b', 'a'] }),
      { ...sink, send: (response) => sent.push(response) > 0 },
      { forwarded: false, remoteAddress: '' },
    );
  }
  clock.advance(5);
  rows('a', 1);
  clock.advance(50);
  const packed = sent.flatMap(({ frames }) => frames ?? []).map((frame) => frame.packed);
  assert.equal(packed.length, 2);
  assert.equal(packed[0], packed[1], 'the same bytes, not equal ones');
});

test('host states are told as events when they change, not when the log repeats them', () => {
  const { cluster, clock, host, rows } = setUp();
  host('a', 'online');
  const one = subscribe(cluster, 'broker-1', { events: true });
  const none = subscribe(cluster, 'broker-1', { events: false });
  const other = subscribe(cluster, 'broker-1', { events: true, hostIds: ['b'] });
  clock.advance(5);
  const at: number[] = [];
  for (const state of ['online', 'suspect', 'suspect', 'offline'] as const) {
    at.push(clock.now());
    host('a', state);
    clock.advance(20);
  }
  rows('a', 1);
  clock.advance(20);
  const told = one.events().map(({ kind, subject, state, atMs }) => ({ kind, subject, state, atMs }));
  assert.deepEqual(told, [
    { kind: 'host', subject: 'a', state: 'suspect', atMs: at[1] },
    { kind: 'host', subject: 'a', state: 'offline', atMs: at[3] },
  ]);
  assert.equal(none.events().length + other.events().length, 0);
});

test('a name without a glob needs its own shard alone', () => {
  const { cluster, clock } = setUp({ shards: 4 });
  const one = subscribe(cluster, 'broker-1', { hostIds: ['a'] });
  clock.advance(5);
  const begun = one.positions().flatMap((index, shard) => (index === NOT_BEGUN ? [] : [shard]));
  assert.deepEqual(begun, [cluster.shardOf('a')]);
});

test('an idle stream tells its cursor, which moves past no-ops as well', () => {
  const { cluster, clock, noop } = setUp();
  const one = subscribe(cluster, 'broker-1');
  clock.advance(5);
  noop();
  clock.advance(bounds.signOfLifeMs);
  assert.equal(one.responses.length, 2);
  assert.deepEqual(one.positions(), [1]);
  clock.advance(bounds.signOfLifeMs + 5);
  assert.equal(one.responses.length, 3);
  assert.equal(one.rows.length, 0);
});

// ---------------------------------------------------------------- from the past

test('backfill begins where the leader stamped that time, and goes on into what is live', () => {
  const { cluster, clock, rows } = setUp();
  for (let n = 1; n <= 10; n++) {
    rows('a', n);
    clock.advance(1_000);
  }
  // Entry n is (11 - n) seconds old.
  const one = subscribe(cluster, 'broker-1', { backfillMs: 3_500, delivery: Delivery.EVERY });
  clock.advance(20);
  rows('a', 11);
  clock.advance(50);
  assert.deepEqual(one.times(), [8, 9, 10, 11]);
  assert.deepEqual(one.gaps(), []);
});

test('a backfill is larger than a message: several go, none beyond its bytes, each cursor resumes exactly', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const wide = schemaOf('a', ...Array.from({ length: 500 }, (_, n) => series(`m${n}`)));
  const count = 400;
  for (let n = 1; n <= count; n++)
    logOf('a').append(clock.now(), [
      block(
        wide,
        [n],
        wide.series.map(() => [n]),
      ),
    ]);
  cluster.settle();
  clock.advance(1_000);
  const one = subscribe(cluster, 'broker-1', { backfillMs: 60_000, delivery: Delivery.EVERY });
  clock.advance(200);
  assert.deepEqual(
    one.times(),
    Array.from({ length: count }, (_, n) => n + 1),
  );
  const sizes = one.responses.map((response) => vedette.v1.SubscribeResponse.encode(response).finish().length);
  assert.ok(sizes.length > 5 && Math.max(...sizes) < bounds.responseBytes * 1.3, sizes.join());
  for (const response of one.responses.filter((_, n) => n % 3 === 0)) {
    const from = response.frames.at(-1)?.timestampsMs?.at(-1) ?? 0;
    const resumed = subscribe(cluster, 'broker-1', { cursor: response.cursor, delivery: Delivery.EVERY });
    clock.advance(200);
    assert.equal(resumed.times()[0] ?? count + 1, from + 1);
    resumed.source.close();
  }
});

test('beyond the horizon a gap is told, and what there is comes', () => {
  const { cluster, clock, rows } = setUp();
  rows('a', 1);
  clock.advance(bounds.horizonMs + 60_000);
  rows('a', 2);
  clock.advance(1_000);
  const now = clock.now();
  const one = subscribe(cluster, 'broker-1', { backfillMs: bounds.horizonMs + 600_000, delivery: Delivery.EVERY });
  clock.advance(50);
  assert.deepEqual(one.times(), [2]);
  const [gap] = one.gaps();
  assert.equal(gap?.fromMs, now - bounds.horizonMs - 600_000);
  assert.equal(gap?.toMs, now - bounds.horizonMs);
  assert.match(gap?.reason ?? '', /15 minutes/);
});

function tenEntriesOfWhichFiveLeft() {
  const setting = setUp();
  const { cluster, clock, rows } = setting;
  const stamps: number[] = [];
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY });
  clock.advance(5);
  const early = one.cursor;
  const earlyMs = clock.now();
  one.source.close();
  for (let n = 1; n <= 10; n++) {
    clock.advance(1_000);
    stamps.push(clock.now());
    rows('a', n);
  }
  clock.advance(1_000);
  const replica = cluster.broker('broker-1').replicas.get(0);
  assert.ok(replica !== undefined);
  return { ...setting, early, earlyMs, stamps, replica };
}

test('a cursor older than what is kept: the gap says from when to when, then it goes on', () => {
  const { cluster, clock, early, earlyMs, stamps, replica } = tenEntriesOfWhichFiveLeft();
  replica.firstReadable = 6;
  const one = subscribe(cluster, 'broker-1', { cursor: early, delivery: Delivery.EVERY });
  clock.advance(50);
  assert.deepEqual(one.times(), [6, 7, 8, 9, 10]);
  const [gap, ...more] = one.gaps();
  assert.deepEqual(more, []);
  const fromMs = gap?.fromMs ?? 0;
  assert.ok(fromMs <= earlyMs && fromMs >= earlyMs - bounds.skewMs - 100, `${gap?.fromMs} of ${earlyMs}`);
  assert.equal(gap?.toMs, stamps[5]);
  assert.match(gap?.reason ?? '', /shard 0 begins at entry 6/);
});

test('the log has nothing any more: the gap reaches to now, and the cursor does not pass it before it is told', () => {
  const { cluster, clock, early, rows, replica } = tenEntriesOfWhichFiveLeft();
  replica.firstReadable = 11;
  const one = subscribe(cluster, 'broker-1', { cursor: early, delivery: Delivery.EVERY });
  clock.advance(50);
  assert.equal(one.gaps().length, 1);
  for (const { cursor, gap } of one.responses) {
    const [position] = decodeCursor(cursor, CLUSTER, 1).shards;
    assert.equal(position, gap === null || gap === undefined ? 0 : 10);
  }
  rows('a', 11);
  clock.advance(50);
  assert.deepEqual(one.times(), [11]);
});

test('a backfill that the log does not reach: a gap up to its first entry; none when it begins later', () => {
  const { cluster, clock, stamps, replica } = tenEntriesOfWhichFiveLeft();
  replica.firstReadable = 6;
  const now = clock.now();
  const long = subscribe(cluster, 'broker-1', { backfillMs: 9_500, delivery: Delivery.EVERY });
  const short = subscribe(cluster, 'broker-1', { backfillMs: 3_500, delivery: Delivery.EVERY });
  clock.advance(50);
  assert.deepEqual(
    long.gaps().map(({ fromMs, toMs }) => [fromMs, toMs]),
    [[now - 9_500, stamps[5]]],
  );
  assert.deepEqual(long.times(), [6, 7, 8, 9, 10]);
  assert.deepEqual(short.gaps(), []);
  assert.deepEqual(short.times(), [8, 9, 10]);
});

test('a cursor ahead of the replica waits until it has applied that far', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const cursor = encodeCursor(CLUSTER, { control: 0, coveredMs: clock.now(), shards: [3] });
  const one = subscribe(cluster, 'broker-1', { cursor, delivery: Delivery.EVERY });
  for (let n = 1; n <= 5; n++) logOf('a').append(clock.now(), [block(schemaOf('a', CPU), [n], [[n]])]);
  const replica = cluster.broker('broker-1').replicas.get(0);
  replica?.applyTo(2);
  clock.advance(50);
  assert.deepEqual(one.positions(), [3], 'it does not go back');
  replica?.applyTo(5);
  clock.advance(50);
  assert.deepEqual(one.times(), [4, 5]);
});

test('a shard of which the cursor has nothing yet begins at the time the cursor covers', () => {
  const { cluster, clock, rows } = setUp();
  rows('a', 1);
  clock.advance(1_000);
  const coveredMs = clock.now();
  rows('a', 2);
  clock.advance(1_000);
  const cursor = encodeCursor(CLUSTER, { control: 0, coveredMs, shards: [NOT_BEGUN] });
  const one = subscribe(cluster, 'broker-1', { cursor, delivery: Delivery.EVERY });
  clock.advance(50);
  assert.deepEqual(one.times(), [2]);
});

test('those who come back together with one cursor read the log once', () => {
  const { cluster, clock, early, replica } = tenEntriesOfWhichFiveLeft();
  replica.readMs = 5;
  const all = Array.from({ length: 20 }, () =>
    subscribe(cluster, 'broker-1', { cursor: early, delivery: Delivery.EVERY }),
  );
  clock.advance(100);
  for (const one of all) assert.equal(one.rows.length, 10);
  assert.equal(replica.reads, 1);
});

test('a log that cannot be read ends the stream with UNAVAILABLE, after some attempts', () => {
  const { cluster, clock, early, replica } = tenEntriesOfWhichFiveLeft();
  replica.readError = new Error('EIO');
  const one = subscribe(cluster, 'broker-1', { cursor: early, delivery: Delivery.EVERY });
  clock.advance(10_000);
  assert.equal(replica.reads, bounds.readFailuresMax);
  assert.equal(one.error?.code, 'UNAVAILABLE');
  assert.match(one.error?.message ?? '', /EIO/);
});

test('a log that can be read again: on it goes', () => {
  const { cluster, clock, early, replica } = tenEntriesOfWhichFiveLeft();
  replica.readError = new Error('EIO');
  const one = subscribe(cluster, 'broker-1', { cursor: early, delivery: Delivery.EVERY });
  clock.advance(bounds.readRetryMs * 1.5);
  replica.readError = null;
  clock.advance(1_000);
  assert.equal(one.rows.length, 10);
  assert.equal(one.error, null);
});

// ---------------------------------------------------------------- slow subscribers

test('EVERY: nothing is sent to a full stream; it lags in the log, and every row comes once there is room', () => {
  const { cluster, clock, logOf, schemaOf } = setUp();
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY }, 1);
  clock.advance(5);
  one.source.pause();
  const wide = schemaOf('a', ...Array.from({ length: 200 }, (_, n) => series(`m${n}`)));
  const count = 2_000;
  for (let n = 1; n <= count; n++) {
    logOf('a').append(clock.now(), [
      block(
        wide,
        [n],
        wide.series.map(() => [n]),
      ),
    ]);
    cluster.settle();
    clock.advance(1);
  }
  clock.advance(20);
  assert.equal(one.state(), 'lagging');
  const replica = cluster.broker('broker-1').replicas.get(0);
  assert.equal(replica?.reads, 0, 'what a full stream cannot take is not read');
  one.source.resume();
  clock.advance(2_000);
  assert.ok((replica?.reads ?? 0) > 0, 'the tail has not kept all of it');
  assert.deepEqual(
    one.times(),
    Array.from({ length: count }, (_, n) => n + 1),
  );
  assert.equal(one.conflated(), 0);
  assert.equal(one.state(), 'live');
});

test('LATEST: a full stream gets the newest row of each host when there is room, and the count of what was left out', () => {
  const { cluster, clock, rows } = setUp();
  const one = subscribe(cluster, 'broker-1', {}, 1);
  clock.advance(5);
  one.source.pause();
  rows('a', 1);
  clock.advance(20);
  for (let n = 2; n <= 100; n++) {
    rows('a', n);
    if (n % 10 === 0) rows('b', n);
    clock.advance(20);
  }
  assert.equal(one.state(), 'lagging');
  one.source.resume();
  clock.advance(50);
  assert.deepEqual(one.times('a'), [1, 100]);
  assert.deepEqual(one.times('b'), [100]);
  assert.equal(one.conflated(), 98 + 9);
  assert.equal(one.state(), 'live');
  rows('a', 101);
  clock.advance(50);
  assert.deepEqual(one.times('a'), [1, 100, 101]);
});

test('LATEST: while it keeps up every row comes, a backfill too', () => {
  const { cluster, clock, rows } = setUp();
  for (let n = 1; n <= 50; n++) rows('a', n);
  clock.advance(100);
  const one = subscribe(cluster, 'broker-1', { backfillMs: 60_000 });
  clock.advance(50);
  for (let n = 51; n <= 60; n++) rows('a', n);
  clock.advance(50);
  assert.equal(one.rows.length, 60);
  assert.equal(one.conflated(), 0);
});

test('LATEST: the newest by its own time stays, whatever is applied after it', () => {
  const { cluster, clock, rows } = setUp();
  const one = subscribe(cluster, 'broker-1', {}, 1);
  clock.advance(5);
  one.source.pause();
  rows('z', 1);
  clock.advance(20);
  rows('a', 100);
  rows('a', 50, 60);
  clock.advance(50);
  one.source.resume();
  clock.advance(50);
  assert.deepEqual(one.times('a'), [100]);
  assert.equal(one.conflated(), 2);
});

test('LATEST: a held cursor does not cover what waits', () => {
  const { cluster, clock, rows } = setUp();
  const one = subscribe(cluster, 'broker-1', { maxRateHz: 1 });
  clock.advance(5);
  rows('a', 1);
  clock.advance(20);
  rows('a', 2);
  rows('b', 2);
  clock.advance(20);
  assert.deepEqual(one.times(), [1, 2], 'a has had its row of this second');
  assert.deepEqual(one.positions(), [1]);
  one.source.close();
  const resumed = subscribe(cluster, 'broker-1', { cursor: one.cursor });
  clock.advance(50);
  assert.deepEqual(resumed.times('a'), [2]);
});

test('max_rate_hz: a host has its rows at least a period apart, by the clock', () => {
  const { cluster, clock, rows } = setUp();
  const one = subscribe(cluster, 'broker-1', { maxRateHz: 4 });
  const arrivals: number[] = [];
  one.source.inbox.subscribe(({ frames }) => {
    if (frames.length > 0) arrivals.push(clock.monotonic());
  });
  clock.advance(5);
  const count = 1_000;
  for (let n = 1; n <= count; n++) {
    rows('a', n);
    clock.advance(5);
  }
  clock.advance(500);
  assert.ok(arrivals.length >= 19 && arrivals.length <= 21, `${arrivals.length} rows in 5 s at 4 Hz`);
  arrivals.slice(1).forEach((at, n) => assert.ok(at - (arrivals[n] ?? 0) >= 249, `${at} after ${arrivals[n]}`));
  assert.equal(one.times().at(-1), count, 'the newest comes');
  assert.equal(one.rows.length + one.conflated(), count);
});

test('max_rate_hz: a backfill is thinned by the times of its rows', () => {
  const { cluster, clock, rows } = setUp();
  for (let n = 0; n < 100; n++) {
    rows('a', clock.now());
    clock.advance(250);
  }
  const one = subscribe(cluster, 'broker-1', { backfillMs: 60_000, maxRateHz: 1 });
  clock.advance(50);
  const times = one.times();
  assert.equal(times.length, 25);
  times.slice(1).forEach((time, n) => assert.equal(time - (times[n] ?? 0), 1_000));
  clock.advance(1_500);
  assert.equal(one.rows.length, 26, 'and its newest follows');
  assert.equal(one.rows.length + one.conflated(), 100);
});

test('one subscriber that does not read costs another nothing', () => {
  const { cluster, clock, rows } = setUp();
  const slow = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY }, 1);
  const quick = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY }, 1);
  slow.source.pause();
  clock.advance(5);
  for (let n = 1; n <= 500; n++) {
    rows('a', n);
    clock.advance(20);
  }
  assert.equal(quick.rows.length, 500);
  slow.source.resume();
  clock.advance(100);
  assert.equal(slow.rows.length, 500);
});

test('more than may wait for one subscriber ends it with RESOURCE_EXHAUSTED', () => {
  const { cluster, clock, logOf } = setUp();
  const one = subscribe(cluster, 'broker-1', {}, 1);
  clock.advance(5);
  one.source.pause();
  const definitions = Array.from({ length: 2_000 }, (_, n) => series(`m${n}`));
  const values = definitions.map(() => [1]);
  for (let n = 0; n < 1_200; n++) {
    const host = `host-${n}`;
    logOf(host).append(clock.now(), [block(logOf(host).schema(host, definitions), [1], values)]);
    cluster.settle();
    clock.advance(20);
  }
  one.source.resume();
  clock.advance(50);
  assert.equal(one.error?.code, 'RESOURCE_EXHAUSTED');
  assert.match(one.error?.message ?? '', /ask for fewer hosts or metrics/);
  assert.equal(cluster.broker('broker-1').subscriptions.count, 0);
});

// ---------------------------------------------------------------- shards that live elsewhere

/** Five brokers, two replicas of each shard: broker-1 has a part of them. */
const wide = { brokers: 5, shards: 8, replicas: 2 };

test('shards without a replica here come from brokers that have one, merged, with one cursor', () => {
  const { cluster, clock, rows } = setUp(wide);
  const { replicas } = cluster.broker('broker-1');
  assert.ok(replicas.size > 0 && replicas.size < 8);
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY, events: true });
  assert.equal(one.responses.length, 0, 'nothing before every part knows where it begins');
  clock.advance(20);
  assert.equal(one.responses.length, 1);
  assert.ok(one.positions().every((index) => index === 0));
  const calls = cluster.brokers.reduce((sum, { forwardedCalls }) => sum + forwardedCalls, 0);
  assert.ok(calls <= 4, 'one stream per broker');
  const hosts = Array.from({ length: 40 }, (_, n) => `host-${n}`);
  for (const host of hosts) rows(host, 1);
  clock.advance(100);
  assert.deepEqual(one.rows.map(({ host }) => host).sort(), [...hosts].sort());
  clock.advance(bounds.signOfLifeMs);
  assert.deepEqual(
    one.positions(),
    cluster.logs.map(({ entries }) => entries.length),
  );
  assert.equal(one.state(), 'live');
});

test('a broker that served a part is gone: its other replicas go on where it was, and nothing is missing or twice', () => {
  const { cluster, clock, rows } = setUp(wide);
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY });
  clock.advance(20);
  const hosts = Array.from({ length: 40 }, (_, n) => `host-${n}`);
  const serving = cluster.brokers.filter(({ forwardedCalls }) => forwardedCalls > 0);
  let time = 0;
  for (const { id } of serving) {
    for (const host of hosts) rows(host, ++time);
    clock.advance(5);
    cluster.kill(id);
    assert.equal(one.state(), 'resuming');
    for (const host of hosts) rows(host, ++time);
    clock.advance(3_000);
    cluster.revive(id);
    clock.advance(3_000);
    assert.equal(one.state(), 'live');
  }
  for (const host of hosts) assert.equal(new Set(one.times(host)).size, 2 * serving.length, host);
  assert.equal(one.rows.length, time);
});

for (const [name, answer] of [
  ['a cursor that is none', { cursor: 'nonsense' }],
  [
    'a frame without its schema',
    { frames: [{ hostId: 'a', schemaId: 7, timestampsMs: [1], packed: new Uint8Array(8) }] },
  ],
] as const) {
  test(`a broker that sends ${name} is left for another`, () => {
    const { cluster, clock, rows } = setUp(wide);
    for (const { subscriptions } of cluster.brokers.slice(1, 3)) {
      const nonsense: typeof subscriptions.subscribe = (_, sink) => {
        sink.send(vedette.v1.SubscribeResponse.create({ ...answer } as vedette.v1.ISubscribeResponse));
      };
      Object.assign(subscriptions, { subscribe: nonsense });
    }
    const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY });
    clock.advance(20);
    const hosts = Array.from({ length: 40 }, (_, n) => `host-${n}`);
    for (const host of hosts) rows(host, 1);
    clock.advance(10_000);
    const served = hosts.filter((host) => {
      const replicas = cluster.broker('broker-1').directory.replicasOf(cluster.shardOf(host));
      return replicas.some((id) => !['broker-2', 'broker-3'].includes(id));
    });
    assert.deepEqual(one.rows.map(({ host }) => host).sort(), served.sort());
    assert.ok(served.length > 0 && one.error === null);
  });
}

test('a part that nobody serves: after some patience the others begin, and it follows from when the subscription began', () => {
  const { cluster, clock, rows } = setUp(wide);
  const here = [...cluster.broker('broker-1').replicas.keys()];
  for (const { id } of cluster.brokers.slice(1)) cluster.kill(id);
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY });
  clock.advance(bounds.openPatienceMs - 10);
  assert.equal(one.state(), 'opening');
  const hosts = Array.from({ length: 40 }, (_, n) => `host-${n}`);
  for (const host of hosts) rows(host, 1);
  clock.advance(100);
  assert.equal(one.state(), 'resuming');
  assert.deepEqual(
    one.rows.map(({ host }) => host).sort(),
    hosts.filter((host) => here.includes(cluster.shardOf(host))).sort(),
  );
  assert.ok(one.positions().includes(NOT_BEGUN));
  const { cursor } = one;
  for (const { id } of cluster.brokers.slice(1)) cluster.revive(id);
  clock.advance(5_000);
  assert.equal(one.rows.length, hosts.length);
  assert.equal(one.state(), 'live');
  const resumed = subscribe(cluster, 'broker-2', { cursor, delivery: Delivery.EVERY });
  clock.advance(1_000);
  assert.equal(one.rows.length, hosts.length);
  assert.deepEqual(
    resumed.rows.map(({ host }) => host).sort(),
    hosts.filter((host) => !here.includes(cluster.shardOf(host))).sort(),
    'what had not begun is not lost to who resumes',
  );
});

test('a slow subscriber holds back the brokers that serve its parts', () => {
  const { cluster, clock, logOf, schemaOf } = setUp(wide);
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY }, 1);
  clock.advance(20);
  one.source.pause();
  const host = Array.from({ length: 100 }, (_, n) => `host-${n}`).find(
    (name) => !cluster.broker('broker-1').replicas.has(cluster.shardOf(name)),
  );
  assert.ok(host !== undefined);
  const wideSchema = schemaOf(host, ...Array.from({ length: 500 }, (_, n) => series(`m${n}`)));
  for (let n = 1; n <= 2_000; n++) {
    logOf(host).append(clock.now(), [
      block(
        wideSchema,
        [n],
        wideSchema.series.map(() => [n]),
      ),
    ]);
    cluster.settle();
    clock.advance(5);
  }
  const shard = cluster.shardOf(host);
  const states = cluster.brokers.flatMap(({ inspector }) => inspector.machines({ kind: 'subscription' }));
  assert.equal(states.filter(({ state }) => state === 'lagging').length, 2, 'this one, and the one that feeds it');
  assert.ok((one.positions()[shard] ?? 0) < 600);
  one.source.resume();
  clock.advance(10_000);
  assert.equal(one.rows.length, 2_000);
});

test('another broker is answered from what is here, or not at all', () => {
  const { cluster, clock } = setUp(wide);
  const elsewhere = cluster.logs.map(({ id }) => id).filter((id) => !cluster.broker('broker-1').replicas.has(id));
  const one = subscribe(cluster, 'broker-1', { shards: elsewhere.slice(0, 1) }, 4, true);
  clock.advance(20);
  assert.equal(one.error?.code, 'UNAVAILABLE');
  assert.match(one.error?.message ?? '', /broker-1 holds no replica of shard/);
});

// ---------------------------------------------------------------- refusals, limits, ends

for (const [field, request, message] of [
  ['host_ids', { hostIds: Array.from({ length: 201 }, (_, n) => `h${n}`) }, /at most 200/],
  ['host_ids', { hostIds: [''] }, /empty/],
  ['host_ids', { hostIds: ['no spaces'] }, /letters, digits/],
  ['metrics', { metrics: Array.from({ length: 201 }, (_, n) => `m${n}`) }, /at most 200/],
  ['metrics', { metrics: ['cpu{open=1'] }, /closing brace/],
  ['max_rate_hz', { maxRateHz: -1 }, /not between 0/],
  ['max_rate_hz', { maxRateHz: Number.NaN }, /not between 0/],
  ['max_rate_hz', { maxRateHz: Number.POSITIVE_INFINITY }, /not between 0/],
  ['max_rate_hz', { maxRateHz: 1, delivery: Delivery.EVERY }, /goes with LATEST/],
  ['delivery', { delivery: 7 as vedette.v1.Delivery }, /neither LATEST/],
  ['shards', { shards: [1] }, /count from 0/],
  ['cursor', { cursor: 'nonsense' }, /malformed/],
] as const) {
  test(`refused, naming ${field}: ${JSON.stringify(request).slice(0, 60)}`, () => {
    const { cluster, clock } = setUp();
    const one = subscribe(cluster, 'broker-1', { ...request } as vedette.v1.ISubscribeRequest);
    clock.advance(5);
    assert.equal(one.error?.code, 'INVALID_ARGUMENT');
    assert.equal(one.error?.field, field);
    assert.match(one.error?.message ?? '', message);
    assert.equal(cluster.broker('broker-1').subscriptions.count, 0);
    assert.equal(clock.pending, 0);
  });
}

test('one subscription more than a broker takes is RESOURCE_EXHAUSTED; when one ends there is room again', () => {
  const { cluster, clock } = setUp();
  const all = Array.from({ length: bounds.perBrokerMax }, () => subscribe(cluster, 'broker-1', { hostIds: ['a'] }));
  const more = subscribe(cluster, 'broker-1');
  clock.advance(5);
  assert.equal(more.error?.code, 'RESOURCE_EXHAUSTED');
  assert.match(more.error?.message ?? '', /at most 2000/);
  all[0]?.source.close();
  const fits = subscribe(cluster, 'broker-1');
  clock.advance(5);
  assert.equal(fits.error, null);
  assert.equal(fits.responses.length, 1);
});

test('a subscriber that goes leaves nothing behind', () => {
  const { cluster, clock, rows } = setUp(wide);
  const one = subscribe(cluster, 'broker-1', { delivery: Delivery.EVERY, maxRateHz: 0 });
  clock.advance(20);
  rows('a', 1);
  one.source.close();
  clock.advance(20);
  for (const { subscriptions, inspector, replicas } of cluster.brokers) {
    assert.equal(subscriptions.count, 0);
    assert.deepEqual(inspector.machines({ kind: 'subscription' }), []);
    for (const { applied } of replicas.values()) assert.ok(!(applied as unknown as { observed: boolean }).observed);
  }
  assert.equal(clock.pending, 0);
});

test('a subscriber that is gone before it was heard is no error', () => {
  const { cluster, clock } = setUp();
  const { sink, source } = createPipe(clock);
  source.close();
  cluster
    .broker('broker-1')
    .subscriptions.subscribe(vedette.v1.SubscribeRequest.create({}), sink, { forwarded: false, remoteAddress: '' });
  assert.equal(cluster.broker('broker-1').subscriptions.count, 0);
  clock.advance(5);
  assert.equal(clock.pending, 0);
});

test('a broker that stops ends its streams with UNAVAILABLE, and takes no more', () => {
  const { cluster, clock } = setUp();
  const one = subscribe(cluster, 'broker-1');
  clock.advance(5);
  cluster.broker('broker-1').subscriptions.stop();
  const late = subscribe(cluster, 'broker-1');
  clock.advance(5);
  for (const { error } of [one, late]) {
    assert.equal(error?.code, 'UNAVAILABLE');
    assert.match(error?.message ?? '', /stopping/);
  }
  assert.equal(clock.pending, 0);
});

test.run();
