// Beats and timers with what the links know: brokers vouch for their members, and silence of one's own making is none.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createCharts, DEFAULTS, id } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];
const NEVER = Number.NEGATIVE_INFINITY;

function elected() {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.sent.length = 0;
  return charts;
}
const to = (charts: ReturnType<typeof elected>) =>
  charts.sent.filter(({ type }) => type === 'heartbeat').map((message) => message.to);

test('who is vouched for gets no heartbeat', () => {
  const charts = elected();
  charts.step('a', { type: 'beat', vouched: { b: { at: charts.at, now: true } } });
  assert.deepEqual(to(charts), ['c']);
  charts.step('a', { type: 'beat', vouched: { b: { at: charts.at, now: false }, c: { at: charts.at, now: true } } });
  assert.deepEqual(to(charts), ['c', 'b']);
});

test('while a read waits every follower is asked, vouched for or not', () => {
  const charts = elected();
  const read = charts.read('a');
  charts.drop();
  charts.sent.length = 0;
  const now = { at: charts.at, now: true };
  charts.step('a', { type: 'beat', vouched: { b: now, c: now } });
  assert.deepEqual(to(charts), ['b', 'c']);
  charts.settle();
  assert.equal(charts.member('a').readAnswers.get(read), 1);
});

test('what brokers say keeps a leader, as heartbeats would', () => {
  const charts = elected();
  for (let beat = 0; beat < 40; beat++) {
    charts.skip(DEFAULTS.heartbeatMs);
    const said = { at: charts.at - DEFAULTS.heartbeatMs, now: true };
    charts.step('a', { type: 'beat', vouched: { b: said } });
    charts.drop();
    assert.equal(charts.role('a'), 'leader');
  }
  charts.skip(DEFAULTS.electionMaxMs + 1);
  charts.step('a', { type: 'beat' });
  assert.equal(charts.role('a'), 'follower');
});

test('an old word does not keep a leader', () => {
  const charts = elected();
  const said = { at: charts.at, now: false };
  charts.skip(DEFAULTS.electionMaxMs + 1);
  charts.step('a', { type: 'beat', vouched: { b: said, c: said } });
  assert.equal(charts.role('a'), 'follower');
});

test('a leader that stood still does not count that as its followers’ silence', () => {
  const charts = elected();
  charts.skip(3_000);
  charts.step('a', { type: 'beat', stalledMs: 2_900 });
  assert.equal(charts.role('a'), 'leader');
  charts.skip(DEFAULTS.electionMaxMs);
  charts.step('a', { type: 'beat' });
  assert.equal(charts.role('a'), 'follower', 'but nobody has answered since');
});

test('where silences are long, a leader waits as long', () => {
  const charts = elected();
  charts.skip(DEFAULTS.electionMaxMs + 100);
  charts.step('a', { type: 'beat', patience: DEFAULTS.electionMaxMs + 200 });
  assert.equal(charts.role('a'), 'leader');
  charts.step('a', { type: 'beat', patience: 100 });
  assert.equal(charts.role('a'), 'follower');
});

test('entries that a vouched follower does not answer are sent again', () => {
  const charts = elected();
  charts.settle();
  charts.propose('a', 'x');
  charts.drop();
  charts.skip(DEFAULTS.electionMinMs + 1);
  const now = { at: charts.at, now: true };
  charts.step('a', { type: 'beat', vouched: { b: now, c: now } });
  charts.settle();
  assert.deepEqual(charts.applied('a'), ['x']);
  charts.beat('a');
  charts.settle();
  assert.deepEqual(charts.applied('b'), ['x']);
});

test('a follower’s timer waits on when its link has heard the leader', () => {
  const charts = elected();
  charts.settle();
  const { timer } = charts.member('b');
  assert.ok(timer);
  charts.skip(DEFAULTS.electionMaxMs);
  const fire = (link: { heardAt: number; patience: number }) =>
    // The timer's event, whose name only xstate knows.
    charts.step('b', { type: timer.type, link: { ...link, watched: false } } as unknown as Parameters<
      typeof charts.step
    >[1]);
  fire({ heardAt: charts.at - 50, patience: 0 });
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.timerLeft('b'), charts.context('b').timer.timeout - 50);
  charts.skip(charts.timerLeft('b'));
  fire({ heardAt: charts.at - charts.context('b').timer.timeout, patience: DEFAULTS.electionMinMs + 100 });
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.timerLeft('b'), 100, 'silences of that length are usual');
  charts.skip(100);
  fire({ heardAt: charts.at - charts.context('b').timer.timeout - 100, patience: DEFAULTS.electionMinMs + 100 });
  assert.equal(charts.role('b'), 'preCandidate');
});

test('a follower’s timer does not ask again and again while its link watches the leader, and is told when it does so no more', () => {
  const charts = elected();
  charts.settle();
  const { timer } = charts.member('b');
  assert.ok(timer);
  charts.skip(DEFAULTS.electionMinMs);
  const heard = { heardAt: charts.at - 30, patience: 0 };
  charts.step('b', { type: timer.type, link: { ...heard, watched: true } } as unknown as Parameters<
    typeof charts.step
  >[1]);
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.timerLeft('b'), 16 * DEFAULTS.electionMaxMs);
  charts.skip(100);
  charts.step('b', { type: 'link.silent', vouchedUntil: NEVER, link: { ...heard, watched: false } });
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.timerLeft('b'), charts.context('b').timer.timeout - 130);
});

test('what its link vouched for counts as heard when the link is gone: a flap costs neither a pre-vote nor a refusal', () => {
  const charts = elected();
  charts.settle();
  const heardAt = charts.at + 60_000;
  charts.skip(60_040);
  const gone = { heardAt: charts.context('b').heardAt, patience: 0, watched: false };
  charts.step('b', { type: 'link.silent', vouchedUntil: heardAt, link: gone });
  assert.equal(charts.timerLeft('b'), charts.context('b').timer.timeout - 40, 'the rest of its timeout');
  charts.sent.length = 0;
  const request = { type: 'preVote', from: id('c'), to: id('b'), term: 2, lastIndex: 9, lastTerm: 1 } as const;
  charts.step('b', { ...request, link: gone });
  charts.skip(DEFAULTS.electionMinMs - 40);
  charts.step('b', { ...request, link: gone });
  assert.deepEqual(
    charts.sent.map((message) => message.type === 'preVoteReply' && message.granted),
    [false, true],
  );
});

test('what its link vouched for binds a learner, and a member that was removed, when the link is gone: others may count their votes', () => {
  for (const [role, change] of [
    ['learner', { voters: ['a', 'b', 'c'], learners: ['d'] }],
    ['removed', { voters: ['a', 'b', 'c'] }],
  ] as const) {
    const charts = createCharts(['a', 'b', 'c', 'd'], { options: { leaseReads: true, closedConnectionHint: false } });
    charts.elect('a');
    charts.settle();
    charts.change('a', change);
    charts.settle();
    assert.equal(charts.role('d'), role);
    const { heardAt, timer, term } = charts.context('d');
    charts.skip(60_000);
    const vouchedUntil = charts.at - 40;
    const gone = { heardAt, patience: 0, watched: false };
    charts.step('d', { type: 'link.silent', vouchedUntil, link: gone });
    assert.equal(charts.context('d').timer, timer, 'it waits for nobody');
    const { lastIndex } = charts.context('b').log;
    const request = { type: 'vote', from: id('c'), to: id('d'), term: term + 1, lastIndex, lastTerm: term } as const;
    charts.step('d', { ...request, link: gone });
    assert.equal(charts.context('d').term, term, `${role}: the leader's lease may rest on what it said`);
    charts.skip(DEFAULTS.electionMinMs - 40);
    charts.step('d', { ...request, link: gone });
    assert.equal(charts.context('d').votedFor, 'c', role);
  }
});

test('a learner, and a member that was removed, whose leader has closed its connection, vote at once', () => {
  for (const change of [{ voters: ['a', 'b', 'c'], learners: ['d'] }, { voters: ['a', 'b', 'c'] }]) {
    const charts = createCharts(['a', 'b', 'c', 'd']);
    charts.elect('a');
    charts.settle();
    charts.change('a', change);
    charts.settle();
    charts.beat('a');
    charts.settle();
    const { term, timer } = charts.context('d');
    charts.step('d', { type: 'peer.closed', peer: id('b') });
    assert.equal(charts.context('d').leader, 'a', 'that was another');
    charts.step('d', { type: 'peer.closed', peer: id('a') });
    assert.deepEqual([charts.context('d').leader, charts.context('d').timer], [null, timer]);
    const { lastIndex } = charts.context('b').log;
    charts.step('d', { type: 'vote', from: id('c'), to: id('d'), term: term + 1, lastIndex, lastTerm: term });
    assert.equal(charts.context('d').votedFor, 'c');
  }
});

test('a leader that vouches for itself no more is not waited for, and not all ask at one moment', () => {
  const waits = ['b', 'c'].map((follower) => {
    const charts = elected();
    charts.settle();
    charts.skip(60_000);
    const link = { heardAt: charts.context(follower).heardAt, patience: 0, watched: false };
    charts.step(follower, { type: 'link.silent', vouchedUntil: NEVER, link });
    assert.equal(charts.role(follower), 'follower');
    return charts.timerLeft(follower);
  });
  assert.ok(Math.max(...waits) <= 20, `${waits} ms`);
  assert.notEqual(waits[0], waits[1]);
});

test('whose link hears the leader grants nobody a vote', () => {
  const charts = elected();
  charts.settle();
  charts.skip(DEFAULTS.electionMaxMs);
  const request = { from: id('c'), to: id('b'), term: 2, lastIndex: 9, lastTerm: 1 };
  charts.sent.length = 0;
  charts.step('b', { type: 'preVote', ...request, link: { heardAt: charts.at - 10, patience: 0, watched: false } });
  charts.step('b', { type: 'vote', ...request, link: { heardAt: charts.at - 10, patience: 0, watched: false } });
  assert.deepEqual(
    charts.sent.map((message) => message.type === 'preVoteReply' && message.granted),
    [false],
  );
  assert.equal(charts.context('b').term, 1);
  charts.step('b', { type: 'preVote', ...request, link: { heardAt: charts.at - 300, patience: 400, watched: false } });
  assert.equal(charts.sent.length, 2);
  assert.equal(charts.sent[1]?.type === 'preVoteReply' && charts.sent[1].granted, false, 'such silences are usual');
  charts.step('b', { type: 'preVote', ...request, link: { heardAt: charts.at - 300, patience: 0, watched: false } });
  assert.equal(charts.sent[2]?.type === 'preVoteReply' && charts.sent[2].granted, true);
});

test.run();
