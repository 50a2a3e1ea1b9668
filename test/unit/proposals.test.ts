// How proposals gather: alone at once, under load in few large batches.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { type Batch, createProposals } from '../../src/actors/raft/proposals.ts';
import { limits } from '../../src/core/limits.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const { gatherMs, gatherBytes } = limits.raft;
const TERM = 3;

function begin() {
  const clock = createVirtualClock();
  const batches: Batch[] = [];
  const outcomes: string[] = [];
  let last = 0;
  const proposals = createProposals(clock, (batch) => {
    batches.push(batch);
    proposals.appended(batch.ticket, last + 1, TERM);
    last += batch.payloads.length;
  });
  return {
    clock,
    batches,
    outcomes,
    proposals,
    sizes: () => batches.map(({ payloads }) => payloads.length),
    propose(count: number, bytes = 10) {
      for (let n = 0; n < count; n++)
        proposals.open(new Uint8Array(bytes), 1_000, ({ outcome }) => outcomes.push(outcome));
    },
    apply(from: number, through: number) {
      for (let index = from; index <= through; index++) proposals.applied(index, TERM, null);
    },
  };
}

test('alone a proposal goes in the turn in which it came', () => {
  const { clock, propose, sizes } = begin();
  propose(3);
  assert.deepEqual(sizes(), []);
  clock.advance(0);
  assert.deepEqual(sizes(), [3]);
  assert.equal(clock.monotonic(), 0);
});

test('while some are on their way the next gather, and go when those are applied', () => {
  const { clock, propose, apply, sizes, outcomes } = begin();
  propose(2);
  clock.advance(0);
  propose(1);
  clock.advance(gatherMs / 2);
  propose(4);
  clock.advance(0);
  assert.deepEqual(sizes(), [2]);
  apply(1, 1);
  clock.advance(0);
  assert.deepEqual(sizes(), [2], 'not all of them are');
  apply(2, 2);
  clock.advance(0);
  assert.deepEqual(sizes(), [2, 5]);
  assert.deepEqual(outcomes, ['applied', 'applied']);
});

test('… or after a moment', () => {
  const { clock, propose, sizes } = begin();
  propose(1);
  clock.advance(0);
  propose(1);
  clock.advance(gatherMs / 2);
  propose(1);
  clock.advance(gatherMs / 2);
  clock.advance(0);
  assert.deepEqual(sizes(), [1, 2]);
  clock.advance(10 * gatherMs);
  assert.deepEqual(sizes(), [1, 2], 'nothing goes twice');
});

test('… or when they are many', () => {
  const { clock, propose, sizes } = begin();
  propose(1);
  clock.advance(0);
  propose(4, gatherBytes / 4);
  clock.advance(0);
  assert.deepEqual(sizes(), [1, 4]);
  assert.equal(clock.monotonic(), 0);
});

test('what waits when the member stops was not applied; what was on its way may be', () => {
  const { clock, propose, proposals, outcomes } = begin();
  propose(1);
  clock.advance(0);
  propose(2);
  proposals.stop();
  clock.advance(10_000);
  assert.deepEqual(outcomes, ['notApplied', 'notApplied', 'unknown']);
});

test('what timed out while it waited is still proposed, and holds up nobody', () => {
  const { clock, propose, apply, sizes, outcomes } = begin();
  propose(1);
  clock.advance(2_000);
  assert.deepEqual(outcomes, ['unknown']);
  apply(1, 1);
  propose(1);
  clock.advance(0);
  assert.deepEqual(sizes(), [1, 1]);
});

test.run();
