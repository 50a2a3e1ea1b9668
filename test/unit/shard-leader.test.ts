// A shard's leader under trouble: entries that fail, that take long, or that would be too large, and records of hosts that change
// from two sides at once. Raft is what the test says it is; a second replica applies the same log.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHotWindow, createWindowBudget } from '../../src/actors/shard/hot-window.ts';
import { createShard } from '../../src/actors/shard/create-shard.ts';
import type { RowProposal } from '../../src/actors/shard/row-proposal.ts';
import { createStampIndex } from '../../src/actors/shard/stamp-index.ts';
import { changesOnly } from '../../src/actors/subscriptions/tail.ts';
import type { HostState, SeriesDefinition } from '../../src/core/frame.ts';
import { type BrokerId, type HostId, type ShardId, shardGroup } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { decodeShardEntry, hostFromProto } from '../../src/core/shard-entry.ts';
import type { ForwardOutcome } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft, type FakeRaft } from '../support/fake-raft.ts';
import { createMemoryLog } from '../support/memory-log.ts';

const test = suite('shard leader');
const A = 'a' as BrokerId;
const SHARD = 0 as ShardId;
const START = 1_700_000_000_000;

function replica() {
  const clock = createVirtualClock({ startMs: START });
  let raft: FakeRaft | null = null;
  const shard = createShard({
    id: SHARD,
    self: A,
    raft: (machine) => {
      raft = createFakeRaft(shardGroup(SHARD), [A], machine);
      return raft;
    },
    log: createMemoryLog({ clock, disk: new Map() }),
    clock,
    inspector: createInspector({ clock }),
    budget: createWindowBudget(() => 1e9),
  });
  if (raft === null) throw new Error('a shard has a Raft member');
  const group: FakeRaft = raft;
  group.become({ role: 'leader', leader: A, serving: true });
  const outcomes: ForwardOutcome[] = [];
  const propose = (proposal: RowProposal) => {
    shard.propose(proposal, (outcome) => outcomes.push(outcome));
    clock.advance(limits.shard.batchMs);
  };
  return { clock, shard, raft: group, outcomes, propose };
}

const series = (...metrics: string[]): SeriesDefinition[] =>
  metrics.map((metric) => ({ metric, labels: {}, unit: '1', kind: 'gauge' }));
const CPU = series('cpu');
const rows = (host: string, times: number[], columns: readonly SeriesDefinition[] = CPU): RowProposal => ({
  rows: [
    {
      host: host as HostId,
      series: columns,
      timestamps: Float64Array.from(times),
      values: new Float64Array(times.length * columns.length).fill(7),
    },
  ],
  hosts: [],
});
const timesOf = (payload: Uint8Array | undefined) =>
  payload === undefined ? [] : decodeShardEntry(payload).rows.flatMap(({ timestampsMs }) => timestampsMs ?? []);

test('an entry that is refused, and proposed again behind another: every replica can apply both', () => {
  const leader = replica();
  const follower = replica();
  leader.propose(rows('one', [START]));
  leader.propose(rows('two', [START]));
  const [first, second] = leader.raft.proposed.splice(0);
  first?.done({ outcome: 'notApplied', reason: 'uncommittedLimit', leader: null });
  leader.raft.apply(second?.payload ?? new Uint8Array(0));
  second?.done({ outcome: 'applied', index: 1 });
  leader.propose(rows('one', [START]));
  const again = leader.raft.proposed[0]?.payload ?? new Uint8Array(0);
  leader.raft.commit();
  for (const payload of [second?.payload ?? new Uint8Array(0), again]) follower.raft.apply(payload);
  for (const { shard } of [leader, follower])
    for (const host of ['one', 'two']) assert.is(shard.window.newest(host as HostId), START, host);
  assert.equal(
    leader.outcomes.map(({ outcome }) => outcome),
    ['notApplied', 'applied', 'applied'],
  );
});

test('an entry that takes long is answered unknown, but its rows are not proposed a second time', () => {
  const { clock, raft, outcomes, propose, shard } = replica();
  propose(rows('one', [START]));
  clock.advance(limits.shard.proposalTimeoutMs);
  assert.equal(
    outcomes.map(({ outcome }) => outcome),
    ['unknown'],
  );
  propose(rows('one', [START, START + 1_000]));
  assert.equal(timesOf(raft.proposed[1]?.payload), [START + 1_000], 'only the row that is not on its way');
  propose(rows('one', [START]));
  assert.is(raft.proposed.length, 2);
  assert.is(outcomes.at(-1)?.outcome, 'unknown', 'who asks again is told at once');
  raft.commit();
  raft.commit();
  propose(rows('one', [START, START + 1_000]));
  assert.is(outcomes.at(-1)?.outcome, 'applied');
  assert.is(shard.counters.rowsApplied, 2);
});

test('another term settles what was open: its rows are proposed again when they were not in the log', () => {
  const { clock, raft, propose } = replica();
  propose(rows('one', [START]));
  raft.become({ role: 'follower', serving: false });
  raft.become({ role: 'leader', term: 2, serving: true });
  raft.proposed.splice(0);
  propose(rows('one', [START]));
  clock.advance(1);
  assert.equal(timesOf(raft.proposed[0]?.payload), [START]);
});

test('no entry is larger than Raft takes, however much waits: rows, schemas and records of many hosts', () => {
  const { clock, raft, shard, outcomes } = replica();
  const wide = (host: number) =>
    series(...Array.from({ length: 200 }, (_, at) => `metric.of.some.length.${host}.${at}`));
  const hosts = 300;
  for (let host = 0; host < hosts; host++) {
    shard.propose(
      {
        ...rows(`host-${host}`, [START], wide(host)),
        hosts: [{ host: `host-${host}` as HostId, labels: { x: 'y'.repeat(900) } }],
      },
      (outcome) => outcomes.push(outcome),
    );
  }
  let largest = 0;
  for (let turn = 0; turn < 1_000 && outcomes.length < hosts; turn++) {
    clock.advance(limits.shard.batchMs);
    for (const { payload } of raft.proposed) largest = Math.max(largest, payload.length);
    while (raft.proposed.length > 0) raft.commit();
  }
  assert.is(shard.hosts.size, hosts);
  assert.ok(outcomes.every(({ outcome }) => outcome === 'applied'));
  assert.ok(largest <= limits.raft.entryBytesMax, `${largest} bytes`);
});

test('labels and state that change at once do not take each other back', () => {
  const { clock, raft, shard, propose } = replica();
  const host = 'one' as HostId;
  const beat = { host, agent: 'x', ageMs: 0, intervalMs: 5_000, clockSkewMs: 3 };
  // The host is new: its heartbeat and its labels come before either is committed, in both orders.
  shard.beats([beat]);
  clock.advance(limits.shard.batchMs);
  propose({ rows: [], hosts: [{ host, labels: { rack: '1' } }] });
  while (raft.proposed.length > 0) raft.commit();
  assert.is(shard.hosts.get(host)?.state, 'online');
  assert.equal(shard.hosts.get(host)?.labels, { rack: '1' });

  clock.advance(limits.shard.lastSeenEveryMs);
  while (raft.proposed.length > 0) raft.commit();
  assert.is(shard.hosts.get(host)?.state, 'offline');
  propose({ rows: [], hosts: [{ host, labels: { rack: '2' } }] });
  shard.beats([beat]);
  clock.advance(limits.shard.batchMs);
  while (raft.proposed.length > 0) raft.commit();
  assert.is(shard.hosts.get(host)?.state, 'online');
  assert.equal(shard.hosts.get(host)?.labels, { rack: '2' });
  assert.is(shard.hosts.get(host)?.clockSkewMs, 3);
});

test('a change of state that the log did not take is announced again', () => {
  const { clock, raft, shard } = replica();
  const host = 'one' as HostId;
  shard.beats([{ host, agent: 'x', ageMs: 0, intervalMs: 5_000, clockSkewMs: 0 }]);
  clock.advance(limits.shard.batchMs);
  raft.proposed.shift()?.done({ outcome: 'notApplied', reason: 'logFull', leader: null });
  assert.is(shard.hosts.get(host), undefined);
  for (let beats = 0; beats < limits.shard.lastSeenEveryMs / 1_000; beats++) {
    shard.beats([{ host, agent: 'x', ageMs: 0, intervalMs: 5_000, clockSkewMs: 0 }]);
    clock.advance(1_000);
  }
  while (raft.proposed.length > 0) raft.commit();
  assert.is(shard.hosts.get(host)?.state, 'online');
});

test('a record that only says when a host was seen is no event, wherever in the log a reader begins', () => {
  const { clock, raft, shard } = replica();
  const host = 'one' as HostId;
  const told: { state: HostState; event: boolean }[] = [];
  shard.applied.subscribe(({ hosts }) => {
    // As a reader that begins with this very entry.
    for (const change of hosts) told.push({ state: change.state, event: changesOnly([change], new Map()).length > 0 });
  });
  for (let second = 0; second <= 2 * (limits.shard.lastSeenEveryMs / 1_000); second++) {
    shard.beats([{ host, agent: 'x', ageMs: 0, intervalMs: 5_000, clockSkewMs: 0 }]);
    clock.advance(1_000);
    while (raft.proposed.length > 0) raft.commit();
  }
  assert.equal(told, [
    { state: 'online', event: true },
    { state: 'online', event: false },
    { state: 'online', event: false },
  ]);
  const wire = { hostId: host, state: 'online', stateKept: false };
  assert.is(hostFromProto(wire).stateKept, undefined);
});

test('stamps are bounded, and a time is never found behind its first entry', () => {
  const stamps = createStampIndex(1, 64);
  for (let index = 1; index <= 10_000; index++) stamps.note(index, index * 10);
  for (const wanted of [1, 5_000, 9_000, 9_900, 9_990, 10_000]) {
    const found = stamps.atOrBefore(wanted * 10);
    assert.ok(found <= wanted, `${found} for ${wanted}`);
  }
  for (const wanted of [500, 5_000, 9_999]) {
    const found = stamps.atOrBefore(wanted * 10);
    assert.ok(wanted - found <= 2 * (10_000 / 32), `${found} is close to ${wanted}`);
  }
});

test('a host whose rows come in two frames a second does not take a chunk for each', () => {
  const window = createHotWindow(createWindowBudget(() => 1e9));
  const [one, two] = [series('a', 'b'), series('c', 'd')].map((list, at) => ({
    id: at + 1,
    host: 'h' as HostId,
    series: list,
  }));
  if (one === undefined || two === undefined) throw new Error('two schemas');
  for (let time = 0; time < 100; time++) {
    for (const schema of time % 2 === 0 ? [one, two] : [two, one])
      window.add({ schema, timestamps: Float64Array.of(time), values: Float64Array.of(time, time) });
  }
  assert.ok(window.bytes < 4 * 128 * 3 * 8 + 1, `${window.bytes} bytes for 200 rows of two values`);
});

test.run();
