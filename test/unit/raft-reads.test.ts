// Linearizable reads without writing (dissertation §6.4). Names in brackets are the tests of etcd/raft that show the same.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];

function elected(names: readonly string[] = THREE) {
  const charts = createCharts(names);
  charts.elect('a');
  charts.sent.length = 0;
  return charts;
}

test('a read is answered with the commit index after a quorum answered a round that began after it [ReadOnlyOptionSafe]', () => {
  const charts = elected();
  charts.propose('a', 'x');
  charts.settle();
  charts.sent.length = 0;
  const read = charts.read('a');
  assert.deepEqual(
    charts.sent.map((message) => message.type === 'heartbeat' && [message.to, message.round]),
    [
      ['b', 1],
      ['c', 1],
    ],
  );
  assert.equal(charts.member('a').readAnswers.size, 0);
  charts.deliver(({ to }) => to === 'b');
  charts.deliver(({ to }) => to === 'a');
  assert.equal(charts.member('a').readAnswers.get(read), 2);
});

test('answers to a round that began before the read prove nothing', () => {
  const charts = elected();
  charts.beat('a');
  const read = charts.read('a');
  for (const from of ['b', 'c'])
    charts.step('a', { type: 'heartbeatReply', from: id(from), to: id('a'), term: 1, round: 1 });
  assert.equal(charts.member('a').readAnswers.size, 0);
  charts.step('a', { type: 'heartbeatReply', from: id('b'), to: id('a'), term: 1, round: 2 });
  charts.step('a', { type: 'heartbeatReply', from: id('b'), to: id('a'), term: 1, round: 1 });
  assert.equal(charts.member('a').readAnswers.get(read), 1, 'once');
});

test('answers of a stranger or of an older term prove nothing', () => {
  const charts = elected();
  charts.elect('b');
  const read = charts.read('b');
  charts.step('b', { type: 'heartbeatReply', from: id('x'), to: id('b'), term: 2, round: 9 });
  charts.step('b', { type: 'heartbeatReply', from: id('c'), to: id('b'), term: 1, round: 9 });
  assert.equal(charts.member('b').readAnswers.has(read), false);
});

test('of five members two must answer', () => {
  const charts = elected(['a', 'b', 'c', 'd', 'e']);
  const read = charts.read('a');
  charts.deliver(({ to }) => to === 'b');
  charts.deliver(({ to }) => to === 'a');
  assert.equal(charts.member('a').readAnswers.has(read), false);
  charts.deliver(({ to }) => to === 'c');
  charts.deliver(({ to }) => to === 'a');
  assert.equal(charts.member('a').readAnswers.get(read), 1);
});

test('a new leader holds reads until an entry of its own term is committed [ReadOnlyForNewLeader]', () => {
  const charts = createCharts(THREE, { logs: { a: [1], b: [1], c: [1] } });
  charts.lose(({ type }) => type === 'append');
  charts.expire('a');
  charts.settle();
  const read = charts.read('a');
  charts.settle();
  assert.equal(charts.member('a').readAnswers.size, 0, 'its round is answered, but it does not know what is committed');
  charts.heal();
  charts.advance(400);
  assert.equal(charts.member('a').readAnswers.get(read), 2);
});

test('alone in its group, a leader answers at once', () => {
  const charts = elected(['a']);
  const read = charts.read('a');
  assert.equal(charts.member('a').readAnswers.get(read), 1);
});

test('several reads share what proves them; each is answered once', () => {
  const charts = elected();
  const first = charts.read('a');
  const second = charts.read('a');
  charts.deliver(({ type, ...message }) => type === 'heartbeat' && 'round' in message && message.round === 1);
  charts.deliver();
  assert.deepEqual([...charts.member('a').readAnswers.keys()], [first]);
  charts.deliver();
  assert.deepEqual(
    [...charts.member('a').readAnswers],
    [
      [first, 1],
      [second, 1],
    ],
  );
  assert.deepEqual(charts.context('a').leadership?.reads, []);
});

test('who knows no leader refuses reads, and a leader that loses its place refuses those that wait [VerifyLeader]', () => {
  const charts = elected();
  charts.isolate('a');
  charts.expire('b');
  assert.equal(charts.member('b').readAnswers.get(charts.read('b')), 'refused');
  const read = charts.read('a');
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.member('a').readAnswers.get(read), 'refused', 'a quorum was silent');

  const deposed = elected();
  const open = deposed.read('a');
  deposed.step('a', { type: 'heartbeat', from: id('b'), to: id('a'), term: 2, commit: 0, round: 1 });
  assert.equal(deposed.member('a').readAnswers.get(open), 'refused', 'another leads');
});

test('a deposed leader that does not know it answers no read', () => {
  const charts = elected();
  charts.isolate('a');
  charts.expire('b');
  charts.settle();
  assert.equal(charts.role('b'), 'leader');
  charts.propose('b', 'new');
  charts.settle();
  const read = charts.read('a');
  charts.settle();
  assert.equal(charts.member('a').readAnswers.has(read), false);
});

test.run();
