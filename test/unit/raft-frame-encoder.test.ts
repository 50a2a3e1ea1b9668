// The encoder of frames with entries against the generated one.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodePeerFrame } from '../../src/actors/transports/raft-frame-encoder.ts';
import { vedette } from '../../src/core/proto.ts';

const test = suite('raft frame encoder');
const { PeerFrame } = vedette.v1;

const number = fc.oneof(fc.nat(300), fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 32, 2 ** 53 - 1), fc.maxSafeNat());
const small = fc.constantFrom(0, 1, 33, 127, 128, 4_000_000_000);
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 5 }),
  fc.constantFrom(127, 128, 16_384).map((n) => new Uint8Array(n).fill(9)),
);
const entry = fc.record({ term: number, kind: fc.constantFrom(0, 1, 2), payload });
const append = fc.record({
  group: small,
  term: number,
  appendEntries: fc.record({
    prevIndex: number,
    prevTerm: number,
    commit: number,
    entries: fc.array(entry, { maxLength: 6 }),
  }),
});
const other = fc.record({ group: small, term: number, heartbeat: fc.record({ commit: number, round: number }) });

test('byte for byte what the generated encoder makes of it', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(append, other), { maxLength: 5 }), (messages) => {
      const frame = { raft: { messages } };
      assert.equal(Uint8Array.from(encodePeerFrame(frame)), Uint8Array.from(PeerFrame.encode(frame).finish()));
    }),
  );
});

test('frames of other kinds are encoded, too', () => {
  const frame = { refusal: { code: 'INTERNAL', reason: 'no' } };
  assert.equal(PeerFrame.decode(encodePeerFrame(frame)).refusal?.reason, 'no');
});

test('what was encoded stays as it is when the next frame is', () => {
  const frameOf = (byte: number) => ({
    raft: {
      messages: [{ group: 1, term: 2, appendEntries: { entries: [{ payload: new Uint8Array(9).fill(byte) }] } }],
    },
  });
  const first = encodePeerFrame(frameOf(1));
  const before = Uint8Array.from(first);
  encodePeerFrame(frameOf(2));
  encodePeerFrame({ refusal: { code: 'X', reason: 'y' } });
  assert.equal(Uint8Array.from(first), before);
});

test.run();
