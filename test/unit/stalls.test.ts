// Time in which this process stood still, told from the silence of others.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createStalls } from '../../src/actors/cluster/stalls.ts';

const TOLERATED = 25;

test('the usual unpunctuality is no stall', () => {
  const stalls = createStalls(TOLERATED);
  assert.equal(stalls.ticked(100, 120), 0);
  assert.equal(stalls.within(0, 140, 150), 0);
});

test('a late tick is one, and counts for whoever waited through it', () => {
  const stalls = createStalls(TOLERATED);
  assert.equal(stalls.ticked(100, 400), 300);
  assert.equal(stalls.within(50, 420, 450), 300);
  assert.equal(stalls.within(350, 420, 450), 50, 'only the part of it after the beginning');
  assert.equal(stalls.within(400, 420, 450), 0, 'it was over by then');
});

test('the stall under way counts before its tick has come', () => {
  const stalls = createStalls(TOLERATED);
  assert.equal(stalls.within(0, 500, 100), 400);
  assert.equal(stalls.within(450, 500, 100), 50, 'never more than the time itself');
});

test('several add up, and old ones are forgotten', () => {
  const stalls = createStalls(TOLERATED);
  stalls.ticked(100, 200);
  stalls.ticked(250, 350);
  assert.equal(stalls.within(0, 360, 400), 200);
  stalls.ticked(100_000, 100_100);
  assert.equal(stalls.within(0, 100_110, 100_150), 100);
});

test.run();
