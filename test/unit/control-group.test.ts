// What the cluster agrees on: its id, and what brokers say of themselves.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createControlGroup } from '../../src/actors/cluster/control-group.ts';
import type { BrokerFacts } from '../../src/core/control-state.ts';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft, type FakeRaft } from '../support/fake-raft.ts';

const A = 'a' as BrokerId;
const facts = (id: string, httpAddress: string): BrokerFacts => ({
  id: id as BrokerId,
  incarnation: `${id}-1`,
  grpcAddress: `${id}:1`,
  httpAddress,
  zone: '',
});

function create() {
  const clock = createVirtualClock({ startMs: 1_000 });
  const rafts: FakeRaft[] = [];
  let minted = 0;
  const control = createControlGroup({
    raft(machine) {
      const raft = createFakeRaft('control', [A], machine);
      rafts.push(raft);
      return raft;
    },
    founding: { members: { b: 'b:1', a: 'a:1' }, shards: 4, replicas: 2 },
    clock,
    mintCluster: () => `minted-${++minted}` as ClusterId,
  });
  const [raft] = rafts;
  assert.ok(raft !== undefined);
  return { clock, control, raft, entries: () => raft.proposed.map(({ payload }) => decode(payload)) };
}

function decode(payload: Uint8Array) {
  assert.equal(payload[0], 1, 'the format of the entry');
  return vedette.v1.ControlEntry.decode(payload.subarray(1));
}

function encode(entry: vedette.v1.IControlEntry): Uint8Array {
  return Uint8Array.of(1, ...vedette.v1.ControlEntry.encode(entry).finish());
}

test('the leader that serves founds the cluster, once', () => {
  const { control, raft, entries } = create();
  raft.become({ role: 'follower', leader: 'b' as BrokerId });
  raft.become({ role: 'leader', leader: A });
  assert.deepEqual(raft.proposed, [], 'not before it knows all that was agreed on before');
  raft.become({ serving: true });
  const [entry] = entries();
  assert.equal(entry?.stampMs, 1_000);
  const { clusterId, shards, replicas, brokerIds } = entry.founded ?? {};
  assert.deepEqual([clusterId, shards, replicas, brokerIds], ['minted-1', 4, 2, ['a', 'b']]);
  assert.equal(control.cluster.value, null);
  raft.become({ term: 2 });
  assert.equal(raft.proposed.length, 1, 'one entry at a time');
  raft.commit();
  assert.equal(control.cluster.value, 'minted-1');
  raft.become({ term: 3 });
  assert.deepEqual(raft.proposed, []);
});

test('the first founding entry counts', () => {
  const { control, raft } = create();
  raft.apply(encode({ founded: { clusterId: 'first' } }));
  raft.apply(encode({ founded: { clusterId: 'second' } }));
  assert.equal(control.cluster.value, 'first');
  raft.become({ role: 'leader', serving: true });
  assert.deepEqual(raft.proposed, []);
});

test('a founding that was not settled is tried again, while this broker leads', () => {
  const { clock, raft } = create();
  raft.become({ role: 'leader', serving: true });
  raft.proposed.shift()?.done({ outcome: 'unknown', reason: 'timeout' });
  clock.advance(99);
  assert.equal(raft.proposed.length, 0);
  clock.advance(1);
  assert.equal(raft.proposed.length, 1);
  raft.become({ role: 'follower', serving: false });
  raft.proposed.shift()?.done({ outcome: 'notApplied', reason: 'notLeader', leader: null });
  clock.advance(1_000);
  assert.equal(raft.proposed.length, 0);
});

test('what brokers say of themselves is agreed on when it is news', () => {
  const { control, raft, entries } = create();
  control.note(facts('a', 'a:2'));
  control.note(facts('b', 'b:2'));
  assert.deepEqual(raft.proposed, [], 'a follower proposes nothing');
  raft.become({ role: 'leader', serving: true });
  raft.commit();
  assert.deepEqual(
    entries().map(({ announced }) => announced?.brokerId),
    ['a'],
  );
  raft.commit();
  raft.commit();
  assert.deepEqual(raft.proposed, []);
  assert.deepEqual(
    [...control.state.brokers.values()],
    [
      { ...facts('a', 'a:2'), leaving: false },
      { ...facts('b', 'b:2'), leaving: false },
    ],
  );
  control.note(facts('b', 'b:2'));
  assert.deepEqual(raft.proposed, [], 'it is known');
  for (const news of [
    facts('b', 'b:3'),
    { ...facts('b', 'b:3'), incarnation: 'b-2' },
    { ...facts('b', 'b:3'), grpcAddress: 'x' },
    { ...facts('b', 'b:3'), zone: 'east' },
  ]) {
    control.note(news);
    raft.commit();
    assert.deepEqual(control.state.brokers.get(news.id), { ...news, leaving: false });
    assert.deepEqual(raft.proposed, []);
  }
});

test('what a broker said before it left is not said of the one that is added under its name elsewhere', () => {
  const { control, raft } = create();
  control.note(facts('b', 'b:2'));
  raft.become({ role: 'leader', serving: true });
  raft.commit();
  raft.commit();
  const at = () => control.state.brokers.get('b' as BrokerId)?.grpcAddress;
  assert.equal(at(), 'b:1');
  raft.apply(encode({ brokerLeaving: { brokerId: 'b' } }));
  raft.apply(encode({ brokerRemoved: { brokerId: 'b' } }));
  assert.equal(at(), undefined);
  raft.apply(encode({ brokerAdded: { brokerId: 'b', grpcAddress: 'elsewhere:1' } }));
  raft.become({ term: 2 });
  assert.deepEqual(raft.proposed, []);
  control.note({ ...facts('b', 'b:3'), grpcAddress: 'elsewhere:1' });
  raft.commit();
  assert.equal(at(), 'elsewhere:1');
});

test('no-ops are passed over; an entry of a later format ends the process', () => {
  const { control, raft } = create();
  assert.throws(() => raft.apply(Uint8Array.of(2, 0)), /a control entry of format 2; this version reads 1/);
  assert.equal(control.cluster.value, null);
});

test('after it was stopped it proposes nothing and starts no timer', () => {
  const { clock, control, raft } = create();
  raft.become({ role: 'leader', serving: true });
  control.stop();
  assert.equal(clock.pending, 0);
  clock.advance(1_000);
  control.note(facts('b', 'b:2'));
  assert.deepEqual(raft.proposed, []);
});

test.run();
