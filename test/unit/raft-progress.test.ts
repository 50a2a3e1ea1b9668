// A leader's view of one follower, step by step.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import {
  hasRoom,
  isWaitedFor,
  matched,
  newProgress,
  type Progress,
  probeFrom,
  reconnected,
  sent,
  weighed,
} from '../../src/machines/raft/progress.ts';

const WINDOW = { inflightMax: 3, inflightBytesMax: 100 };
/** Agreed up to 4, and messages up to 6, 8 and 9 on their way. */
const streaming = (): Progress =>
  [6, 8, 9].reduce((progress, last) => sent(progress, last, 20), matched(newProgress(5, 0), 4, 10));

test('a probe is one message; its answer begins the stream', () => {
  const fresh = newProgress(5, 0);
  assert.ok(hasRoom(fresh, WINDOW));
  assert.ok(!isWaitedFor(fresh));
  const probing = sent(fresh, 9, 1);
  assert.deepEqual(
    { next: probing.next, probing: probing.probing, movedAt: probing.movedAt },
    { next: 5, probing: true, movedAt: 1 },
  );
  assert.ok(!hasRoom(probing, WINDOW));
  assert.ok(isWaitedFor(probing));
  const found = matched(probing, 9, 2);
  assert.deepEqual(
    {
      state: found.state,
      match: found.match,
      next: found.next,
      probing: found.probing,
      heardAt: found.heardAt,
      movedAt: found.movedAt,
    },
    { state: 'replicate', match: 9, next: 10, probing: false, heardAt: 2, movedAt: 2 },
  );
});

test('a stream goes on without answers, up to the window', () => {
  const progress = streaming();
  assert.deepEqual(
    progress.inflight.map(({ last }) => last),
    [6, 8, 9],
  );
  assert.equal(progress.next, 10);
  assert.ok(!hasRoom(progress, WINDOW));
  assert.ok(hasRoom(progress, { ...WINDOW, inflightMax: 4 }));
});

test('an answer frees what it covers; old ones free nothing; time counts from the last progress', () => {
  const cases = [
    { index: 3, left: [6, 8, 9], match: 4, movedAt: 20 },
    { index: 4, left: [6, 8, 9], match: 4, movedAt: 20 },
    { index: 5, left: [6, 8, 9], match: 5, movedAt: 30 },
    { index: 6, left: [8, 9], match: 6, movedAt: 30 },
    { index: 9, left: [], match: 9, movedAt: 30 },
    { index: 12, left: [], match: 12, movedAt: 30 },
  ];
  for (const { index, left, match, movedAt } of cases) {
    const progress = matched(streaming(), index, 30);
    assert.deepEqual(
      progress.inflight.map(({ last }) => last),
      left,
      `${index}`,
    );
    assert.deepEqual(
      { match: progress.match, next: progress.next, movedAt: progress.movedAt, heardAt: progress.heardAt },
      { match, next: Math.max(10, match + 1), movedAt, heardAt: 30 },
    );
  }
});

test('an old answer does not end a probe', () => {
  const probing = sent(probeFrom(streaming(), 7), 9, 40);
  const still = matched(probing, 3, 50);
  assert.deepEqual(
    { state: still.state, probing: still.probing, heardAt: still.heardAt },
    { state: 'probe', probing: true, heardAt: 50 },
  );
  assert.equal(matched(probing, 4, 50).state, 'replicate');
});

test('a probe begins anew at its place, but never before what is known', () => {
  assert.deepEqual(probeFrom(streaming(), 7), {
    ...streaming(),
    state: 'probe',
    next: 7,
    inflight: [],
    probing: false,
  });
  assert.equal(probeFrom(streaming(), 2).next, 5);
});

test('a new connection goes on behind the match, or repeats the probe', () => {
  assert.deepEqual(reconnected(streaming()), { ...streaming(), next: 5, inflight: [] });
  const probing = sent(newProgress(5, 0), 9, 1);
  assert.deepEqual(reconnected(probing), { ...probing, probing: false });
});

test('weights fill the window; a cut gives back what did not go', () => {
  const heavy = weighed(streaming(), 8, 100);
  assert.deepEqual(heavy.inflight, [
    { last: 6, bytes: 0 },
    { last: 8, bytes: 100 },
    { last: 9, bytes: 0 },
  ]);
  assert.equal(heavy.next, 10);
  assert.ok(!hasRoom(heavy, { ...WINDOW, inflightMax: 9 }));
  assert.ok(hasRoom(matched(heavy, 8, 30), WINDOW));

  const cut = weighed(streaming(), 7, 40);
  assert.deepEqual(cut.inflight, [
    { last: 6, bytes: 0 },
    { last: 7, bytes: 40 },
  ]);
  assert.equal(cut.next, 8);

  const answered = matched(streaming(), 9, 30);
  assert.equal(weighed(answered, 9, 100), answered, 'answered meanwhile');
});

test('one message may go however heavy what went before was, once nothing waits', () => {
  assert.ok(hasRoom(matched(newProgress(1, 0), 0, 1), { inflightMax: 1, inflightBytesMax: 0 }));
});

test.run();
