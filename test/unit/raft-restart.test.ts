// Crashes: what a member said it still holds to after it comes back (dissertation §3.8). Names in brackets are the tests of etcd/raft
// and hashicorp/raft that show the same.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];

test('term, vote and log survive; what was not synced does not', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.propose('a', 'x');
  charts.settle();
  charts.member('b').diskHangs = true;
  charts.propose('a', 'y');
  charts.deliver();
  assert.equal(charts.terms('b').length, 3);
  charts.restart('b');
  assert.equal(charts.terms('b').length, 2);
  assert.deepEqual(charts.member('b').disk.hard, { term: 1, votedFor: 'a' });
  assert.equal(charts.context('b').term, 1);
  assert.equal(charts.context('b').durable, 2);
  charts.advance(400);
  assert.deepEqual(charts.applied('b'), ['x', 'y']);
});

test('a restart applies everything again, once and in order, as its commit comes to be known [RawNodeRestart, CommitPaginationAfterRestart]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  const all = Array.from({ length: 600 }, (_, n) => `x${n}`);
  for (const data of all) charts.propose('a', data);
  charts.settle();
  for (const name of THREE) charts.restart(name);
  for (const name of THREE) assert.equal(charts.context(name).commit, 0);
  charts.advance(2_000);
  for (const name of THREE) assert.deepEqual(charts.applied(name), all, name);
});

test('a follower that is back within the timeout causes no election [RestartFollower_LongInitialHeartbeat]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.advance(300);
  charts.restart('c');
  charts.advance(1_000);
  assert.equal(charts.role('a'), 'leader');
  for (const name of THREE) assert.equal(charts.context(name).term, 1);
});

test('a leader that comes back is a follower, and leads only after an election', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.restart('a');
  assert.equal(charts.role('a'), 'follower');
  charts.advance(2_000);
  assert.equal(charts.context(charts.leader() ?? 'a').term, 2);
});

test('a vote that was answered is not given to another after a crash', () => {
  const charts = createCharts(THREE);
  charts.step('a', { type: 'vote', from: id('b'), to: id('a'), term: 1, lastIndex: 0, lastTerm: 0 });
  charts.settle();
  charts.restart('a');
  charts.step('a', { type: 'vote', from: id('c'), to: id('a'), term: 1, lastIndex: 9, lastTerm: 1 });
  charts.settle();
  assert.deepEqual(
    charts.sent.filter(({ type }) => type === 'voteReply').map((reply) => 'granted' in reply && reply.granted),
    [true, false],
  );
});

test('a vote whose write was lost was not answered either', () => {
  const charts = createCharts(THREE);
  charts.step('a', { type: 'vote', from: id('b'), to: id('a'), term: 1, lastIndex: 0, lastTerm: 0 });
  charts.restart('a');
  assert.equal(charts.sent.length, 0);
  charts.step('a', { type: 'vote', from: id('c'), to: id('a'), term: 1, lastIndex: 0, lastTerm: 0 });
  charts.settle();
  assert.equal(charts.member('a').disk.hard.votedFor, 'c');
});

test('a candidate whose own vote was not written has asked nobody', () => {
  const charts = createCharts(THREE);
  charts.expire('a');
  charts.member('a').diskHangs = true;
  charts.settle();
  assert.equal(charts.role('a'), 'candidate');
  charts.restart('a');
  assert.equal(charts.context('a').term, 0);
  assert.equal(charts.sent.filter(({ type }) => type === 'vote').length, 0);
});

test('crash at every moment around persist, append and answer: no second vote in a term, nothing acknowledged missing', () => {
  // The same election and proposal, cut short by a crash of one member after n deliveries and syncs; then everybody comes back.
  for (const victim of THREE) {
    for (let moment = 0; moment < 40; moment++) {
      const charts = createCharts(THREE, { seed: moment + 1 });
      const acknowledged: string[] = [];
      charts.expire('a');
      let proposed = false;
      for (let n = 0; n < moment; n++) {
        if (n % 2 === 0) for (const name of THREE) charts.sync(name);
        else charts.deliver((message) => message === charts.waiting()[0] || n % 3 === 0);
        if (charts.role('a') === 'leader' && !proposed) {
          charts.propose('a', 'x');
          proposed = true;
        }
        if (charts.applied('a').includes('x') && acknowledged.length === 0) acknowledged.push('x');
      }
      charts.restart(victim);
      charts.advance(3_000);
      assert.ok(charts.leader() !== undefined, `${victim} at ${moment}`);
      for (const name of THREE) {
        for (const data of acknowledged)
          assert.ok(charts.applied(name).includes(data), `${victim} at ${moment}: ${name} has ${data}`);
      }
    }
  }
});

test('a member whose disk hangs keeps nobody from going on, and catches up when it is back', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.member('c').diskHangs = true;
  charts.propose('a', 'x');
  charts.settle();
  assert.deepEqual(charts.applied('b'), ['x']);
  charts.advance(2_000);
  charts.member('c').diskHangs = false;
  charts.advance(500);
  assert.equal(charts.member('c').disk.entries.length, charts.terms('a').length);
  assert.deepEqual(charts.applied('c'), ['x']);
});

test('a leader with a slow disk commits on its followers’ alone, and stays correct when it crashes', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.member('a').diskHangs = true;
  charts.propose('a', 'x');
  charts.settle();
  assert.deepEqual(charts.applied('a'), ['x']);
  assert.equal(charts.context('a').durable, 1);
  charts.restart('a');
  charts.advance(3_000);
  for (const name of THREE) assert.deepEqual(charts.applied(name), ['x'], name);
});

test('timeouts differ between restarts', () => {
  const charts = createCharts(THREE);
  const seen = new Set<number>();
  for (let round = 0; round < 8; round++) {
    charts.restart('a');
    seen.add(charts.timerLeft('a'));
    assert.ok(charts.timerLeft('a') >= DEFAULTS.electionMinMs && charts.timerLeft('a') < DEFAULTS.electionMaxMs);
  }
  assert.ok(seen.size > 4);
});

test.run();
