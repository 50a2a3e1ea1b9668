// Members whose disks lost what they had acknowledged: they do not vote, and do not count, until a leader vouches for them.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { RaftMessage } from '../../src/machines/raft/messages.ts';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];

function elected() {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.settle();
  charts.propose('a', 'x');
  charts.settle();
  return charts;
}

test('a wiped member is sent everything, vouched for, and takes part again', () => {
  const charts = elected();
  charts.restartUncertain('b');
  assert.equal(charts.role('b'), 'storageUncertain');
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.member('b').disk.sound, true, 'durably');
  assert.deepEqual(charts.applied('b'), ['x']);
  assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null);
  charts.crash('c');
  charts.propose('a', 'y');
  charts.settle();
  assert.deepEqual(charts.applied('b'), ['x', 'y'], 'it counts again');
  charts.restart('b');
  assert.equal(charts.role('b'), 'follower');
});

test('nobody goes while too few are left who could vouch for it', () => {
  const charts = elected();
  charts.isolate('b');
  charts.restartUncertain('c');
  charts.advance(3 * DEFAULTS.heartbeatMs);
  assert.notEqual(charts.context('a').leadership?.progress['c']?.doubt ?? null, null, 'a has heard of it');
  charts.change('a', { voters: [id('a'), id('c')] });
  assert.deepEqual(charts.member('a').refusals, ['busy'], 'a alone is no majority of a and c');
  charts.heal();
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('c'), 'follower');
  const leader = charts.leader() ?? 'a';
  charts.change(leader, { voters: [id('a'), id('c')] });
  charts.settle();
  assert.deepEqual(charts.configuration(leader).voters, [id('a'), id('c')]);
});

test('it votes for nobody, however good the reason, and asks for no votes', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.crash('a');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'storageUncertain');
  assert.notEqual(charts.role('c'), 'leader', 'c alone is no quorum');
  charts.step('b', { type: 'vote', from: id('c'), to: id('b'), term: 99, lastIndex: 99, lastTerm: 98 });
  charts.step('b', { type: 'vote', from: id('c'), to: id('b'), term: 99, lastIndex: 99, lastTerm: 98, transfer: true });
  charts.step('b', { type: 'timeoutNow', from: id('c'), to: id('b'), term: 98 });
  charts.sync('b');
  assert.ok(!charts.waiting().some(({ from, type }) => from === 'b' && /vote/i.test(type)));
  charts.restart('a');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.ok(charts.leader(), 'a is back');
  assert.equal(charts.role('b'), 'follower');
});

test('what only it acknowledged besides the leader is not lost: without the leader nobody is elected', () => {
  const charts = elected();
  charts.isolate('c');
  charts.propose('a', 'only at a and b');
  charts.settle();
  assert.deepEqual(charts.applied('a'), ['x', 'only at a and b']);
  charts.restartUncertain('b', 2);
  charts.crash('a');
  charts.heal();
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.equal(charts.leader(), undefined);
  charts.restart('a');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.deepEqual(charts.applied('c'), ['x', 'only at a and b']);
});

test('nothing that it says counts: no commit, no round, no silence broken', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.isolate('c');
  charts.beat('a');
  charts.settle();
  charts.propose('a', 'y');
  const read = charts.read('a');
  charts.settle();
  assert.equal(charts.applied('a').includes('y'), false);
  assert.equal(charts.member('a').readAnswers.has(read), false);
  assert.equal(charts.role('b'), 'storageUncertain', 'c has not committed what b needs');
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.notEqual(charts.role('a'), 'leader', 'a quorum was silent');
});

test('it is vouched for by an entry that was appended after its restart, held by it, and committed without it', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.beat('a');
  charts.deliver();
  charts.deliver();
  const doubt = charts.context('a').leadership?.progress['b']?.doubt;
  assert.equal(doubt?.index, charts.context('a').log.lastIndex, 'an empty entry, just appended');
  const isForC = ({ to, type }: RaftMessage) => to === 'c' && type === 'append';
  charts.lose(isForC);
  charts.drop(isForC);
  charts.settle();
  assert.equal(charts.context('b').durable >= (doubt?.index ?? 0), true, 'b holds it');
  assert.equal(charts.role('b'), 'storageUncertain', 'it is not committed');
  charts.heal();
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
});

test('a word for an earlier run of its process, or of an older term, is not meant for it', () => {
  const charts = elected();
  charts.restartUncertain('b');
  const { boot } = charts.context('b').options;
  charts.lose(({ type }) => type === 'vouch');
  charts.advance(DEFAULTS.electionMinMs);
  const index = charts.context('b').durable;
  const vouch = (change: object) =>
    charts.step('b', { type: 'vouch', from: id('a'), to: id('b'), term: 1, boot, index, ...change });
  vouch({ boot: boot + 1 });
  vouch({ index: index + 1 });
  vouch({ term: 0 });
  assert.equal(charts.role('b'), 'storageUncertain');
  vouch({});
  assert.equal(charts.role('b'), 'follower');
});

test('it is vouched for, too, when what it needs has left its log, or came in a snapshot', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.lose(({ type }) => type === 'vouch');
  charts.advance(DEFAULTS.electionMinMs);
  const needed = charts.context('a').leadership?.progress['b']?.doubt?.index ?? 0;
  for (const data of ['y', 'z']) {
    charts.propose('a', data);
    charts.settle();
  }
  charts.compact('b', charts.context('b').applied);
  assert.equal(charts.context('b').log.firstIndex - 1 > needed, true);
  assert.equal(charts.role('b'), 'storageUncertain');
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
});

test('lost words and answers are said again; old answers of the member do not count in between', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.lose(({ type }) => type === 'vouchReply');
  charts.advance(DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
  assert.notEqual(charts.context('a').leadership?.progress['b']?.doubt, null);
  charts.step('a', {
    type: 'appendReply',
    from: id('b'),
    to: id('a'),
    term: 1,
    rejected: false,
    index: 2,
    hintIndex: 0,
    hintTerm: 0,
  });
  assert.notEqual(charts.context('a').leadership?.progress['b']?.doubt, null);
  charts.heal();
  charts.advance(DEFAULTS.electionMaxMs);
  assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null);
});

test('a doubt that comes late, when the member was vouched for already, passes by itself', () => {
  for (const isLost of [false, true]) {
    const charts = elected();
    charts.restartUncertain('b');
    const { boot } = charts.context('b').options;
    charts.advance(2 * DEFAULTS.electionMaxMs);
    assert.equal(charts.role('b'), 'follower');
    assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null);
    const answer = { type: 'appendReply', from: id('b'), to: id('a'), term: 1, rejected: false } as const;
    charts.step('a', { ...answer, index: 2, hintIndex: 0, hintTerm: 0, uncertain: boot });
    assert.notEqual(charts.context('a').leadership?.progress['b']?.doubt, null);
    if (isLost) charts.lose(({ type, to }) => type === 'append' && to === 'b');
    charts.settle();
    charts.heal();
    charts.advance(2 * DEFAULTS.electionMaxMs);
    assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null, isLost ? 'the entry was lost' : '');
    charts.crash('c');
    charts.propose('a', 'y');
    charts.settle();
    assert.deepEqual(charts.applied('b'), ['x', 'y'], 'it counts');
  }
});

/** b is sound again, and hears nothing more; `boot` names the doubt that is over. */
function vouchedAndCutOff() {
  const charts = elected();
  charts.restartUncertain('b');
  const { boot } = charts.context('b').options;
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
  charts.isolate('b');
  return { charts, boot };
}

test('a doubt that comes late passes by itself, however far the member is behind by then', () => {
  for (const count of [3, 700]) {
    const { charts, boot } = vouchedAndCutOff();
    for (let n = 0; n < count; n++) charts.propose('a', `${n}`);
    charts.settle();
    const answer = { type: 'appendReply', from: id('b'), to: id('a'), term: 1, rejected: false } as const;
    charts.step('a', { ...answer, index: 2, hintIndex: 0, hintTerm: 0, uncertain: boot });
    charts.settle();
    charts.heal();
    charts.advance(4 * DEFAULTS.electionMaxMs);
    assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null, `${count} entries behind`);
    assert.equal(charts.applied('b').length, count + 1);
  }
});

for (const silentMs of [0, 3 * DEFAULTS.electionMaxMs])
  test(`a doubt that comes late passes by itself, also when a snapshot brings the member to where the log begins, ${silentMs} ms later`, () => {
    const { charts, boot } = vouchedAndCutOff();
    for (let n = 0; n < 5; n++) charts.propose('a', `${n}`);
    charts.settle();
    charts.compact('a', charts.context('a').applied);
    const answer = { type: 'appendReply', from: id('b'), to: id('a'), term: 1, rejected: false } as const;
    charts.step('a', { ...answer, index: 2, hintIndex: 0, hintTerm: 0, uncertain: boot });
    charts.settle();
    const doubt = charts.context('a').leadership?.progress['b']?.doubt;
    assert.ok(doubt);
    // The entry that ends the doubt is behind the snapshot: whoever holds only that is sent it.
    assert.ok(doubt.index > charts.context('a').log.firstIndex - 1);
    charts.advance(silentMs);
    charts.heal();
    charts.advance(DEFAULTS.electionMaxMs);
    assert.equal(charts.transfers.length, 1);
    charts.transfer();
    charts.settle();
    charts.advance(DEFAULTS.electionMaxMs);
    assert.equal(charts.context('a').leadership?.progress['b']?.doubt, null);
    assert.equal(charts.transfers.length, 0, 'one is enough');
    assert.equal(charts.applied('b').length, 6);
  });

test('one that is wiped again before it was vouched for begins anew', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.lose(({ type }) => type === 'vouch');
  charts.advance(DEFAULTS.electionMinMs);
  const first = charts.context('a').leadership?.progress['b']?.doubt;
  charts.restartUncertain('b');
  charts.heal();
  charts.beat('a');
  charts.settle();
  const second = charts.context('a').leadership?.progress['b']?.doubt;
  assert.ok(second === null || (first && second && second.boot !== first.boot && second.index > first.index));
  charts.advance(2 * DEFAULTS.electionMaxMs);
  assert.equal(charts.role('b'), 'follower');
});

test('founders that only begin have nothing to doubt', () => {
  const charts = createCharts(THREE);
  for (const name of THREE) charts.restartUncertain(name);
  charts.advance(5 * DEFAULTS.electionMaxMs);
  assert.equal(charts.leader(), undefined);
  for (const name of THREE) charts.step(name, { type: 'trusted' });
  charts.settle();
  assert.equal(charts.member('a').disk.sound, true, 'durably');
  charts.elect('a');
});

test('leadership is not handed to one in doubt', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.lose(({ type }) => type === 'vouch');
  charts.advance(DEFAULTS.electionMinMs);
  charts.handOver('a', 'b');
  assert.deepEqual(charts.member('a').refusals, ['notVoter']);
});

test('when too many have lost their disks the group stays without a leader rather than lose data', () => {
  const charts = elected();
  charts.restartUncertain('b');
  charts.restartUncertain('c');
  charts.advance(20 * DEFAULTS.electionMaxMs);
  assert.equal(charts.leader(), undefined);
});

test.run();
