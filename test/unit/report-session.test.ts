// An agent's session at the broker: what is taken, split, refused and acknowledged. The shards' leaders are what the test says.
import { Subject } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultConfig } from '../../src/actors/cluster/cluster-config.ts';
import type { Directory } from '../../src/actors/directory.ts';
import { createIngest } from '../../src/actors/ingest/ingest.ts';
import { openReportSession } from '../../src/actors/ingest/report-session.ts';
import { createRouter } from '../../src/actors/ingest/router.ts';
import type { ReportCall } from '../../src/actors/monitor-service.ts';
import { encodeProposal, type RowProposal } from '../../src/actors/shard/row-proposal.ts';
import { unavailable, type VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ShardId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import type { ForwardOutcome } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom, type Random } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('report session');
const NOW = 1_700_000_000_000;
const shardFor = (host: string) => (host.length % 4) as ShardId;
const CONTEXT = { forwarded: false, remoteAddress: 'test' };

function call() {
  const requests = new Subject<vedette.v1.ReportRequest>();
  const answers: vedette.v1.IReportResponse[] = [];
  const state: { error: VedetteError | undefined; closed: boolean; held: boolean } = {
    error: undefined,
    closed: false,
    held: false,
  };
  const report: ReportCall = {
    requests,
    responses: {
      send: (answer) => answers.push(answer) > 0,
      drained: new Subject(),
      closed: new Subject(),
      close(error) {
        state.closed = true;
        state.error = error;
      },
    },
    pause: () => {
      state.held = true;
    },
    resume: () => {
      state.held = false;
    },
  };
  const say = (request: vedette.v1.IReportRequest) =>
    requests.next(vedette.v1.ReportRequest.decode(vedette.v1.ReportRequest.encode(request).finish()));
  return { report, answers, state, say };
}

function session(hostId = 'h') {
  const clock = createVirtualClock({ startMs: NOW });
  const submitted: { shard: ShardId; proposal: RowProposal; done: (error: VedetteError | null) => void }[] = [];
  const wire = call();
  openReportSession({
    machineId: 'b/session/1',
    call: wire.report,
    context: CONTEXT,
    router: {
      submit(shard, proposal, done) {
        submitted.push({ shard, proposal, done });
        return () => {};
      },
    },
    shardOf: (host) => shardFor(host),
    clock,
    inspector: createInspector({ clock }),
    config: () => defaultConfig,
    beat() {},
    acked() {},
    ended() {},
  });
  wire.say({ hello: { agentId: 'a', hostId } });
  return { ...wire, clock, submitted };
}

const series = (count: number, width = 1): vedette.v1.ISeries[] =>
  Array.from({ length: count }, (_, at) => ({
    metric: `m${at}`,
    labels: width > 1 ? { wide: 'x'.repeat(width) } : {},
  }));
const packed = (count: number, rows: number) =>
  new Uint8Array(new Float64Array(count * rows).map((_, at) => at).buffer);
const times = (rows: number) => Array.from({ length: rows }, (_, at) => NOW - (rows - at) * 1_000);

test('a frame larger than an entry may be is brought to its shard in parts, and acknowledged when all are applied', () => {
  const { say, submitted, answers } = session();
  const [count, rows] = [200, 3_000];
  say({
    batch: {
      sequence: 1,
      schemas: [{ schemaId: 1, series: series(count) }],
      frames: [{ schemaId: 1, timestampsMs: times(rows), packed: packed(count, rows) }],
    },
  });
  assert.ok(submitted.length > 1);
  const taken: number[] = [];
  for (const { proposal } of submitted) {
    assert.ok(encodeProposal(proposal).length < limits.raft.entryBytesMax / 2);
    for (const { timestamps, values } of proposal.rows) {
      taken.push(...timestamps);
      // Series s of row r was s × rows + r in the frame.
      timestamps.forEach((time, r) => {
        const row = times(rows).indexOf(time);
        for (const s of [0, count - 1]) assert.is(values[s * timestamps.length + r], s * rows + row);
      });
    }
  }
  assert.equal(taken, times(rows), 'every row, once, in order');
  for (const { done } of submitted.slice(1)) done(null);
  assert.is(answers.at(-1)?.ackedSequence, 0);
  submitted[0]?.done(null);
  assert.is(answers.at(-1)?.ackedSequence, 1);
});

test('many hosts with many series go in parts that a leader takes', () => {
  const { say, submitted, state } = session('');
  const hosts = Array.from({ length: 200 }, (_, at) => `host-${at}`);
  say({
    batch: {
      sequence: 1,
      schemas: hosts.map((hostId, at) => ({ schemaId: at + 1, hostId, series: series(100, 60) })),
      frames: hosts.map((hostId, at) => ({ hostId, schemaId: at + 1, timestampsMs: times(1), packed: packed(100, 1) })),
    },
  });
  assert.is(state.closed, false);
  const sizes = submitted.map(({ proposal }) => encodeProposal(proposal).length);
  assert.ok(Math.max(...sizes) <= limits.ingest.proposalBytes * 1.5, `${sizes}`);
  assert.equal(
    submitted.flatMap(({ proposal }) => proposal.rows.map(({ host }) => host as string)).sort(),
    hosts.toSorted(),
  );
  for (const { shard, proposal } of submitted) for (const { host } of proposal.rows) assert.is(shardFor(host), shard);
});

test('series that no entry could hold are rejected, with what else is wrong; the rest is taken', () => {
  const { say, submitted, answers } = session();
  say({
    batch: {
      sequence: 1,
      schemas: [
        { schemaId: 1, series: series(1_000, 900) },
        { schemaId: 2, series: series(2) },
      ],
      frames: [
        { schemaId: 1, timestampsMs: times(1), packed: packed(1_000, 1) },
        { schemaId: 2, timestampsMs: times(2), packed: packed(2, 1) },
        { schemaId: 2, timestampsMs: [NOW + 3_600_000], packed: packed(2, 1) },
        { schemaId: 2, timestampsMs: times(1), packed: packed(2, 1) },
      ],
    },
  });
  assert.is(submitted.length, 1);
  submitted[0]?.done(null);
  const answer = answers.at(-1);
  assert.equal(
    answer?.rejections?.map(({ code }) => code),
    ['over_limit', 'unknown_schema', 'length_mismatch', 'too_far_in_future'],
  );
  assert.equal(answer?.unknownSchemas, [1]);
  assert.is(answer?.ackedSequence, 1);
});

test('a schema may be announced again, but not changed', () => {
  const { say, state } = session();
  const announce = (sequence: number, count: number) =>
    say({ batch: { sequence, schemas: [{ schemaId: 1, series: series(count) }], frames: [] } });
  announce(1, 2);
  announce(2, 2);
  assert.is(state.closed, false);
  announce(3, 3);
  assert.is(state.error?.code, 'INVALID_ARGUMENT');
  assert.is(state.error?.field, 'batch.schemas.schema_id');
});

test('limits of a session: the bytes of its schemas, the hosts of a heartbeat, the labels of its host', () => {
  const schemas = session();
  for (let sequence = 1; sequence < 1_000 && !schemas.state.closed; sequence++)
    schemas.say({ batch: { sequence, schemas: [{ schemaId: sequence, series: series(250, 900) }], frames: [] } });
  assert.is(schemas.state.error?.code, 'RESOURCE_EXHAUSTED');

  const beats = session('');
  const hostIds = Array.from({ length: limits.ingest.hostsPerHeartbeatMax + 1 }, (_, at) => `h${at}`);
  beats.say({ heartbeat: { sentAtMs: NOW, hostIds } });
  assert.is(beats.state.error?.field, 'heartbeat.host_ids');

  const labels = call();
  const clock = createVirtualClock();
  openReportSession({
    machineId: 'b/session/2',
    call: labels.report,
    context: CONTEXT,
    router: { submit: () => () => {} },
    shardOf: () => 0 as ShardId,
    clock,
    inspector: createInspector({ clock }),
    config: () => defaultConfig,
    beat() {},
    acked() {},
    ended() {},
  });
  labels.say({ hello: { agentId: 'a', hostId: 'h', labels: { x: 'y'.repeat(100_000) } } });
  assert.is(labels.state.error?.field, 'hello.labels');
});

/** A directory that knows one other broker, and what is forwarded to it. */
function elsewhere() {
  const changes = new Subject<void>();
  const forwarded: ((outcome: ForwardOutcome) => void)[] = [];
  const asked: (BrokerId | null)[] = [];
  const leader: { now: BrokerId | null } = { now: 'other' as BrokerId };
  const directory: Directory = {
    self: 'me' as BrokerId,
    clusterId: null,
    ringVersion: 1,
    shardCount: 1,
    brokers: [],
    shardOf: () => 0 as ShardId,
    replicasOf: () => ['other' as BrokerId],
    shards: new Map(),
    leaderOf: () => leader.now,
    changes,
    client: () => null,
    forward(to, _shard, _proposal, _timeout, done) {
      asked.push(to);
      forwarded.push(done);
    },
  };
  return { directory, changes, forwarded, leader, asked };
}

test('however often leaders change, one attempt at a time is under way', () => {
  const clock = createVirtualClock();
  const { directory, changes, forwarded } = elsewhere();
  // The shortest backoff, so that the moment of the next attempt is known.
  const atOnce: Random = { next: () => 0, integer: (low) => low, fork: () => atOnce };
  const router = createRouter(directory, clock, atOnce);
  const outcomes: (VedetteError | null)[] = [];
  router.submit(0 as ShardId, { rows: [], hosts: [] }, (error) => outcomes.push(error));
  for (let round = 0; round < 50; round++) {
    assert.is(forwarded.length, 1, `round ${round}`);
    // News comes in the very moment in which the timer is due.
    clock.after(limits.ingest.retryBaseMs, () => changes.next());
    forwarded.shift()?.({ outcome: 'unknown', message: 'no answer' });
    clock.advance(limits.ingest.retryBaseMs);
  }
  forwarded.shift()?.({ outcome: 'applied' });
  clock.advance(60_000);
  assert.equal([outcomes, forwarded.length], [[null], 0]);
});

test('a leader that was asked, and lost the lead before it answered, is not waited for', () => {
  const clock = createVirtualClock();
  const { directory, changes, forwarded, leader, asked } = elsewhere();
  const router = createRouter(directory, clock, createRandom(1));
  const outcomes: (VedetteError | null)[] = [];
  router.submit(0 as ShardId, { rows: [], hosts: [] }, (error) => outcomes.push(error));
  const news = (now: string | null) => {
    leader.now = now as BrokerId | null;
    changes.next();
    clock.advance(100);
  };
  news('other');
  news(null);
  assert.equal(asked, ['other'], 'nobody else leads yet');
  news('another');
  assert.equal(asked, ['other', 'another']);
  const [late, next] = forwarded;
  late?.({ outcome: 'unknown', message: 'paused until now' });
  clock.advance(1_000);
  assert.equal([asked.length, outcomes.length], [2, 0], 'what it says now is no news, unless the rows were applied');
  news('a third');
  next?.({ outcome: 'applied' });
  forwarded[2]?.({ outcome: 'applied' });
  assert.equal([asked.at(-1), outcomes], ['a third', [null]]);
});

test('sessions past the limit are refused, and a broker that stops ends all of them', () => {
  const clock = createVirtualClock();
  const { directory } = elsewhere();
  const ingest = createIngest({
    directory,
    clock,
    random: createRandom(1),
    inspector: createInspector({ clock }),
    config: () => defaultConfig,
    sessionsMax: 3,
  });
  const wires = Array.from({ length: 4 }, call);
  for (const { report } of wires) ingest.open(report, CONTEXT);
  assert.is(ingest.sessions, 3);
  assert.is(wires.at(-1)?.state.error?.code, 'RESOURCE_EXHAUSTED');
  ingest.stop();
  assert.is(ingest.sessions, 0);
  assert.is(wires[0]?.state.error?.code, unavailable('').code);
});

test.run();
