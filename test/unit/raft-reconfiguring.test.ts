// Changes of the membership (dissertation §4) in the company of all else that may happen: elections, silence, restarts, snapshots. Names
// in brackets are the tests of etcd/raft and
// hashicorp/raft that show the same.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { Configuration } from '../../src/machines/raft/membership.ts';
import { type Charts, createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];
const ids = (names: string) => names.split('').map(id);

const configuration = (voters: string, outgoing = '', learners = '', joining = ''): Configuration => ({
  voters: ids(voters),
  outgoing: ids(outgoing),
  learners: ids(learners),
  joining: ids(joining),
});
const inForce = (charts: Charts, name: string): Configuration => charts.configuration(name);

/** `a` leads, and `spares` are there but belong to nothing. */
function elected(names: readonly string[] = THREE, spares = ''): Charts {
  const charts = createCharts([...names, ...spares.split('')], { founders: names });
  charts.elect('a');
  return charts;
}

test('one change at a time: a second one is refused while one is not committed, also by the next leader [StepIgnoreConfig, NewLeaderPendingConfig]', () => {
  const charts = elected(THREE, 'd');
  charts.isolate('a');
  charts.change('a', { learners: ids('d') });
  charts.change('a', { learners: [] });
  assert.deepEqual(charts.member('a').refusals, ['busy']);
  charts.heal();

  const next = elected(THREE, 'd');
  next.change('a', { learners: ids('d') });
  next.deliver();
  next.sync('b');
  next.crash('a');
  next.drop();
  next.lose(({ type }) => type === 'append');
  next.expire('b');
  next.settle();
  assert.equal(next.role('b'), 'leader');
  next.change('b', { learners: [] });
  assert.deepEqual(next.member('b').refusals, ['busy'], 'what it found in its log is not committed');
  next.heal();
  next.advance(500);
  next.change('b', { learners: [] });
  next.settle();
  assert.deepEqual(inForce(next, 'c'), configuration('abc'));
});

// ---------------------------------------------------------------- who counts

test('the answers of learners commit nothing, elect nobody and keep no leader [commitment_test: non-voters are ignored]', () => {
  const charts = elected(THREE, 'de');
  charts.change('a', { learners: ids('de') });
  charts.settle();
  const before = charts.context('a').commit;
  charts.isolate('b');
  charts.isolate('c');
  charts.propose('a', 'x');
  charts.settle();
  assert.equal(charts.context('d').log.lastIndex, before + 1);
  assert.equal(charts.context('a').commit, before);
  charts.advance(DEFAULTS.electionMaxMs + 2 * DEFAULTS.heartbeatMs);
  assert.equal(charts.role('a'), 'follower', 'a quorum of voters is silent');
  charts.advance(2_000);
  assert.equal(charts.context('a').term, 1);
  assert.deepEqual([charts.role('d'), charts.role('e')], ['learner', 'learner']);
});

test('in a joint configuration a majority of each half must have an entry, elect a leader, and answer a read', () => {
  const charts = elected(THREE, 'de');
  charts.change('a', { learners: ids('de') });
  charts.settle();
  charts.change('a', { voters: ids('ade'), learners: [] });
  charts.deliver(({ to }) => to === 'b' || to === 'c');
  for (const name of THREE) charts.sync(name);
  charts.deliver(({ to }) => to === 'a');
  const joint = charts.membership('a').index;
  assert.ok(charts.context('a').commit < joint, 'the old half alone');
  const read = charts.read('a');
  charts.deliver(({ to, type }) => type === 'heartbeat' && to !== 'd' && to !== 'e');
  charts.deliver(({ to }) => to === 'a');
  assert.equal(charts.member('a').readAnswers.get(read), undefined, 'the old half alone');
  charts.deliver(({ to }) => to === 'd');
  charts.sync('d');
  charts.deliver(({ from }) => from === 'd');
  assert.ok(charts.context('a').commit >= joint, 'two of a, b, c, and two of a, d, e');
  assert.ok(charts.member('a').readAnswers.has(read));

  const split = elected(THREE, 'de');
  split.change('a', { voters: ids('ade') });
  split.deliver();
  for (const name of 'bcde') split.sync(name);
  split.drop();
  for (const name of 'ade') split.isolate(name);
  split.advance(3_000);
  assert.deepEqual(
    [split.role('b'), split.role('c')],
    ['preCandidate', 'preCandidate'],
    'the old half alone elects nobody',
  );
});

test('a voter that is demoted counts until the change is complete, and its progress is kept [joint_learners_next]', () => {
  const charts = elected(THREE, 'd');
  charts.propose('a', 'x');
  charts.settle();
  const known = charts.context('a').leadership?.progress.c;
  charts.change('a', { voters: ids('abd'), learners: ids('c') });
  assert.deepEqual(charts.context('a').leadership?.progress.c?.match, known?.match);
  assert.equal(charts.context('a').leadership?.progress.c?.state, 'replicate');
  // Of a, b, c the two others than b are enough: c counts.
  charts.isolate('b');
  charts.settle();
  charts.advance(400);
  charts.settle();
  assert.deepEqual(inForce(charts, 'a'), configuration('abd', '', 'c'));
  assert.equal(charts.role('c'), 'learner');
});

// ---------------------------------------------------------------- coming

test('a silent member that is added deposes no leader at once, but after a whole timeout [AddNodeCheckQuorum, NonPromotableVoterWithCheckQuorum]', () => {
  const charts = elected(['a'], 'b');
  charts.isolate('b');
  charts.skip(5_000);
  charts.change('a', { voters: ids('ab') });
  const began = charts.at;
  charts.beat('a');
  assert.equal(charts.role('a'), 'leader');
  while (charts.role('a') === 'leader' && charts.at < began + 5_000) charts.advance(10);
  assert.ok(charts.at - began > DEFAULTS.electionMaxMs, `deposed after ${charts.at - began} ms`);
});

// ---------------------------------------------------------------- going

test('a leader that is removed leads until that is committed, without counting itself; then it neither proposes nor campaigns, and another leads at once [remove_leader, replace_leader_stepdown]', () => {
  const charts = elected(THREE, 'd');
  charts.change('a', { voters: ids('bcd') });
  const began = charts.at;
  charts.settle();
  assert.equal(charts.role('a'), 'removed');
  assert.ok(charts.leader() !== undefined && charts.at === began, 'nobody has waited for silence');
  charts.propose('a', 'x');
  assert.deepEqual(charts.member('a').refusals, ['notLeader']);
  const { term } = charts.context('a');
  charts.advance(5_000);
  assert.equal(charts.role('a'), 'removed');
  assert.equal(charts.context('a').term, term);
  assert.ok(charts.applied('d').length === 0 && charts.context('d').commit > 0);
});

test('a member that holds a configuration without itself stands for election as long as that may not be committed: it may be needed for it [figure 4.6]', () => {
  const charts = elected(['a', 'b'], 'c');
  charts.change('a', { voters: ids('b'), learners: ids('a') });
  charts.deliver();
  charts.sync('a');
  charts.sync('b');
  // The end of the joint configuration stands in the log of a alone, and b, which is to lead, lacks it: a would not vote for b.
  charts.deliver(({ to }) => to === 'a');
  charts.sync('a');
  charts.drop();
  charts.restart('a');
  charts.restart('b');
  assert.deepEqual([inForce(charts, 'a').outgoing, inForce(charts, 'b').outgoing], [[], ids('ab')]);
  charts.advance(5_000);
  assert.equal(charts.leader(), 'b');
  assert.deepEqual(inForce(charts, 'b'), configuration('b', '', 'a'));
  assert.equal(charts.role('a'), 'learner', 'it knows now that this is committed');
});

test('a removed member that never heard of it disturbs nobody; one with a far higher term that is added again settles with the others [ReJoinFollower, NonVoterWithHigherTermJoin]', () => {
  const charts = elected();
  charts.isolate('c');
  charts.change('a', { voters: ids('ab') });
  charts.settle();
  charts.heal();
  charts.advance(3_000);
  assert.equal(charts.role('a'), 'leader');
  assert.equal(charts.context('a').term, 1);

  charts.crash('c');
  charts.member('c').disk.hard = { term: 40, votedFor: id('c') };
  charts.restart('c');
  const leader = charts.leader() ?? '';
  charts.change(leader, { joining: ids('c') });
  charts.settle();
  charts.advance(5_000);
  assert.ok(charts.leader() !== undefined);
  for (const name of THREE) {
    assert.deepEqual(inForce(charts, name), configuration('abc'), name);
    assert.ok(charts.context(name).term >= 40, name);
    assert.equal(charts.context(name).leader, charts.leader());
  }
});

test('a follower that was removed while it was down or restarts causes no election [FollowerRemovalNoElection]', () => {
  const charts = elected();
  charts.change('a', { voters: ids('ab') });
  charts.settle();
  charts.restart('c');
  charts.advance(3_000);
  assert.equal(charts.role('a'), 'leader');
  for (const name of THREE) assert.equal(charts.context(name).term, 1, name);
});

// ---------------------------------------------------------------- what the log says

/** `c` was away while `change` happened, and what it lacks has left the leader's log. */
function behindSnapshot(change: (charts: Charts) => void): Charts {
  const charts = elected(THREE, 'd');
  charts.isolate('c');
  change(charts);
  charts.propose('a', 'x');
  charts.settle();
  charts.compact('a', charts.context('a').applied);
  charts.settle();
  charts.heal();
  charts.advance(600);
  charts.transfer();
  charts.settle();
  return charts;
}

test('the configuration of a snapshot replaces the own one: a voter is a learner behind it, a stranger a member [RestoreVoterToLearner, LearnerPromotion, SnapshotRestore_PeerChange]', () => {
  const demoted = behindSnapshot((charts) => {
    charts.change('a', { voters: ids('ab'), learners: ids('c') });
    charts.settle();
  });
  assert.deepEqual(inForce(demoted, 'c'), configuration('ab', '', 'c'));
  assert.equal(demoted.role('c'), 'learner');

  const replaced = behindSnapshot((charts) => {
    charts.change('a', { voters: ids('abcd') });
    charts.settle();
  });
  assert.deepEqual(inForce(replaced, 'c'), configuration('abcd'));
  assert.equal(replaced.role('c'), 'follower');
  replaced.restart('c');
  assert.deepEqual(inForce(replaced, 'c'), configuration('abcd'), 'also after a restart');
});

test('a snapshot that takes the place of a configuration that was never committed takes that out of force [openraft 1808: no phantom voters]', () => {
  const charts = elected(THREE, 'd');
  charts.elect('c');
  charts.isolate('c');
  charts.change('c', { voters: ids('cd') });
  charts.settle();
  assert.deepEqual(inForce(charts, 'c'), configuration('cd', 'abc'));
  charts.elect('a');
  for (let n = 0; n < 5; n++) charts.propose('a', `x${n}`);
  charts.settle();
  charts.compact('a', charts.context('a').applied);
  charts.settle();
  charts.heal();
  charts.advance(600);
  charts.transfer();
  charts.advance(600);
  assert.deepEqual(inForce(charts, 'c'), configuration('abc'));
  assert.equal(charts.role('c'), 'follower');
  assert.deepEqual(charts.applied('c'), charts.applied('a'));
});

test.run();
