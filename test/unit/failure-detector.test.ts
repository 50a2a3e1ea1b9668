// How long silence is usual: what two long gaps teach, and one does not.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { arrived, type FailureDetector, newDetector, patience } from '../../src/machines/raft/failure-detector.ts';

const BELIEVED_MAX = 500;

function after(gaps: readonly number[], detector: FailureDetector = newDetector, from = 0) {
  let at = from;
  let known = detector;
  for (const gap of gaps) {
    at += gap;
    known = arrived(known, gap, at, BELIEVED_MAX);
  }
  return { detector: known, at };
}

const regular = (count: number): number[] => Array.from({ length: count }, () => 50);

test('nothing heard, nothing learnt', () => {
  assert.equal(patience(newDetector, 1000), 0);
});

test('regular arrivals ask for less patience than any election timeout', () => {
  const { detector, at } = after(regular(200));
  assert.ok(patience(detector, at) >= 70 && patience(detector, at) <= 75, `${patience(detector, at)}`);
});

test('one long gap teaches nothing', () => {
  const { detector, at } = after([...regular(20), 4000, ...regular(20)]);
  assert.ok(patience(detector, at) < 100);
});

test('two long gaps are how it is here', () => {
  const { detector, at } = after([...regular(20), 300, ...regular(20), 300, 50]);
  assert.ok(patience(detector, at) > 400, `${patience(detector, at)}`);
});

test('a gap beyond what is believed counts as that much', () => {
  const { detector, at } = after([60_000, 60_000]);
  assert.ok(patience(detector, at) <= 1.5 * BELIEVED_MAX);
});

test('what was learnt fades', () => {
  const jerky = after([400, 400]);
  const { detector, at } = after(regular(20 * 60 * 2), jerky.detector, jerky.at);
  assert.ok(patience(detector, at) < 80, `${patience(detector, at)}`);
});

test('a lesser gap does not drive out a longer one that has not faded', () => {
  const { detector, at } = after([400, 50, 400, 50, 50, 50]);
  assert.ok(patience(detector, at) > 550);
});

test.run();
