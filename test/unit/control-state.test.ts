// What the cluster agrees on, as a function of its log: founding, brokers, configuration, and client sessions.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import { type ControlSessions, createControlSessions } from '../../src/core/control-sessions.ts';
import {
  type ControlChange,
  createControlState,
  encodeControlEntry,
  isControlEntry,
} from '../../src/core/control-state.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';

interface Options {
  readonly stampMs?: number;
  readonly call?: readonly [session: number, sequence: number];
}

function create(sessionsFrom?: Parameters<typeof createControlState>[1]) {
  const state = createControlState(undefined, sessionsFrom);
  let index = 0;
  const entry = (change: ControlChange, { stampMs = 0, call }: Options) =>
    encodeControlEntry({
      ...change,
      stampMs,
      ...(call === undefined ? {} : { call: { session: call[0], sequence: call[1] } }),
    });
  return {
    state,
    apply: (change: ControlChange, options: Options = {}) => state.apply(++index, entry(change, options)),
  };
}

const FOUNDED: ControlChange = {
  founded: { clusterId: 'c', shards: 4, replicas: 2, brokerIds: ['a', 'b'], grpcAddresses: ['a:1', 'b:1'] },
};
const config = (version: number, value: number): ControlChange => ({
  configChanged: { version, values: { k: value } },
});
const added = (brokerId: string, grpcAddress = `${brokerId}:1`): ControlChange => ({
  brokerAdded: { brokerId, grpcAddress },
});

test('the first founding counts, and makes the brokers known', () => {
  const { state, apply } = create();
  assert.equal(state.cluster, null);
  apply(FOUNDED);
  apply({ founded: { clusterId: 'other', brokerIds: ['z'] } });
  assert.equal(state.cluster, 'c');
  assert.deepEqual(
    [...state.brokers.values()].map(({ id, grpcAddress }) => [id, grpcAddress]),
    [
      ['a', 'a:1'],
      ['b', 'b:1'],
    ],
  );
});

test('the configuration changes only from the version that its author saw', () => {
  const { state, apply } = create();
  assert.deepEqual(apply(config(0, 1)), { code: '', message: '', field: '', value: 1 });
  const lost = apply(config(0, 2));
  assert.deepEqual([lost.code, lost.field, lost.value], ['ABORTED', 'version', 1]);
  assert.deepEqual(state.config, { version: 1, values: { k: 1 } });
  assert.equal(apply(config(1, 3)).value, 2);
  assert.deepEqual(state.config, { version: 2, values: { k: 3 } });
});

test('brokers are added, leave, and are removed', () => {
  const { state, apply } = create();
  assert.equal(apply(added('c')).code, 'FAILED_PRECONDITION', 'there is no cluster yet');
  apply(FOUNDED);
  assert.equal(apply(added('c')).code, '');
  assert.equal(apply(added('c')).code, '', 'asked twice, done once');
  assert.equal(apply(added('c', 'elsewhere:1')).code, 'ALREADY_EXISTS');
  const taken = apply(added('d', 'a:1'));
  assert.deepEqual([taken.code, taken.field], ['ALREADY_EXISTS', 'grpc']);
  assert.equal(apply({ announced: { brokerId: 'stranger' } }).code, 'NOT_FOUND');
  assert.equal(apply({ brokerLeaving: { brokerId: 'stranger' } }).code, 'NOT_FOUND');

  const removed = { brokerRemoved: { brokerId: 'c' } };
  apply(removed);
  assert.ok(state.brokers.has('c' as BrokerId), 'it has not left');
  apply({ brokerLeaving: { brokerId: 'c' } });
  apply({ announced: { brokerId: 'c', incarnation: 'i', grpcAddress: 'c:1' } });
  assert.equal(state.brokers.get('c' as BrokerId)?.leaving, true);
  assert.equal(apply(added('c')).code, 'FAILED_PRECONDITION', 'first it leaves');
  apply(removed);
  assert.equal(state.brokers.has('c' as BrokerId), false);
  apply({ announced: { brokerId: 'c' } });
  assert.equal(state.brokers.has('c' as BrokerId), false, 'by presenting itself it does not come back');

  for (let n = state.brokers.size; n < limits.peers.brokersMax; n++) apply(added(`x${n}`));
  assert.equal(apply(added('one-more')).code, 'RESOURCE_EXHAUSTED');
});

test('the membership has another version whenever others are to hold shards, and a snapshot knows it', () => {
  const { state, apply } = create();
  const versions = [state.membershipVersion];
  for (const change of [
    FOUNDED,
    FOUNDED,
    added('c'),
    added('c'),
    { brokerLeaving: { brokerId: 'c' } },
    { brokerLeaving: { brokerId: 'c' } },
    { brokerRemoved: { brokerId: 'c' } },
    added('c'),
  ]) {
    apply(change);
    versions.push(state.membershipVersion);
  }
  assert.deepEqual(versions, [0, 1, 1, 2, 2, 3, 3, 3, 4]);
  assert.equal(createControlState(state.encode()).membershipVersion, 4);
});

test('of the members it is known which entry changed them last; the last broker does not leave', () => {
  const { state, apply } = create();
  apply(FOUNDED);
  assert.equal(state.membersAt, 1);
  assert.deepEqual(state.founding?.members, { a: 'a:1', b: 'b:1' });
  apply({ announced: { brokerId: 'a', incarnation: 'i', grpcAddress: 'a:1' } });
  assert.equal(state.membersAt, 1, 'it is where it was');
  apply({ announced: { brokerId: 'a', incarnation: 'i', grpcAddress: 'a:2' } });
  assert.equal(state.membersAt, 3);
  apply({ brokerLeaving: { brokerId: 'b' } });
  assert.equal(state.membersAt, 3, 'it has not left');
  const last = apply({ brokerLeaving: { brokerId: 'a' } });
  assert.deepEqual([last.code, last.field], ['FAILED_PRECONDITION', 'id']);
  assert.equal(apply({ brokerLeaving: { brokerId: 'b' } }).code, '', 'asked twice, done once');
  apply({ brokerRemoved: { brokerId: 'b' } });
  assert.equal(state.membersAt, 7);
  apply(added('c'));
  assert.equal(state.membersAt, 8);
});

test('a call made again is applied once, and gets the result that is recorded', () => {
  const { state, apply } = create();
  const session = apply({ sessionOpened: {} }).value;
  assert.equal(session, 1, 'the index of its entry');
  const first = apply(config(0, 1), { call: [session, 1] });
  assert.deepEqual(apply(config(0, 1), { call: [session, 1] }), first, 'not a lost race');
  assert.equal(state.config.version, 1);
  assert.equal(apply(config(0, 2), { call: [session, 2] }).code, 'ABORTED');
  apply(config(1, 2));
  assert.equal(apply(config(0, 2), { call: [session, 2] }).code, 'ABORTED', 'a refusal is recorded, too');
  const late = apply(config(2, 9), { call: [session, 1] });
  assert.deepEqual([late.code, state.config.version], ['ABORTED', 2], 'an older call never comes after a newer one');
  const unknown = apply(config(2, 9), { call: [77, 1] });
  assert.deepEqual([unknown.code, unknown.field, state.config.version], ['FAILED_PRECONDITION', 'session', 2]);
});

test('sessions expire by the time of the entries, and the one unused for longest gives way', () => {
  const bounds = { sessionsMax: 2, idleMs: 100 };
  const { state, apply } = create((saved) => createControlSessions(bounds, saved));
  const open = (stampMs: number) => apply({ sessionOpened: {} }, { stampMs }).value;
  const code = (session: number, sequence: number, stampMs: number) =>
    apply(config(state.config.version, 1), { stampMs, call: [session, sequence] }).code;
  const a = open(1_000);
  const b = open(1_001);
  assert.equal(code(a, 1, 1_002), '');
  const c = open(1_003);
  assert.deepEqual([code(a, 2, 1_004), code(b, 1, 1_004)], ['', 'FAILED_PRECONDITION'], 'a was used after b');
  assert.equal(code(c, 1, 1_103), '', 'a hundred are not too long');
  assert.equal(code(a, 3, 900), '', 'time does not go back: a is as old as it was');
  assert.equal(code(c, 2, 1_204), 'FAILED_PRECONDITION');
  assert.equal(state.sessions, 0);
});

test('without memory of calls a proposal made again is applied twice: what sessions are there for', () => {
  const forgetful = (): ControlSessions => ({
    ...createControlSessions(limits.control),
    judge: () => ({ verdict: 'new' }),
  });
  const { state, apply } = create(forgetful);
  apply(FOUNDED);
  const call = [1, 1] as const;
  apply(added('c'), { call });
  apply({ brokerLeaving: { brokerId: 'c' } });
  apply({ brokerRemoved: { brokerId: 'c' } });
  apply(added('c'), { call });
  assert.ok(state.brokers.has('c' as BrokerId), 'back from the dead');
});

const change: fc.Arbitrary<ControlChange> = fc.oneof(
  fc.constant(FOUNDED),
  fc.constant({ sessionOpened: {} }),
  fc.nat(4).map((version) => config(version, version * 2)),
  fc.constantFrom('a', 'c', 'd').map((id) => added(id)),
  fc.constantFrom('a', 'c', 'd').map((brokerId) => ({ brokerLeaving: { brokerId } })),
  fc.constantFrom('a', 'c', 'd').map((brokerId) => ({ brokerRemoved: { brokerId } })),
  fc
    .constantFrom('a', 'c')
    .map((brokerId) => ({ announced: { brokerId, incarnation: 'i', httpAddress: 'h', zone: 'z' } })),
);
const entry = fc.record({
  change,
  stampMs: fc.nat(3 * limits.control.idleMs),
  call: fc.option(fc.record({ session: fc.nat(8), sequence: fc.nat(4) }), { nil: undefined }),
});

test('a snapshot at any place, and the entries after it, make the same state and the same results', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 40 }), fc.nat(40), (entries, cut) => {
      const payloads = entries.map(({ change: what, stampMs, call }) =>
        encodeControlEntry({ ...what, stampMs, ...(call === undefined ? {} : { call }) }),
      );
      const whole = createControlState();
      let other = createControlState();
      for (const [at, payload] of payloads.entries()) {
        if (at === cut) other = createControlState(other.encode());
        assert.deepEqual(other.apply(at + 1, payload), whole.apply(at + 1, payload));
      }
      assert.deepEqual(other.encode(), whole.encode());
    }),
  );
});

test('only what can be applied may be agreed on', () => {
  assert.ok(isControlEntry(encodeControlEntry({ stampMs: 1, sessionOpened: {} })));
  for (const wrong of [
    Uint8Array.of(),
    Uint8Array.of(2, 0),
    Uint8Array.of(1),
    Uint8Array.of(1, 0xff, 0xff),
    encodeControlEntry({ stampMs: 1 }),
  ])
    assert.equal(isControlEntry(wrong), false);
  assert.throws(() => createControlState().apply(1, encodeControlEntry({ stampMs: 1 })), /does not know/);
  assert.throws(() => createControlState(Uint8Array.of(9)), /a snapshot of the control group of format 9/);
});

test('a recovered cluster has another id and one broker, which is no more on its way out; told twice it is the same', () => {
  const { state, apply } = create();
  const recovered = { recovered: { clusterId: 'd', brokerId: 'b', grpcAddress: 'b:2' } };
  assert.equal(apply(recovered).code, 'FAILED_PRECONDITION');
  apply(FOUNDED);
  apply(added('x'));
  apply({ announced: { brokerId: 'b', incarnation: 'i', grpcAddress: 'b:1', httpAddress: 'b:8', zone: 'z' } });
  apply({ brokerLeaving: { brokerId: 'b' } });
  const { membershipVersion } = state;
  const check = (membersAt: number): void => {
    assert.equal(state.cluster, 'd');
    assert.deepEqual(
      [...state.brokers.values()],
      [{ id: 'b', incarnation: 'i', grpcAddress: 'b:1', httpAddress: 'b:8', zone: 'z', leaving: false }],
    );
    assert.equal(state.membersAt, membersAt);
    assert.deepEqual(state.founding, { shards: 4, replicas: 2, members: { a: 'a:1', b: 'b:1' } });
  };
  assert.equal(apply(recovered).code, '');
  check(6);
  assert.ok(state.membershipVersion > membershipVersion);
  apply(recovered);
  check(7);
  const twin = createControlState(state.encode());
  assert.deepEqual([twin.cluster, [...twin.brokers.keys()]], ['d', ['b']]);
  apply(added('a'));
  assert.deepEqual([...state.brokers.keys()], ['b', 'a']);
});

test('a broker that is not known is recovered by its address', () => {
  const { state, apply } = create();
  apply(FOUNDED);
  apply({ recovered: { clusterId: 'd', brokerId: 'n', grpcAddress: 'n:1' } });
  assert.equal(state.brokers.get('n' as BrokerId)?.grpcAddress, 'n:1');
});

test.run();
