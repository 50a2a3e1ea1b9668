// Leadership that is handed over (§3.10), and leases, which that breaks.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];

function elected(names = THREE, options = {}) {
  const charts = createCharts(names, { options });
  charts.elect('a');
  charts.settle();
  return charts;
}

test('to a member that holds everything: it leads at once, and no entry is lost [LeaderTransferToUpToDateNode]', () => {
  const charts = elected();
  charts.propose('a', 'x');
  charts.settle();
  const before = charts.at;
  charts.handOver('a', 'b');
  charts.settle();
  assert.equal(charts.role('b'), 'leader');
  assert.equal(charts.context('b').term, 2);
  assert.equal(charts.role('a'), 'follower');
  assert.equal(charts.at, before, 'no silence was waited for');
  charts.propose('b', 'y');
  charts.settle();
  assert.deepEqual(charts.applied('c'), ['x', 'y']);
});

test('the members that hear their leader vote for the one that it wants [Voting while the leader is well]', () => {
  const charts = elected();
  charts.handOver('a', 'b');
  charts.deliver(({ type }) => type === 'timeoutNow');
  charts.sync('b');
  charts.lose(({ to }) => to === 'a');
  charts.deliver(({ to }) => to === 'c');
  charts.settle();
  assert.equal(charts.role('b'), 'leader', 'with the vote of c, which heard a a moment ago');
});

test('to one that is behind: it is brought up to date first [LeaderTransferToSlowFollower]', () => {
  const charts = elected();
  charts.isolate('b');
  charts.propose('a', 'x', 'y');
  charts.settle();
  charts.handOver('a', 'b');
  charts.settle();
  assert.equal(charts.state('a') instanceof Object, true);
  assert.deepEqual(charts.state('a'), { leader: 'transferring' });
  charts.heal();
  charts.advance(DEFAULTS.electionMinMs);
  charts.advance(DEFAULTS.heartbeatMs);
  assert.equal(charts.role('b'), 'leader');
  assert.deepEqual(charts.applied('b'), ['x', 'y']);
});

test('to one that needs a snapshot: it gets that first [LeaderTransferAfterSnapshot]', () => {
  const charts = elected();
  charts.isolate('b');
  charts.propose('a', 'x', 'y');
  charts.settle();
  charts.compact('a', 3);
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  charts.handOver('a', 'b');
  charts.transfer();
  charts.settle();
  assert.equal(charts.role('b'), 'leader');
});

test('meanwhile proposals are refused; it ends after an election timeout, and proposals are taken again [LeaderTransferIgnoreProposal, LeaderTransferTimeout]', () => {
  const charts = elected();
  charts.isolate('b');
  charts.propose('a', 'x');
  charts.settle();
  charts.handOver('a', 'b');
  charts.propose('a', 'refused');
  assert.deepEqual(charts.member('a').refusals, ['transferring']);
  charts.advance(DEFAULTS.electionMaxMs - 1);
  assert.deepEqual(charts.state('a'), { leader: 'transferring' });
  charts.handOver('a', 'b');
  charts.advance(1);
  assert.deepEqual(
    charts.state('a'),
    { leader: 'serving' },
    'asked for again it lasts no longer [SecondTransferToSameNode]',
  );
  assert.deepEqual(charts.member('a').refusals, ['transferring', 'timedOut']);
  charts.propose('a', 'y');
  charts.settle();
  assert.deepEqual(charts.applied('c'), ['x', 'y']);
});

test('to another one instead, and to itself, which calls it off [SecondTransferToAnotherNode, LeaderTransferBack]', () => {
  const charts = elected();
  charts.isolate('b');
  charts.propose('a', 'x');
  charts.settle();
  charts.handOver('a', 'b');
  charts.handOver('a', 'a');
  assert.deepEqual(charts.state('a'), { leader: 'serving' });
  charts.handOver('a', 'b');
  charts.handOver('a', 'c');
  charts.settle();
  assert.deepEqual(charts.member('a').refusals, ['cancelled', 'replaced']);
  assert.equal(charts.role('c'), 'leader');
});

test('not to a learner, a stranger, by a follower, or before the term’s first entry is applied [LeaderTransferToLearner, LeaderTransferToNonExistingNode]', () => {
  const charts = createCharts(['a', 'b', 'c', 'd'], { founders: THREE });
  charts.expire('a');
  charts.lose(({ type }) => type === 'append');
  charts.settle();
  charts.handOver('a', 'b');
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  charts.change('a', { learners: ['d'] });
  charts.settle();
  charts.handOver('a', 'd');
  charts.handOver('a', 'x');
  charts.handOver('a', 'a');
  assert.deepEqual(charts.member('a').refusals, ['notServing', 'notVoter', 'notVoter']);
  charts.handOver('b', 'c');
  assert.deepEqual(charts.member('b').refusals, ['notLeader']);
  assert.deepEqual(charts.state('a'), { leader: 'serving' });
});

test('a word to campaign that comes late, or to one that is no voter, is not followed', () => {
  const charts = createCharts(['a', 'b', 'c', 'd'], { founders: THREE });
  charts.elect('a');
  charts.settle();
  const word = (to: string, term: number) => charts.step(to, { type: 'timeoutNow', from: id('a'), to: id(to), term });
  word('b', 0);
  word('d', 1);
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.role('d'), 'learner');
});

test('leadership that ends otherwise takes the transfer with it', () => {
  const charts = elected();
  charts.isolate('a');
  charts.handOver('a', 'b');
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('a'), 'follower');
  assert.equal(charts.context('a').leadership, null);
});

test('the change of membership waits while leadership is handed over', () => {
  const charts = elected();
  charts.isolate('b');
  charts.propose('a', 'x');
  charts.settle();
  charts.handOver('a', 'b');
  charts.change('a', { voters: ['a', 'c'] });
  assert.deepEqual(charts.member('a').refusals, ['busy']);
});

// ---------------------------------------------------------------- leases

const LEASES = { leaseReads: true, closedConnectionHint: false };

test('with leases a read is answered without a round, while a quorum has answered lately', () => {
  const charts = elected(THREE, LEASES);
  charts.beat('a');
  charts.settle();
  const sent = charts.sent.length;
  const read = charts.read('a');
  assert.equal(charts.member('a').readAnswers.get(read), 1);
  assert.equal(charts.sent.length, sent, 'nobody was asked');
});

test('a lease counts from when its round began, and ends before anybody else can be elected', () => {
  const charts = elected(THREE, LEASES);
  charts.beat('a');
  charts.skip(100);
  charts.settle();
  charts.skip(0.8 * DEFAULTS.electionMinMs - 101);
  assert.equal(charts.member('a').readAnswers.get(charts.read('a')), 1, 'a moment before');
  charts.skip(1);
  const late = charts.read('a');
  assert.equal(charts.member('a').readAnswers.has(late), false, 'it takes a round');
  charts.settle();
  assert.equal(charts.member('a').readAnswers.get(late), 1);
});

test('no lease holds before the term’s own entry is committed, nor once somebody was told to campaign', () => {
  const charts = createCharts(THREE, { options: LEASES });
  charts.expire('a');
  charts.lose(({ type }) => type === 'append');
  charts.settle();
  charts.beat('a');
  charts.settle();
  const early = charts.read('a');
  assert.equal(charts.member('a').readAnswers.has(early), false);
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);

  charts.lose(({ type }) => type === 'timeoutNow');
  charts.handOver('a', 'b');
  charts.advance(DEFAULTS.electionMaxMs);
  assert.equal(charts.role('a'), 'leader', 'b never heard of it');
  charts.beat('a');
  charts.settle();
  const after = charts.read('a');
  assert.equal(charts.member('a').readAnswers.has(after), false, 'b may yet campaign');
});

test('without leases every read takes a round', () => {
  const charts = elected();
  charts.beat('a');
  charts.settle();
  const read = charts.read('a');
  assert.equal(charts.member('a').readAnswers.has(read), false);
});

// ---------------------------------------------------------------- reads elsewhere

test('a follower and a learner ask the leader for the index of a read [ReadOnlyForwarding]', () => {
  const charts = createCharts(['a', 'b', 'c', 'd'], { founders: THREE });
  charts.elect('a');
  charts.settle();
  charts.change('a', { learners: ['d'] });
  charts.propose('a', 'x');
  charts.settle();
  for (const name of ['b', 'd']) {
    const read = charts.read(name);
    charts.settle();
    assert.equal(charts.member(name).readAnswers.get(read), 3, name);
  }
});

test('what was asked of a leader is refused when it leads no longer, or never did', () => {
  const charts = elected();
  charts.cut('a', 'c');
  charts.cut('c', 'a');
  const read = charts.read('b');
  charts.deliver();
  charts.step('a', { type: 'heartbeat', from: id('c'), to: id('a'), term: 2, commit: 0, round: 1 });
  charts.settle();
  assert.equal(charts.member('b').readAnswers.get(read), 'refused');
  charts.step('b', { type: 'readIndex', from: id('c'), to: id('b'), term: 1, read: 77 });
  charts.deliver();
  assert.ok(
    charts.sent.some((message) => message.type === 'readIndexReply' && message.read === 77 && message.index === null),
  );
});

test('a leader whose disk has not answered for long gives up leadership [hashicorp#503]', () => {
  const charts = elected();
  charts.step('a', { type: 'beat', diskPendingMs: DEFAULTS.diskPatienceMs });
  assert.equal(charts.role('a'), 'leader');
  charts.step('a', { type: 'beat', diskPendingMs: DEFAULTS.diskPatienceMs + 1 });
  assert.equal(charts.role('a'), 'follower');
});

test('with writes all the time every one that succeeds is durable, and every other one is told so at once [LeadershipTransferWithWrites, LeaderRejectsClientRequests]', () => {
  const charts = elected();
  let written = 0;
  for (let round = 0; round < 30; round++) {
    const leader = charts.leader() ?? 'a';
    const target = THREE[(THREE.indexOf(leader) + 1) % 3] ?? 'b';
    charts.propose(leader, `before ${written++}`);
    charts.handOver(leader, target);
    for (let step = 0; step < 4; step++) {
      for (const name of THREE) charts.propose(name, `during ${written++}`);
      charts.deliver();
      for (const name of THREE) charts.sync(name);
    }
    charts.settle();
    assert.equal(charts.leader(), target);
  }
  const refused = THREE.flatMap((name) => charts.member(name).refusals);
  assert.equal(charts.applied('a').length + refused.length, written);
  assert.ok(refused.includes('transferring') && refused.every((why) => why === 'transferring' || why === 'notLeader'));
  for (const name of THREE) assert.deepEqual(charts.applied(name), charts.applied('a'));
});

test.run();
