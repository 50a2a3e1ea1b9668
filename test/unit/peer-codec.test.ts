// Messages between brokers survive the wire as they were.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodePeerMessage, encodePeerMessage } from '../../src/actors/transports/peer-codec.ts';
import type { BrokerId, ClusterId, HostId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import type { RaftMessage } from '../../src/machines/raft/messages.ts';
import type { CarriedEntry, PeerMessage } from '../../src/streams/envelope.ts';

const test = suite('peer codec');
const FROM = 'broker-1' as BrokerId;
const TO = 'broker-2' as BrokerId;

function overTheWire(message: PeerMessage): PeerMessage | undefined {
  const bytes = vedette.v1.PeerFrame.encode(encodePeerMessage(message)).finish();
  return decodePeerMessage(vedette.v1.PeerFrame.decode(bytes), FROM, TO);
}

const index = fc.nat(2 ** 40);
const term = fc.nat(1_000_000);
const ends = { from: FROM, to: TO };
const boot = fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined });
const withoutUndefined = <T extends object>(message: T): T =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)) as T;
const plain: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc
    .record({ type: fc.constantFrom('preVote' as const, 'vote' as const), term, lastIndex: index, lastTerm: term })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constantFrom('preVoteReply' as const, 'voteReply' as const), term, granted: fc.boolean() })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({
      type: fc.constant('appendReply' as const),
      term,
      rejected: fc.boolean(),
      index,
      hintIndex: index,
      hintTerm: term,
      uncertain: boot,
    })
    .map(withoutUndefined)
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('heartbeat' as const), term, commit: index, round: index })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('heartbeatReply' as const), term, round: index, uncertain: boot })
    .map(withoutUndefined)
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('vote' as const), term, lastIndex: index, lastTerm: term, transfer: fc.constant(true) })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('installSnapshot' as const), term, index, indexTerm: term })
    .map((m) => ({ ...ends, ...m })),
  fc.record({ type: fc.constant('timeoutNow' as const), term }).map((m) => ({ ...ends, ...m })),
  fc.record({ type: fc.constant('readIndex' as const), term, read: index }).map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('readIndexReply' as const), term, read: index, index: fc.option(index) })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('vouch' as const), term, boot: fc.nat(0xffff_ffff), index })
    .map((m) => ({ ...ends, ...m })),
  fc
    .record({ type: fc.constant('vouchReply' as const), term, boot: fc.nat(0xffff_ffff) })
    .map((m) => ({ ...ends, ...m })),
);

test('every Raft message without entries, of any group', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(plain, fc.integer({ min: -1, max: 63 })), { maxLength: 20 }), (messages) => {
      const batch: PeerMessage = {
        kind: 'raft',
        envelopes: messages.map(([message, shard]) => ({
          group: shard < 0 ? 'control' : `shard-${shard}`,
          message,
          entries: [],
        })),
      };
      assert.equal(overTheWire(batch), batch);
    }),
  );
});

test('appends: entries with their terms, kinds and bytes', () => {
  const entry = fc.record({
    rise: fc.nat(2),
    kind: fc.constantFrom('noop' as const, 'data' as const, 'configuration' as const),
    payload: fc.uint8Array({ maxLength: 50 }),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 20 }), index, term, (drawn, prevIndex, prevTerm) => {
      let at = prevTerm + 1;
      const runs: { first: number; term: number }[] = [];
      const entries: CarriedEntry[] = drawn.map(({ rise, kind, payload }, offset) => {
        at += rise;
        if (runs.at(-1)?.term !== at) runs.push({ first: prevIndex + 1 + offset, term: at });
        return { kind, payload };
      });
      const bytes = entries.reduce((total, { payload }) => total + payload.length, 0);
      const message: RaftMessage = {
        type: 'append',
        ...ends,
        term: at,
        prevIndex,
        prevTerm,
        lastIndex: prevIndex + entries.length,
        runs,
        commit: prevIndex,
        bytes,
      };
      const back = overTheWire({ kind: 'raft', envelopes: [{ group: 'shard-3', message, entries }] });
      assert.ok(back?.kind === 'raft');
      if (back?.kind !== 'raft') return;
      assert.equal(back.envelopes[0]?.message, message);
      assert.equal(
        back.envelopes[0]?.entries.map(({ kind, payload }) => [kind, [...payload]]),
        entries.map(({ kind, payload }) => [kind, [...payload]]),
      );
    }),
  );
});

const asked = { kind: 'question', to: TO, relayed: true, timeoutMs: 250 } as const;
const questions: PeerMessage[] = [
  { ...asked, requestId: 1, question: { what: 'read' } },
  { ...asked, requestId: 2, question: { what: 'transfer', group: 'shard-3', to: TO } },
  { ...asked, requestId: 3, relayed: false, question: { what: 'snapshot', group: 'control' } },
];
const answers: PeerMessage[] = [
  {
    kind: 'answer',
    requestId: 4,
    result: { outcome: 'done', result: { code: 'ABORTED', message: 'm', field: 'version', value: 3 } },
  },
  {
    kind: 'answer',
    requestId: 5,
    result: { outcome: 'done', result: { code: '', message: '', field: '', value: 2 ** 40 } },
  },
  { kind: 'answer', requestId: 6, result: { outcome: 'notDone', code: 'UNAVAILABLE', message: 'no', leader: TO } },
  { kind: 'answer', requestId: 7, result: { outcome: 'unknown', message: 'late' } },
];

test("a proposal for the control group keeps its bytes; a question of a later version is nobody's", () => {
  const proposal: PeerMessage = {
    ...asked,
    requestId: 9,
    question: { what: 'propose', entry: Uint8Array.of(1, 0, 255) },
  };
  const back = overTheWire(proposal);
  assert.ok(back?.kind === 'question' && back.question.what === 'propose');
  if (back?.kind !== 'question' || back.question.what !== 'propose') return;
  assert.equal([...back.question.entry], [1, 0, 255]);
  const later = vedette.v1.PeerFrame.create({ question: { requestId: 1 } });
  assert.is(decodePeerMessage(later, FROM, TO), undefined);
});

test('hellos, refusals, forwards, their outcomes, heartbeats of hosts', () => {
  const messages: PeerMessage[] = [
    {
      kind: 'hello',
      protocol: 1,
      broker: FROM,
      incarnation: 'abc',
      cluster: 'c' as ClusterId,
      founding: 'f',
      grpcAddress: 'h:1',
      httpAddress: 'h:2',
      zone: 'z',
      membersAt: 3,
      boot: 'b',
    },
    {
      kind: 'hello',
      protocol: 1,
      broker: FROM,
      incarnation: 'abc',
      cluster: '',
      founding: 'f',
      grpcAddress: 'h:1',
      httpAddress: 'h:2',
      zone: 'z',
      membersAt: 3,
      boot: 'b',
    },
    { kind: 'refusal', code: 'FAILED_PRECONDITION', reason: 'another cluster' },
    { kind: 'forwardReply', requestId: 7, result: { outcome: 'applied' } },
    { kind: 'forwardReply', requestId: 8, result: { outcome: 'unknown', message: 'late' } },
    {
      kind: 'forwardReply',
      requestId: 9,
      result: { outcome: 'notApplied', code: 'UNAVAILABLE', message: 'no', leader: TO },
    },
    {
      kind: 'forwardReply',
      requestId: 9,
      result: { outcome: 'notApplied', code: 'RESOURCE_EXHAUSTED', message: 'no', leader: null },
    },
    {
      kind: 'beats',
      hosts: [{ host: 'h' as HostId, agent: 'a', ageMs: 12, intervalMs: 5000, clockSkewMs: -30 }],
      relay: true,
    },
    ...questions,
    ...answers,
  ];
  for (const message of messages) assert.equal(overTheWire(message), message);
  const forward: PeerMessage = {
    kind: 'forward',
    requestId: 3,
    shard: 0,
    proposal: Uint8Array.of(1, 2, 3),
    relay: true,
  };
  const back = overTheWire(forward);
  assert.ok(back?.kind === 'forward' && back.requestId === 3 && back.relay && [...back.proposal].join() === '1,2,3');
});

test('which shards a broker leads, and who belongs to them', () => {
  const [a, b, c] = ['broker-a', 'broker-b', 'broker-c'] as [BrokerId, BrokerId, BrokerId];
  const none: BrokerId[] = [];
  const leads: PeerMessage = {
    kind: 'leads',
    shards: [
      {
        shard: 0,
        term: 4,
        configuration: {
          index: 2 ** 40,
          configuration: { voters: [a, b], outgoing: [b, c], learners: [c], joining: [c] },
        },
        settled: true,
      },
      {
        shard: 31,
        term: 5,
        configuration: { index: 0, configuration: { voters: [c], outgoing: none, learners: none, joining: none } },
        settled: false,
      },
    ],
  };
  assert.equal(overTheWire(leads), leads);
});

test('in which groups a broker is in doubt', () => {
  const standing: PeerMessage = { kind: 'standing', uncertain: ['control', 'shard-0', 'shard-31'] };
  assert.equal(overTheWire(standing), standing);
});

test('a frame of a later version is passed over', () => {
  assert.is(decodePeerMessage(vedette.v1.PeerFrame.decode(Uint8Array.of(0x92, 0x03, 0x00)), FROM, TO), undefined);
});

test('pulses survive the wire', () => {
  const numbers = fc.nat(2 ** 31 - 1);
  const groups = fc.array(fc.constantFrom('control' as const, 'shard-0' as const, 'shard-31' as const), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(
      fc.record({
        kind: fc.constant('pulse' as const),
        session: numbers,
        seq: index,
        version: numbers,
        lines: fc.option(groups.chain((ids) => fc.constant(ids.map((group, at) => ({ group, term: at + 1 }))))),
        commits: fc.array(index, { maxLength: 4 }),
        heard: fc.option(fc.record({ session: numbers, seq: index, version: numbers, refused: groups })),
      }),
      (pulse) => {
        const sent = { ...pulse, heard: pulse.heard === null ? null : { ...pulse.heard } };
        assert.equal(overTheWire(sent), sent);
      },
    ),
  );
});

test.run();
