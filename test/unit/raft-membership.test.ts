// Who belongs to a group: learners, joint configurations, and leaders that leave (§4). The harness checks after every step that
// terms have one leader, and that whatever was applied anywhere is in a new leader's log.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import type { BrokerId } from '../../src/core/ids.ts';
import {
  changeTo,
  configurationAt,
  type Configuration,
  foundedBy,
  peersIn,
  sinceApplied,
  withEntries,
} from '../../src/machines/raft/membership.ts';
import { reachedByQuorum, tallyOf } from '../../src/machines/raft/quorum.ts';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const ids = (...names: string[]) => names.map((name) => name as BrokerId);
const simple = (...voters: string[]): Configuration => ({
  voters: ids(...voters),
  outgoing: [],
  learners: [],
  joining: [],
});

/** a, b and c are founders; d and e know of no configuration yet. */
function elected(...others: string[]) {
  const charts = createCharts(['a', 'b', 'c', ...others], { founders: ['a', 'b', 'c'] });
  charts.elect('a');
  charts.settle();
  return charts;
}

// ---------------------------------------------------------------- configurations

test('a configuration is in force from when it is appended, and the one before it again when it is cut', () => {
  const founded = foundedBy(ids('b', 'a'));
  const joint = { ...simple('a', 'b', 'c'), outgoing: ids('a', 'b') };
  const history = withEntries(founded, [{ index: 7, configuration: joint }], 6);
  assert.deepEqual(configurationAt(history, 7).configuration, joint);
  assert.deepEqual(configurationAt(history, 6).configuration, simple('a', 'b'));
  assert.deepEqual(withEntries(history, [], 6), founded);
  assert.deepEqual(
    withEntries(history, [{ index: 7, configuration: joint }], 8),
    history,
    'what is held already stays',
  );
  assert.deepEqual(sinceApplied(history, 6), history);
  assert.deepEqual(sinceApplied(history, 7), [{ index: 7, configuration: joint }]);
  assert.deepEqual(peersIn(history, id('a'), 7), ids('b', 'c'));
  assert.deepEqual(
    peersIn(withEntries(history, [{ index: 9, configuration: simple('a', 'c') }], 8), id('a'), 8),
    ids('b', 'c'),
    'whom an uncommitted configuration leaves out is told of it',
  );
});

test('what a change would be, and what is in its way', () => {
  const now = { ...simple('a', 'b', 'c'), learners: ids('d') };
  assert.deepEqual(
    changeTo(now, { voters: ids('a', 'b', 'd'), learners: ids('e', 'e', 'a'), joining: ids('e', 'x') }),
    {
      voters: ids('a', 'b', 'd'),
      outgoing: ids('a', 'b', 'c'),
      learners: ids('e'),
      joining: ids('e'),
    },
  );
  assert.deepEqual(changeTo(now, { voters: ids('c', 'b', 'a'), learners: [], joining: [] }), simple('a', 'b', 'c'));
  assert.equal(changeTo(now, { voters: [], learners: ids('a'), joining: [] }), 'a group needs a voter');
  assert.equal(
    changeTo(now, { voters: ids('a', 'b', 'c'), learners: ids('d'), joining: [] }),
    'that is the configuration already',
  );
});

test('quorums of joint configurations, against a count by hand', () => {
  const names = ids('a', 'b', 'c', 'd', 'e');
  const half = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 5 });
  const isMajority = (voters: readonly BrokerId[], holds: (id: BrokerId) => boolean) =>
    2 * voters.filter(holds).length > voters.length;
  fc.assert(
    fc.property(
      half,
      fc.option(half, { nil: [] }),
      fc.dictionary(fc.constantFrom(...names), fc.boolean()),
      fc.array(fc.nat(9), { minLength: 5, maxLength: 5 }),
      (voters, outgoing, votes, matches) => {
        const configuration = { voters, outgoing, learners: [], joining: [] };
        const halves = outgoing.length === 0 ? [voters] : [voters, outgoing];
        const say = (answer: boolean) => (name: BrokerId) => votes[name] === answer;
        const won = halves.every((each) => isMajority(each, say(true)));
        const lost = halves.some((each) => !isMajority(each, (name) => votes[name] !== false));
        assert.equal(tallyOf(configuration, votes), lost ? 'lost' : won ? 'won' : 'open');
        const valueOf = (name: BrokerId) => matches[names.indexOf(name)] ?? 0;
        const reached = reachedByQuorum(configuration, valueOf);
        assert.ok(halves.every((each) => isMajority(each, (name) => valueOf(name) >= reached)));
        assert.ok(!halves.every((each) => isMajority(each, (name) => valueOf(name) > reached)));
      },
    ),
  );
});

// ---------------------------------------------------------------- learners

test('a learner is sent everything, does not count, and asks for no votes', () => {
  const charts = elected('d');
  assert.equal(charts.role('d'), 'learner', 'it waits to be added');
  charts.change('a', { learners: ['d'] });
  charts.settle();
  assert.deepEqual(charts.configuration('d'), { ...simple('a', 'b', 'c'), learners: ids('d') });
  charts.propose('a', 'x');
  charts.settle();
  assert.deepEqual(charts.applied('d'), ['x']);
  charts.cut('a', 'b');
  charts.cut('a', 'c');
  charts.propose('a', 'y');
  charts.settle();
  assert.equal(charts.context('a').commit, charts.context('a').log.lastIndex - 1, 'a and d are no quorum');
  assert.equal(charts.context('d').log.lastIndex, charts.context('a').log.lastIndex);
  charts.crash('a');
  charts.crash('b');
  charts.crash('c');
  charts.advance(10 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('d'), 'learner');
});

test('a learner that is to join becomes a voter by itself when it holds all that is committed, through a joint configuration', () => {
  const charts = elected('d');
  for (let n = 0; n < 10; n++) charts.propose('a', `x${n}`);
  charts.settle();
  charts.cut('a', 'd');
  charts.change('a', { learners: ['d'], joining: ['d'] });
  charts.settle();
  assert.deepEqual(charts.configuration('a').joining, ids('d'), 'it holds nothing yet');
  charts.heal();
  charts.advance(2 * DEFAULTS.electionMaxMs);
  for (const name of ['a', 'b', 'c', 'd'])
    assert.deepEqual(charts.configuration(name), simple('a', 'b', 'c', 'd'), name);
  assert.equal(charts.role('d'), 'follower');
  assert.equal(charts.applied('d').length, 10);
  assert.equal(charts.context('a').configurations.length, 1, 'what is applied is forgotten but for the last');
});

test('a learner gets a snapshot and with it the configuration', () => {
  const charts = elected('d');
  charts.change('a', { learners: ['d'], joining: ['d'] });
  charts.isolate('d');
  for (let n = 0; n < 5; n++) charts.propose('a', `x${n}`);
  charts.settle();
  charts.compact('a', charts.context('a').applied);
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  charts.transfer();
  charts.settle();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.configuration('d'), simple('a', 'b', 'c', 'd'));
  assert.equal(charts.role('d'), 'follower');
  charts.restart('d');
  assert.equal(charts.role('d'), 'follower', 'also after a restart');
});

// ---------------------------------------------------------------- joint

test('while two configurations are joined both halves must commit, and both must elect', () => {
  const charts = createCharts(['a', 'b', 'c', 'd', 'e'], { founders: ['a', 'b', 'c'] });
  charts.elect('a');
  charts.settle();
  charts.change('a', { learners: ['d', 'e'] });
  charts.settle();
  for (const other of ['b', 'c']) charts.cut('a', other);
  charts.change('a', { voters: ['a', 'd', 'e'], learners: [] });
  const joint = charts.context('a').log.lastIndex;
  charts.settle();
  assert.equal(charts.context('a').commit, joint - 1, 'the new half has it, the old one has not');
  charts.heal();
  for (const other of ['d', 'e']) charts.cut('a', other);
  charts.beat('a');
  charts.skip(DEFAULTS.electionMinMs + 1);
  charts.beat('a');
  charts.settle();
  assert.ok(charts.context('b').log.lastIndex >= joint, 'the old half has it, too');
  assert.ok(charts.context('a').commit >= joint);
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.configuration('d'), simple('a', 'd', 'e'));
  assert.equal(charts.role('b'), 'removed');
  assert.equal(charts.role('c'), 'removed');
});

test('a joint configuration is ended by whoever leads when it is committed', () => {
  const charts = elected('d');
  charts.change('a', { learners: ['d'] });
  charts.settle();
  charts.change('a', { voters: ['a', 'b', 'd'], learners: [] });
  // The entry reaches b and d, nobody's answers come back, and a dies.
  charts.lose(({ type, to }) => type === 'appendReply' && to === 'a');
  charts.deliver();
  charts.sync('b');
  charts.sync('d');
  charts.crash('a');
  charts.heal();
  charts.elect('b');
  charts.advance(DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.configuration('b'), simple('a', 'b', 'd'));
  assert.deepEqual(charts.configuration('d'), simple('a', 'b', 'd'));
});

test('a joint configuration that was not committed is cut off with the rest, and forgotten', () => {
  const charts = elected('d');
  charts.change('a', { learners: ['d'] });
  charts.settle();
  charts.isolate('a');
  charts.change('a', { voters: ['a', 'd'], learners: [] });
  assert.deepEqual(charts.configuration('a').outgoing, ids('a', 'b', 'c'));
  charts.sync('a');
  charts.elect('b');
  charts.propose('b', 'x');
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.configuration('a'), { ...simple('a', 'b', 'c'), learners: ids('d') });
  assert.equal(charts.role('a'), 'follower');
});

test('one change at a time, from the configuration that its author knows, and not before an entry of the own term is committed', () => {
  const charts = elected('d', 'e');
  charts.isolate('a');
  charts.change('a', { learners: ['d'] });
  charts.change('a', { learners: ['d', 'e'] });
  assert.deepEqual(charts.member('a').refusals, ['busy']);
  charts.step('a', {
    type: 'changeMembership',
    ticket: 99,
    seen: 0,
    target: { voters: ids('a'), learners: [], joining: [] },
  });
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  charts.change('a', {});
  charts.change('a', { voters: [] });
  assert.deepEqual(charts.member('a').refusals, ['busy', 'moved', 'invalid', 'invalid']);
  charts.change('b', { learners: [] });
  assert.deepEqual(charts.member('b').refusals, ['notLeader']);

  const fresh = createCharts(['a', 'b', 'c']);
  fresh.expire('a');
  fresh.lose(({ type }) => type === 'append');
  fresh.settle();
  assert.equal(fresh.role('a'), 'leader');
  fresh.change('a', { voters: ['a', 'b'] });
  assert.deepEqual(fresh.member('a').refusals, ['busy'], 'its no-op is not committed');
});

// ---------------------------------------------------------------- removal

test('a leader that is removed replicates its own removal without counting itself, tells a successor, and goes [confchange_v1_remove_leader]', () => {
  const charts = elected();
  charts.change('a', { voters: ['b', 'c'] });
  charts.settle();
  assert.equal(charts.role('a'), 'removed');
  const successor = ['b', 'c'].find((name) => charts.role(name) === 'leader');
  assert.ok(successor, 'no silence was waited for');
  assert.deepEqual(charts.configuration(successor), simple('b', 'c'));
  charts.propose(successor, 'x');
  charts.settle();
  assert.deepEqual(charts.applied('b'), ['x']);
  assert.deepEqual(charts.applied('a'), [], 'nobody speaks to it any more');
});

test('a follower that is removed hears of it, and disturbs nobody afterwards', () => {
  const charts = elected();
  charts.change('a', { voters: ['a', 'b'] });
  charts.settle();
  assert.equal(charts.role('c'), 'removed');
  const { term } = charts.context('a');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('a'), 'leader');
  assert.equal(charts.context('a').term, term);
  // What is committed is not written down.
  charts.restart('c');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.equal(charts.context('a').term, term, 'also after a restart');
});

test('a member that was removed and is added again takes part again', () => {
  const charts = elected();
  charts.change('a', { voters: ['a', 'b'] });
  charts.settle();
  charts.change('a', { learners: ['c'], joining: ['c'] });
  charts.settle();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.configuration('c'), simple('a', 'b', 'c'));
  assert.equal(charts.role('c'), 'follower');
});

test('entries that waited commit as soon as the smaller quorum suffices [CommitAfterRemoveNode]', () => {
  const charts = createCharts(['a', 'b']);
  charts.elect('a');
  charts.settle();
  charts.change('a', { voters: ['a'] });
  // b takes the configurations, and nothing behind them.
  charts.lose((message) => message.type === 'append' && message.lastIndex > 3 && message.to === 'b');
  charts.propose('a', 'x');
  charts.settle();
  charts.advance(DEFAULTS.electionMinMs);
  assert.deepEqual(charts.applied('a'), ['x']);
});

test('the last but one voter can go, and the last one commits alone', () => {
  const charts = createCharts(['a', 'b']);
  charts.elect('a');
  charts.settle();
  charts.change('a', { voters: ['a'] });
  charts.settle();
  charts.crash('b');
  charts.propose('a', 'x');
  charts.settle();
  assert.deepEqual(charts.applied('a'), ['x']);
});

test.run();
