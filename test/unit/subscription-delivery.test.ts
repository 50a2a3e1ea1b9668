// Delivery under random schedules: rows, no-ops and host states are committed; replicas apply when they like; the subscriber stalls,
// and goes on with its last cursor at another broker; brokers die and come back; logs are compacted. Each seed is one schedule.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { RowBlock } from '../../src/core/frame.ts';
import { vedette } from '../../src/core/proto.ts';
import { unpack } from '../../src/core/series-codec.ts';
import { createRandom, type Random } from '../../src/streams/random.ts';
import { createFakeCluster, createPipe, type FakeCluster, type Pipe } from '../support/fake-cluster.ts';
import { block, hostRecord, series } from '../support/fake-shard.ts';

const { Delivery } = vedette.v1;
const HOSTS = ['web-1', 'web-2', 'db-1', 'db-2', 'db-3', 'cache-1'];
const STATES = ['online', 'suspect', 'offline'] as const;
const NARROW = [series('cpu'), series('io', { direction: 'in' })];
/** A few dozen of its rows overrun what a shard keeps for those who keep up. */
const WIDE = [...NARROW, ...Array.from({ length: 1_000 }, (_, n) => series(`m${n}`))];

interface Committed {
  readonly host: string;
  readonly time: number;
  readonly stampMs: number;
}

interface Options {
  readonly delivery: vedette.v1.Delivery;
  readonly maxRateHz?: number;
  readonly hosts?: string[];
  readonly metrics?: string[];
  readonly disconnects: boolean;
  readonly compacts?: boolean;
}

/** A client that counts only what it received, and resumes with the last cursor it received. */
class Subscriber {
  readonly rows: { readonly host: string; readonly time: number }[] = [];
  readonly events: { readonly host: string; readonly state: string }[] = [];
  readonly gaps: { readonly fromMs: number; readonly toMs: number }[] = [];
  conflated = 0;
  cursor = '';
  broker = '';
  readonly #cluster: FakeCluster;
  readonly #options: Options;
  readonly #random: Random;
  #pipe: Pipe | null = null;
  #paused = false;

  constructor(cluster: FakeCluster, options: Options, random: Random) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = random;
  }

  get connected(): boolean {
    return this.#pipe !== null;
  }

  connect(): void {
    const { clock, brokers } = this.#cluster;
    const alive = brokers.filter((broker) => broker.alive);
    const target = alive[this.#random.integer(0, alive.length - 1)];
    if (target === undefined) return;
    this.disconnect();
    this.broker = target.id;
    const pipe = createPipe(clock, this.#random.integer(1, 4));
    const schemas = new Map<number, vedette.v1.ISchema>();
    const mine = () => this.#pipe === pipe;
    this.#pipe = pipe;
    pipe.source.inbox.subscribe({
      next: (response) => mine() && this.#receive(response, schemas),
      error: () => {
        if (mine()) this.#pipe = null;
      },
    });
    if (this.#paused) pipe.source.pause();
    const { delivery, maxRateHz = 0, hosts = [], metrics = [] } = this.#options;
    const request = { hostIds: hosts, metrics, cursor: this.cursor, maxRateHz, events: true, delivery };
    target.subscriptions.subscribe(vedette.v1.SubscribeRequest.create(request), pipe.sink, {
      forwarded: false,
      remoteAddress: 'a test',
    });
  }

  disconnect(): void {
    this.#pipe?.source.close();
    this.#pipe = null;
  }

  pause(yes: boolean): void {
    this.#paused = yes;
    if (yes) this.#pipe?.source.pause();
    else this.#pipe?.source.resume();
  }

  #receive(response: vedette.v1.SubscribeResponse, schemas: Map<number, vedette.v1.ISchema>): void {
    assert.notEqual(response.cursor, '');
    this.cursor = response.cursor;
    this.conflated += response.conflatedRows;
    const { gap } = response;
    if (gap !== null && gap !== undefined) this.gaps.push({ fromMs: gap.fromMs ?? 0, toMs: gap.toMs ?? 0 });
    for (const schema of response.schemas) schemas.set(schema.schemaId ?? 0, schema);
    for (const { subject, state } of response.events) this.events.push({ host: subject ?? '', state: state ?? '' });
    for (const { hostId, schemaId, timestampsMs, packed } of response.frames) {
      const columns = schemas.get(schemaId ?? 0)?.series?.length ?? 0;
      const times = timestampsMs ?? [];
      const values = unpack(packed ?? new Uint8Array(0));
      assert.equal(values.length, columns * times.length);
      times.forEach((time, r) => {
        assert.equal(values[r], time, 'the first column holds the time');
        this.rows.push({ host: hostId ?? '', time });
      });
    }
  }
}

function run(seed: number, options: Options) {
  const random = createRandom(`delivery/${seed}`);
  const wide = random.next() < 0.2;
  const cluster = createFakeCluster({
    brokers: random.integer(3, 5),
    shards: 4,
    replicas: random.integer(2, 3),
    windowBytes: 0,
    seed,
  });
  const { clock, brokers } = cluster;
  for (const { id } of cluster.logs) cluster.lead(id, cluster.broker('broker-1').directory.replicasOf(id)[0] ?? null);
  for (const { replicas } of brokers) {
    for (const replica of replicas.values()) replica.readMs = random.next() < 0.5 ? 0 : random.integer(1, 20);
  }
  const committed: Committed[] = [];
  const states: { host: string; state: string }[] = [];
  const schemas = new Map<string, RowBlock['schema']>();
  const subscriber = new Subscriber(cluster, options, random.fork('subscriber'));
  let time = 0;

  function commit(count: number): void {
    for (let n = 0; n < count; n++) {
      const host = HOSTS[random.integer(0, HOSTS.length - 1)] ?? '';
      const log = cluster.logs[cluster.shardOf(host)];
      assert.ok(log !== undefined);
      const what = random.next();
      if (what < 0.1) log.append(0, []);
      else if (what < 0.2) {
        const state = STATES[random.integer(0, 2)] ?? 'online';
        log.append(clock.now(), [], [hostRecord(host, state, clock.now())]);
        states.push({ host, state });
      } else {
        const definitions = wide ? WIDE : NARROW;
        const schema = schemas.get(host) ?? log.schema(host, definitions);
        schemas.set(host, schema);
        const times = Array.from({ length: random.integer(1, 3) }, () => ++time);
        for (const at of times) committed.push({ host, time: at, stampMs: clock.now() });
        log.append(clock.now(), [
          block(
            schema,
            times,
            definitions.map(() => times),
          ),
        ]);
      }
    }
  }

  function apply(): void {
    const { replicas } = brokers[random.integer(0, brokers.length - 1)] ?? { replicas: new Map() };
    for (const replica of replicas.values()) {
      if (random.next() < 0.7) replica.applyTo(random.integer(replica.appliedIndex, replica.log.entries.length));
    }
  }

  function compact(): void {
    for (const { replicas } of brokers) {
      for (const replica of replicas.values()) {
        replica.firstReadable = random.integer(replica.firstReadable, replica.appliedIndex + 1);
      }
    }
  }

  function step(): void {
    const what = random.next();
    if (what < 0.3) commit(random.integer(1, 6));
    else if (what < 0.32) commit(60);
    else if (what < 0.6) apply();
    else if (what < 0.65) cluster.settle();
    else if (what < 0.75) subscriber.pause(random.next() < 0.5);
    else if (what < 0.8 && options.disconnects) subscriber.connect();
    else if (what < 0.84 && options.disconnects) killOrRevive();
    else if (what < 0.87 && options.compacts === true) compact();
    else clock.advance(random.integer(0, 60));
    if (!subscriber.connected) subscriber.connect();
  }

  function killOrRevive(): void {
    const target = brokers[random.integer(0, brokers.length - 1)];
    if (target?.alive === false) cluster.revive(target.id);
    else if (target !== undefined && brokers.filter(({ alive }) => alive).length > 2) cluster.kill(target.id);
  }

  subscriber.connect();
  clock.advance(50);
  for (let n = 0; n < 200; n++) step();
  for (const { id } of brokers) cluster.revive(id);
  cluster.settle();
  subscriber.pause(false);
  if (!subscriber.connected) subscriber.connect();
  clock.advance(30_000);
  subscriber.disconnect();
  clock.advance(100);
  assert.equal(clock.pending, 0, 'nothing stays behind');
  return { committed, states, subscriber };
}

const of = (rows: readonly { readonly host: string; readonly time: number }[], host: string) =>
  rows.filter((row) => row.host === host).map((row) => row.time);

/** Runs `check` for seeds 1 to `count`, times SEEDS; a failure prints its seed. */
function forSeeds(count: number, check: (seed: number) => void): void {
  const only = process.env['SEED'];
  const seeds =
    only === undefined
      ? Array.from({ length: count * Number(process.env['SEEDS'] ?? 1) }, (_, n) => n + 1)
      : [Number(only)];
  for (const seed of seeds) {
    try {
      check(seed);
    } catch (error) {
      console.log(`seed ${seed} (SEED=${seed} repeats it)`);
      throw error;
    }
  }
}

test('EVERY: each row once, in order, whatever stalls, breaks and dies', () => {
  forSeeds(25, (seed) => {
    const { committed, subscriber } = run(seed, { delivery: Delivery.EVERY, disconnects: true });
    for (const host of HOSTS) assert.deepEqual(of(subscriber.rows, host), of(committed, host), host);
    assert.deepEqual(subscriber.gaps, []);
    assert.equal(subscriber.conflated, 0);
  });
});

test('EVERY: every change of a host’s state, in order; repeated only where a stream was resumed', () => {
  forSeeds(15, (seed) => {
    const { states, subscriber } = run(1_000 + seed, { delivery: Delivery.EVERY, disconnects: true });
    const changes = (all: readonly { host: string; state: string }[], host: string) =>
      all
        .filter((event) => event.host === host)
        .map(({ state }) => state)
        .filter((state, n, list) => state !== list[n - 1]);
    for (const host of HOSTS) assert.deepEqual(changes(subscriber.events, host), changes(states, host), host);
  });
});

test('EVERY, filtered: only what was asked for, all of it', () => {
  forSeeds(10, (seed) => {
    const asked = { hosts: ['db-*', 'web-2'], metrics: ['cpu'], disconnects: true };
    const { committed, subscriber } = run(2_000 + seed, { delivery: Delivery.EVERY, ...asked });
    for (const host of HOSTS) {
      const wanted = host.startsWith('db-') || host === 'web-2' ? of(committed, host) : [];
      assert.deepEqual(of(subscriber.rows, host), wanted, host);
    }
  });
});

test('EVERY, with logs compacted: nothing twice, and what is missing lies within a gap that was told', () => {
  let gaps = 0;
  forSeeds(15, (seed) => {
    const { committed, subscriber } = run(3_000 + seed, {
      delivery: Delivery.EVERY,
      disconnects: true,
      compacts: true,
    });
    gaps += subscriber.gaps.length;
    for (const host of HOSTS) {
      const got = of(subscriber.rows, host);
      assert.deepEqual(
        got,
        [...new Set(got)].sort((a, b) => a - b),
        `${host}: once, in order`,
      );
      const missing = committed.filter((row) => row.host === host && !got.includes(row.time));
      for (const { time, stampMs } of missing) {
        const told = subscriber.gaps.some(({ fromMs, toMs }) => fromMs <= stampMs && stampMs <= toMs);
        assert.ok(told, `${host} at ${time}, stamped ${stampMs}, in ${JSON.stringify(subscriber.gaps)}`);
      }
    }
  });
  assert.ok(gaps > 0 || process.env['SEED'] !== undefined, 'some schedule has a gap');
});

test('LATEST: what is delivered and what is counted as left out add up to what was committed', () => {
  let conflated = 0;
  forSeeds(15, (seed) => {
    const { committed, subscriber } = run(4_000 + seed, { delivery: Delivery.LATEST, disconnects: false });
    conflated += subscriber.conflated;
    assert.equal(subscriber.rows.length + subscriber.conflated, committed.length);
    for (const host of HOSTS) assert.equal(of(subscriber.rows, host).at(-1), of(committed, host).at(-1), host);
  });
  assert.ok(conflated > 0 || process.env['SEED'] !== undefined, 'some schedule conflates');
});

test('LATEST, resumed: the newest row of each host arrives, and so does its last state', () => {
  forSeeds(15, (seed) => {
    const { committed, states, subscriber } = run(5_000 + seed, { delivery: Delivery.LATEST, disconnects: true });
    for (const host of HOSTS) {
      assert.equal(Math.max(...of(subscriber.rows, host)), Math.max(...of(committed, host)), host);
      const last = (all: readonly { host: string; state: string }[]) => all.filter((one) => one.host === host).at(-1);
      assert.deepEqual(last(subscriber.events), last(states), host);
    }
  });
});

test('LATEST at a rate, resumed: the newest row of each host arrives', () => {
  forSeeds(10, (seed) => {
    const options = { delivery: Delivery.LATEST, maxRateHz: 5, disconnects: true };
    const { committed, subscriber } = run(6_000 + seed, options);
    for (const host of HOSTS) {
      assert.equal(Math.max(...of(subscriber.rows, host)), Math.max(...of(committed, host)), host);
    }
  });
});

test('LATEST at a rate, never disconnected: delivered and left out add up', () => {
  forSeeds(10, (seed) => {
    const options = { delivery: Delivery.LATEST, maxRateHz: 5, disconnects: false };
    const { committed, subscriber } = run(7_000 + seed, options);
    assert.equal(subscriber.rows.length + subscriber.conflated, committed.length);
  });
});

test.run();
