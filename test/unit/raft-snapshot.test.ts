// Snapshots and compaction, by the charts alone: when a follower is sent one, what it makes of it, and how both go on. Names in
// brackets are the tests of etcd/raft that show the same.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogIndex } from '../../src/core/ids.ts';
import { type Progress, newProgress, probeFrom, reconnected } from '../../src/machines/raft/progress.ts';
import { type Charts, createCharts, id } from '../support/raft-charts.ts';

const test = suite('raft snapshots');

const progressOf = (charts: Charts, leader: string, peer: string): Progress => {
  const progress = charts.context(leader).leadership?.progress[peer];
  assert.ok(progress);
  return progress;
};

/** `a` leads, `c` lacks everything after `held`, and the leader's log begins behind `base`. */
function withStraggler({ held = 0, proposals = 6, base = 5 } = {}): Charts {
  const charts = createCharts(['a', 'b', 'c']);
  charts.elect('a');
  for (let at = 1; at < held; at++) charts.propose('a', `early ${at}`);
  charts.settle();
  charts.beat('a');
  charts.settle();
  charts.isolate('c');
  for (let at = 0; at < proposals; at++) charts.propose('a', `p${at}`);
  charts.settle();
  charts.compact('a', base);
  charts.settle();
  return charts;
}

function heal(charts: Charts): void {
  charts.heal();
  charts.advance(1_000);
}

test('what is applied leaves the log, and nothing else: terms stay known, and a restart begins there', () => {
  const charts = createCharts(['a', 'b', 'c'], { logs: { a: [1, 1, 2], b: [1, 1, 2], c: [1, 1, 2] } });
  charts.elect('a');
  charts.propose('a', 'x', 'y');
  charts.settle();
  const before = charts.context('a').log;
  assert.is(before.lastIndex, 6);
  charts.compact('a', 3);
  charts.settle();
  assert.equal(charts.context('a').log, { ...before, firstIndex: 4, previousTerm: 2, runs: [{ first: 4, term: 3 }] });
  charts.compact('a', 2);
  assert.is(charts.context('a').log.firstIndex, 4, 'what has left does not come back');
  charts.restart('a');
  const { log, commit, applied } = charts.context('a');
  assert.is(log.firstIndex, 4);
  assert.equal([commit, applied], [6, 6], 'the snapshot reached farther than the log begins');
  assert.throws(() => charts.step('a', { type: 'compact', through: 7 }), /only 6 is applied/);
});

test('a follower whose next entry has left the log is sent a snapshot, then the rest, and ends equal [ProvideSnap]', () => {
  const charts = withStraggler();
  heal(charts);
  assert.equal(charts.transfers, [{ from: id('a'), to: id('c'), term: 1 }]);
  assert.is(progressOf(charts, 'a', 'c').state, 'snapshot');
  charts.sent.length = 0;
  charts.propose('a', 'meanwhile');
  charts.settle();
  assert.ok(!charts.sent.some(({ type, to }) => type === 'append' && to === id('c')), 'nothing is appended meanwhile');
  charts.transfer();
  charts.settle();
  assert.is(progressOf(charts, 'a', 'c').state, 'replicate');
  assert.equal(charts.applied('c'), charts.applied('a'));
  assert.equal(charts.context('c').log.firstIndex, 6);
  assert.equal(charts.terms('c'), charts.terms('a'));
  charts.propose('a', 'later');
  charts.settle();
  charts.beat('a');
  charts.settle();
  assert.equal(charts.applied('c'), charts.applied('a'));
});

test('a follower that does not answer is sent none [IgnoreProvidingSnap]', () => {
  const charts = withStraggler();
  charts.advance(2_000);
  assert.equal(charts.transfers, []);
  assert.is(progressOf(charts, 'a', 'c').state, 'replicate');
});

test('a transfer that fails is tried again after a while, and not at once', () => {
  const charts = withStraggler();
  heal(charts);
  charts.transfer(false);
  charts.settle();
  assert.equal(charts.transfers, []);
  assert.is(progressOf(charts, 'a', 'c').state, 'probe');
  charts.advance(200);
  assert.equal(charts.transfers, []);
  charts.advance(200);
  assert.is(charts.transfers.length, 1);
  charts.transfer();
  charts.settle();
  assert.equal(charts.applied('c'), charts.applied('a'));
});

test('a snapshot that the log has passed meanwhile is followed by another at once', () => {
  const charts = withStraggler();
  heal(charts);
  charts.step('a', { type: 'compact', through: 6 });
  charts.step('a', { type: 'snapshot.sent', peer: id('c'), term: 1, index: 5 });
  assert.is(charts.transfers.length, 2);
  assert.is(progressOf(charts, 'a', 'c').state, 'snapshot');
  charts.transfer();
  charts.settle();
  assert.equal(charts.applied('c'), charts.applied('a'));
});

test('the word to install is lost, or its answer: the snapshot is offered again, and all is well', () => {
  for (const lost of ['installSnapshot', 'appendReply'] as const) {
    const charts = withStraggler();
    heal(charts);
    charts.lose(({ type }) => type === lost);
    charts.transfer();
    charts.settle();
    assert.is(progressOf(charts, 'a', 'c').state, 'snapshot');
    charts.heal();
    charts.advance(600);
    charts.transfer();
    charts.settle();
    charts.advance(200);
    assert.is(progressOf(charts, 'a', 'c').state, 'replicate');
    assert.equal(charts.applied('c'), charts.applied('a'));
  }
});

test('no answer before it is durable', () => {
  const charts = withStraggler();
  heal(charts);
  charts.member('c').diskHangs = true;
  charts.transfer();
  charts.settle();
  assert.is(charts.context('c').log.firstIndex, 6);
  assert.ok(progressOf(charts, 'a', 'c').match < 5);
  charts.member('c').diskHangs = false;
  charts.settle();
  assert.ok(progressOf(charts, 'a', 'c').match >= 5);
});

test('a crash before the log has begun anew: the old log is there, and the snapshot is installed again', () => {
  const charts = withStraggler({ held: 3 });
  heal(charts);
  charts.member('c').diskHangs = true;
  charts.transfer();
  charts.settle();
  charts.restart('c');
  charts.member('c').diskHangs = false;
  assert.is(charts.context('c').log.firstIndex, 1);
  assert.is(
    charts.context('c').commit,
    0,
    'its log ends before the snapshot, so nothing in it is known to be committed',
  );
  charts.advance(1_000);
  charts.transfer();
  charts.advance(1_000);
  assert.equal(charts.applied('c'), charts.applied('a'));
});

test('a longer log that conflicts gives way; one that holds the base is kept', () => {
  const charts = createCharts(['a', 'b', 'c'], { logs: { a: [1, 1], b: [1, 1], c: [1, 1] } });
  charts.elect('c');
  charts.isolate('c');
  for (let at = 0; at < 9; at++) charts.propose('c', `lost ${at}`);
  charts.settle();
  charts.elect('a');
  for (let at = 0; at < 4; at++) charts.propose('a', `kept ${at}`);
  charts.settle();
  charts.compact('a', 6);
  charts.settle();
  assert.is(charts.context('c').log.lastIndex, 12);
  heal(charts);
  charts.transfer();
  charts.advance(200);
  assert.equal(charts.terms('c'), charts.terms('a'));
  assert.equal(charts.applied('c'), charts.applied('a'));
  // Told to begin at what it holds: nothing is given up.
  const before = charts.context('b').log;
  charts.step('b', { type: 'installSnapshot', from: id('a'), to: id('b'), term: 3, index: 6, indexTerm: 3 });
  assert.equal(charts.context('b').log, before);
});

test('a newer snapshot replaces the log; one at or below the commit index is ignored; one that the log holds only moves the commit index [Restore, RestoreIgnoreSnapshot]', () => {
  // Its log: terms 1 1 2 2, of which two are committed.
  const cases: readonly {
    readonly what: string;
    readonly index: LogIndex;
    readonly indexTerm: number;
    readonly held: LogIndex;
    readonly expect: {
      readonly first: number;
      readonly last: number;
      readonly commit: number;
      readonly answer: number | null;
    };
  }[] = [
    { what: 'stale', index: 1, indexTerm: 1, held: 9, expect: { first: 1, last: 4, commit: 2, answer: 2 } },
    { what: 'committed', index: 2, indexTerm: 1, held: 9, expect: { first: 1, last: 4, commit: 2, answer: 2 } },
    { what: 'in the log', index: 3, indexTerm: 2, held: 0, expect: { first: 1, last: 4, commit: 3, answer: 3 } },
    { what: 'its very end', index: 4, indexTerm: 2, held: 0, expect: { first: 1, last: 4, commit: 4, answer: 4 } },
    { what: 'conflicting', index: 4, indexTerm: 3, held: 4, expect: { first: 5, last: 4, commit: 4, answer: 4 } },
    { what: 'ahead', index: 9, indexTerm: 2, held: 9, expect: { first: 10, last: 9, commit: 9, answer: 9 } },
    { what: 'not there', index: 9, indexTerm: 2, held: 8, expect: { first: 1, last: 4, commit: 2, answer: null } },
  ];
  for (const { what, index, indexTerm, held, expect } of cases) {
    const charts = createCharts(['a', 'b', 'c'], { logs: { a: [1, 1, 2, 2], b: [1, 1, 2, 2], c: [1, 1, 2, 2] } });
    charts.step('b', { type: 'heartbeat', from: id('a'), to: id('b'), term: 4, commit: 2, round: 1 });
    charts.settle();
    const follower = charts.member('b');
    const { stepper, snapshot } = follower;
    const event = {
      type: 'installSnapshot',
      from: id('a'),
      to: id('b'),
      term: 4,
      index,
      indexTerm,
      held,
      at: charts.at,
    };
    const after = stepper.step(snapshot, event as Parameters<typeof stepper.step>[1]);
    const { log, commit } = after.snapshot.context;
    const reply = after.actions.map((action) => action.params as { message?: { index: number }; when?: string });
    const answer = reply.find(({ message }) => message !== undefined);
    assert.equal(
      { first: log.firstIndex, last: log.lastIndex, commit, answer: answer?.message?.index ?? null },
      expect,
      what,
    );
    assert.ok(answer === undefined || answer.when === 'synced', what);
  }
});

test("an older leader's snapshot is answered with the newer term; a newer one's is followed, by candidates too", () => {
  const charts = createCharts(['a', 'b', 'c']);
  charts.elect('a');
  charts.sent.length = 0;
  charts.step('b', { type: 'installSnapshot', from: id('c'), to: id('b'), term: 0, index: 9, indexTerm: 0 });
  assert.equal(
    charts.sent.map(({ type, term }) => [type, term]),
    [['appendReply', 1]],
  );
  for (const asked of ['preCandidate', 'candidate']) {
    const other = createCharts(['a', 'b', 'c']);
    other.expire('b');
    if (asked === 'candidate') other.deliver(({ type }) => type === 'preVote') && other.deliver();
    assert.is(other.role('b'), asked);
    const { term } = other.context('b');
    const newer = Math.max(term, 1);
    other.step('b', { type: 'installSnapshot', from: id('a'), to: id('b'), term: newer, index: 0, indexTerm: 0 });
    assert.is(other.role('b'), 'follower');
    assert.is(other.context('b').leader, 'a');
  }
});

test('a leader that hears another install a snapshot in its own term ends', () => {
  const charts = createCharts(['a', 'b', 'c']);
  charts.elect('a');
  assert.throws(
    () => charts.step('a', { type: 'installSnapshot', from: id('b'), to: id('a'), term: 1, index: 1, indexTerm: 1 }),
    /term 1 has two leaders/,
  );
});

test('an answer that shows the follower to hold all before the log ends the wait, without a transfer', () => {
  const charts = withStraggler();
  heal(charts);
  const reply = { from: id('c'), to: id('a'), term: 1, rejected: false, hintIndex: 0, hintTerm: 0 } as const;
  charts.step('a', { type: 'appendReply', ...reply, index: 3 });
  assert.is(progressOf(charts, 'a', 'c').state, 'snapshot', 'that is not all');
  charts.step('a', { type: 'appendReply', ...reply, rejected: true, index: 7, hintIndex: 1, hintTerm: 1 });
  assert.is(progressOf(charts, 'a', 'c').state, 'snapshot', 'a refusal is about the time before');
});

test('an answer that comes late, and does not reach the leader’s log, asks for no second snapshot; one that does ends the wait [snapshot_succeed_via_app_resp, …_behind]', () => {
  const charts = withStraggler({ held: 2, base: 5 });
  heal(charts);
  assert.is(charts.transfers.length, 1);
  const reply = { from: id('c'), to: id('a'), term: 1, rejected: false, hintIndex: 0, hintTerm: 0 } as const;
  for (const index of [3, 4]) {
    charts.step('a', { type: 'appendReply', ...reply, index });
    assert.is(progressOf(charts, 'a', 'c').state, 'snapshot');
    assert.is(progressOf(charts, 'a', 'c').match, index);
    assert.is(charts.transfers.length, 1, 'one is under way');
  }
  charts.step('a', { type: 'appendReply', ...reply, index: 5 });
  assert.is(progressOf(charts, 'a', 'c').state, 'replicate');
});

test('a full window of what was lost keeps no follower from its snapshot [SlowNodeRestore]', () => {
  const charts = createCharts(['a', 'b', 'c'], { options: { inflightMax: 2 } });
  charts.elect('a');
  charts.isolate('c');
  for (let at = 0; at < 8; at++) charts.propose('a', `p${at}`);
  charts.settle();
  assert.is(progressOf(charts, 'a', 'c').inflight.length, 2);
  charts.compact('a', 7);
  charts.settle();
  heal(charts);
  charts.transfer();
  charts.settle();
  charts.advance(100);
  assert.is(progressOf(charts, 'a', 'c').state, 'replicate');
  assert.equal(charts.applied('c'), charts.applied('a'));
});

test('a follower whose log was compacted hints no farther back than it begins, and the leader finds the place [FastLogRejection]', () => {
  const charts = createCharts(['a', 'b', 'c'], {
    logs: { a: [1, 1, 3, 3, 5], b: [1, 1, 3, 3, 5], c: [1, 1, 2, 2, 4, 4] },
  });
  charts.step('c', { type: 'heartbeat', from: id('b'), to: id('c'), term: 5, commit: 2, round: 0 });
  charts.compact('c', 2);
  charts.settle();
  charts.elect('a');
  const [first, second] = charts.sent.filter(({ type, from }) => type === 'appendReply' && from === id('c'));
  assert.ok(first?.type === 'appendReply' && second?.type === 'appendReply');
  assert.equal([first.rejected, first.hintIndex, first.hintTerm], [true, 4, 2]);
  assert.equal([second.rejected, second.index], [false, 6]);
  assert.equal(charts.terms('c'), charts.terms('a'));
});

test('news of a transfer in another term, or that nobody waits for, changes nothing', () => {
  const charts = withStraggler();
  heal(charts);
  const before = charts.context('a');
  charts.step('a', { type: 'snapshot.sent', peer: id('c'), term: 9, index: 5 });
  charts.step('a', { type: 'snapshot.sent', peer: id('b'), term: 1, index: 5 });
  charts.step('a', { type: 'snapshot.sent', peer: id('nobody'), term: 1, index: 5 });
  charts.step('b', { type: 'snapshot.sent', peer: id('c'), term: 1, index: 5 });
  assert.equal(charts.context('a').leadership, before.leadership);
});

test('a new connection: a transfer goes on, a word to install is said again', () => {
  const under = { ...newProgress(6, 0), state: 'snapshot' as const, match: 2 };
  assert.equal(reconnected(under), under);
  assert.equal(reconnected({ ...under, probing: true }), probeFrom(under, 3));
});

test('a change of leader in the middle: the new one begins its own, if it must', () => {
  const charts = withStraggler();
  heal(charts);
  assert.is(charts.transfers.length, 1);
  charts.crash('a');
  charts.elect('b');
  charts.settle();
  charts.advance(300);
  assert.equal(charts.applied('c'), charts.applied('b'), 'its log was never compacted');
});

test('half a cluster far behind, compaction all the time: all end equal [SlowNodeRestore]', () => {
  const charts = createCharts(['a', 'b', 'c', 'd', 'e']);
  charts.elect('a');
  for (let round = 0; round < 12; round++) {
    const absent = charts.ids[1 + (round % 4)] ?? id('b');
    charts.isolate(absent);
    for (let at = 0; at < 3; at++) charts.propose('a', `${round}.${at}`);
    charts.settle();
    charts.beat('a');
    charts.settle();
    for (const name of charts.ids) {
      const { applied, log } = charts.context(name);
      if (applied > log.firstIndex && name !== absent) charts.compact(name, applied);
    }
    charts.settle();
    charts.heal();
    charts.advance(700);
    charts.transfer();
    charts.advance(700);
  }
  charts.transfer();
  charts.advance(1_000);
  for (const name of charts.ids) assert.equal(charts.applied(name), charts.applied('a'), name);
  assert.is(charts.applied('a').length, 36);
  assert.ok(charts.sent.filter(({ type }) => type === 'installSnapshot').length >= 4, 'snapshots were needed');
});

test.run();
