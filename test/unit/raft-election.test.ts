// Elections: who may lead, and when (dissertation §3.4, §3.6, §9.6; check-quorum §6.2). Names in brackets are the tests of
// etcd/raft and hashicorp/raft that show the same.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { Term } from '../../src/core/ids.ts';
import type { RaftMessage, Vote, VoteReply } from '../../src/machines/raft/messages.ts';
import { type Charts, createCharts, DEFAULTS, id, type UntimedEvent } from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];
const FIVE = ['a', 'b', 'c', 'd', 'e'];

const vote = (from: string, to: string, term: Term, lastIndex = 0, lastTerm = 0): Vote => ({
  type: 'vote',
  from: id(from),
  to: id(to),
  term,
  lastIndex,
  lastTerm,
});
const preVote = (from: string, to: string, term: Term, lastIndex = 0, lastTerm = 0): UntimedEvent => ({
  ...vote(from, to, term, lastIndex, lastTerm),
  type: 'preVote',
});
const heartbeat = (from: string, to: string, term: Term): UntimedEvent => ({
  type: 'heartbeat',
  from: id(from),
  to: id(to),
  term,
  commit: 0,
  round: 1,
});
const append = (from: string, to: string, term: Term): UntimedEvent => ({
  type: 'append',
  from: id(from),
  to: id(to),
  term,
  prevIndex: 0,
  prevTerm: 0,
  lastIndex: 0,
  runs: [],
  commit: 0,
  bytes: 0,
});
const granted = (charts: Charts): boolean | undefined =>
  charts.sent
    .filter(
      (message): message is VoteReply => message.type === 'voteReply' || (message.type as string) === 'preVoteReply',
    )
    .at(-1)?.granted;

/** Brings `a` into a role, at term 1 (leader, candidate) or 0. */
function inRole(charts: Charts, role: string): void {
  if (role === 'follower') return;
  charts.expire('a');
  if (role === 'candidate') charts.lose(({ type }) => type === 'vote');
  if (role !== 'preCandidate') charts.settle();
  charts.drop();
  charts.heal();
  assert.equal(charts.role('a'), role);
}
const ROLES = ['follower', 'preCandidate', 'candidate', 'leader'];

test('a majority of votes makes a leader, in one round, one term up: 1, 3, 5 members [LeaderElectionInOneRoundRPC]', () => {
  for (const names of [['a'], THREE, FIVE]) {
    const charts = createCharts(names);
    charts.elect('a');
    assert.equal(charts.context('a').term, 1);
    assert.deepEqual(charts.terms('a'), [1]);
    assert.equal(charts.state('a') instanceof Object && JSON.stringify(charts.state('a')), '{"leader":"serving"}');
  }
});

test('a majority of refusals makes a follower; with neither the election stays open', () => {
  const cases = [
    { members: THREE, grants: 0, refusals: 1, role: 'candidate' },
    { members: THREE, grants: 0, refusals: 2, role: 'follower' },
    { members: FIVE, grants: 1, refusals: 2, role: 'candidate' },
    { members: FIVE, grants: 1, refusals: 3, role: 'follower' },
    { members: FIVE, grants: 2, refusals: 2, role: 'leader' },
  ];
  for (const { members, grants, refusals, role } of cases) {
    const charts = createCharts(members);
    inRole(charts, 'candidate');
    const voters = members.slice(1);
    voters
      .slice(0, refusals)
      .forEach((from) => charts.step('a', { type: 'voteReply', from: id(from), to: id('a'), term: 1, granted: false }));
    voters
      .slice(refusals, refusals + grants)
      .forEach((from) => charts.step('a', { type: 'voteReply', from: id(from), to: id('a'), term: 1, granted: true }));
    assert.equal(charts.role('a'), role, `${grants} grants, ${refusals} refusals of ${members.length}`);
    assert.equal(charts.context('a').term, 1);
  }
});

test('a repeated answer counts once, a stranger’s and one of another term not at all', () => {
  const charts = createCharts(FIVE);
  inRole(charts, 'candidate');
  for (let times = 0; times < 3; times++)
    charts.step('a', { type: 'voteReply', from: id('b'), to: id('a'), term: 1, granted: true });
  charts.step('a', { type: 'voteReply', from: id('x'), to: id('a'), term: 1, granted: true });
  charts.step('a', { type: 'voteReply', from: id('c'), to: id('a'), term: 0, granted: true });
  assert.equal(charts.role('a'), 'candidate');
  charts.step('a', { type: 'voteReply', from: id('c'), to: id('a'), term: 1, granted: true });
  assert.equal(charts.role('a'), 'leader');
});

test('a message of a newer term makes a follower of that term, in any role [UpdateTermFromMessage]', () => {
  const newer: UntimedEvent[] = [
    append('b', 'a', 7),
    heartbeat('b', 'a', 7),
    { type: 'voteReply', from: id('b'), to: id('a'), term: 7, granted: false },
    { type: 'preVoteReply', from: id('b'), to: id('a'), term: 7, granted: false },
    { type: 'appendReply', from: id('b'), to: id('a'), term: 7, rejected: true, index: 0, hintIndex: 0, hintTerm: 0 },
    { type: 'heartbeatReply', from: id('b'), to: id('a'), term: 7, round: 1 },
  ];
  for (const role of ROLES) {
    for (const message of newer) {
      const charts = createCharts(THREE);
      inRole(charts, role);
      charts.step('a', message);
      assert.equal(charts.role('a'), 'follower', `${role} on ${message.type}`);
      const { term, votedFor, leader } = charts.context('a');
      const isLeaders = message.type === 'append' || message.type === 'heartbeat';
      assert.deepEqual(
        { term, votedFor, leader },
        { term: 7, votedFor: null, leader: isLeaders ? 'b' : null },
        `${role} on ${message.type}`,
      );
      charts.settle();
      assert.deepEqual(charts.member('a').disk.hard, { term: 7, votedFor: null });
    }
  }
});

test('a message of an older term changes nothing [RejectStaleTermMessage]', () => {
  for (const role of ROLES) {
    const charts = createCharts(THREE, { hard: { a: { term: 5, votedFor: null } } });
    inRole(charts, role);
    const before = charts.context('a');
    const stale: UntimedEvent[] = [
      append('b', 'a', 3),
      heartbeat('b', 'a', 3),
      vote('b', 'a', 3, 9, 9),
      { type: 'voteReply', from: id('b'), to: id('a'), term: 3, granted: true },
      { type: 'voteReply', from: id('c'), to: id('a'), term: 3, granted: true },
      { type: 'preVoteReply', from: id('b'), to: id('a'), term: 3, granted: true },
      { type: 'preVoteReply', from: id('c'), to: id('a'), term: 3, granted: false },
      {
        type: 'appendReply',
        from: id('b'),
        to: id('a'),
        term: 3,
        rejected: false,
        index: 1,
        hintIndex: 0,
        hintTerm: 0,
      },
      { type: 'heartbeatReply', from: id('b'), to: id('a'), term: 3, round: 9 },
    ];
    for (const message of stale) charts.step('a', message);
    assert.equal(charts.role('a'), role);
    assert.deepEqual(charts.context('a'), before, role);
  }
});

test('a leader and a candidate of an older term learn the newer one', () => {
  const told = [
    { message: append('b', 'a', 3), answer: 'appendReply' },
    { message: heartbeat('b', 'a', 3), answer: 'appendReply' },
    { message: vote('b', 'a', 3, 9, 9), answer: 'voteReply' },
    { message: preVote('b', 'a', 3, 9, 9), answer: 'preVoteReply' },
  ];
  for (const { message, answer } of told) {
    const charts = createCharts(THREE, { hard: { a: { term: 5, votedFor: null } } });
    charts.step('a', message);
    assert.deepEqual(
      charts.sent.map(({ type, term }) => ({ type, term })),
      [{ type: answer, term: 5 }],
    );
  }
});

test('one vote in a term: to the first who asks, again to the same, to nobody else [FollowerVote]', () => {
  const cases = [
    { votedFor: null, from: 'b', grants: true },
    { votedFor: 'b', from: 'b', grants: true },
    { votedFor: 'c', from: 'b', grants: false },
  ];
  for (const { votedFor, from, grants } of cases) {
    const charts = createCharts(THREE, { hard: { a: { term: 4, votedFor: votedFor === null ? null : id(votedFor) } } });
    charts.step('a', vote(from, 'a', 4));
    charts.settle();
    assert.equal(granted(charts), grants, `voted for ${votedFor}, ${from} asks`);
    assert.equal(charts.member('a').disk.hard.votedFor, votedFor ?? 'b');
  }
});

test('a vote gives its candidate a full timeout', () => {
  const charts = createCharts(THREE, { hard: { a: { term: 4, votedFor: null } } });
  charts.skip(charts.timerLeft('a') - 1);
  charts.step('a', vote('b', 'a', 4));
  assert.ok(charts.timerLeft('a') >= DEFAULTS.electionMinMs);
});

test('who knows the leader of the term has no vote left for another', () => {
  const charts = createCharts(THREE);
  charts.step('a', heartbeat('b', 'a', 4));
  charts.skip(DEFAULTS.electionMinMs);
  charts.step('a', vote('c', 'a', 4, 9, 4));
  charts.settle();
  assert.equal(granted(charts), false);
});

test('a vote goes only to a log that is at least as up to date: last term first, then length [Voter]', () => {
  const cases: { mine: Term[]; last: [index: number, term: Term]; grants: boolean }[] = [
    { mine: [1], last: [1, 1], grants: true },
    { mine: [1], last: [2, 1], grants: true },
    { mine: [1, 1], last: [1, 1], grants: false },
    { mine: [1], last: [1, 2], grants: true },
    { mine: [1, 1], last: [1, 2], grants: true },
    { mine: [2], last: [1, 1], grants: false },
    { mine: [2], last: [9, 1], grants: false },
    { mine: [1, 2], last: [2, 1], grants: false },
  ];
  for (const { mine, last, grants } of cases) {
    for (const ask of [vote, preVote]) {
      const charts = createCharts(THREE, { logs: { a: mine } });
      charts.step('a', ask('b', 'a', 3, ...last));
      charts.settle();
      assert.equal(granted(charts), grants, `${ask.name}: ${mine} against ${last}`);
    }
  }
});

test('a vote is durable before its answer leaves, and the candidate’s own before it asks', () => {
  const charts = createCharts(THREE);
  charts.expire('a');
  charts.deliver();
  charts.deliver();
  assert.equal(charts.role('a'), 'candidate');
  assert.equal(charts.sent.filter(({ type }) => type === 'vote').length, 0, 'the own vote is being written');
  charts.sync('a');
  assert.equal(charts.sent.filter(({ type }) => type === 'vote').length, 2);
  charts.deliver();
  assert.equal(charts.sent.filter(({ type }) => type === 'voteReply').length, 0, 'the votes are being written');
  charts.sync('b');
  assert.deepEqual(charts.member('b').disk.hard, { term: 1, votedFor: 'a' });
  assert.equal(charts.sent.filter(({ type }) => type === 'voteReply').length, 1);
});

test('candidates follow a leader of their term or a newer one [CandidateFallback]', () => {
  for (const message of [append, heartbeat]) {
    for (const role of ['preCandidate', 'candidate']) {
      for (const ahead of [0, 1]) {
        const charts = createCharts(THREE, { hard: { a: { term: 3, votedFor: null } } });
        inRole(charts, role);
        const term = charts.context('a').term + ahead;
        charts.step('a', message('b', 'a', term));
        assert.equal(charts.role('a'), 'follower');
        assert.deepEqual({ term: charts.context('a').term, leader: charts.context('a').leader }, { term, leader: 'b' });
        assert.ok(charts.timerLeft('a') >= DEFAULTS.electionMinMs, 'with a full timeout');
      }
    }
  }
});

test('election timeouts take every value in [min, max) and rarely coincide [ElectionTimeoutRandomized, Nonconflict]', () => {
  const bounds = { electionMinMs: 250, electionMaxMs: 260 };
  const seen = new Set<number>();
  for (let seed = 1; seed <= 500; seed++) seen.add(createCharts(['a', 'b'], { seed, options: bounds }).timerLeft('a'));
  assert.deepEqual([...seen].sort(), [250, 251, 252, 253, 254, 255, 256, 257, 258, 259]);

  let coincidences = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    const charts = createCharts(FIVE, { seed: seed * 5 });
    const timeouts = FIVE.map((name) => charts.timerLeft(name)).sort((x, y) => x - y);
    if (timeouts[0] === timeouts[1]) coincidences++;
  }
  assert.ok(coincidences < 50, `${coincidences} of 1000 rounds begin with a tie`);
});

test('each wait is drawn anew', () => {
  const charts = createCharts(THREE);
  charts.isolate('a');
  const waits = new Set<number>();
  for (let round = 0; round < 10; round++) {
    waits.add(charts.timerLeft('a'));
    charts.advance(charts.timerLeft('a'));
    assert.equal(charts.role('a'), 'preCandidate');
  }
  assert.ok(waits.size > 5);
});

test('cut off from its quorum, a member asks for ever and no term begins [LeaderElection with PreVote]', () => {
  const charts = createCharts(FIVE);
  for (const name of ['c', 'd', 'e']) charts.isolate(name);
  charts.advance(5_000);
  assert.equal(charts.leader(), undefined);
  for (const name of FIVE) assert.equal(charts.context(name).term, 0);
});

test('a request of a newer term is granted in every role but a leader’s; a pre-vote changes nothing [VoteFromAnyState]', () => {
  for (const role of ['follower', 'preCandidate', 'candidate']) {
    const charts = createCharts(THREE);
    inRole(charts, role);
    charts.step('a', vote('b', 'a', 7, 5, 5));
    assert.equal(charts.role('a'), 'follower');
    charts.settle();
    assert.equal(granted(charts), true);
    assert.deepEqual(charts.member('a').disk.hard, { term: 7, votedFor: 'b' });
    assert.ok(charts.timerLeft('a') >= DEFAULTS.electionMinMs, 'a vote gives its candidate time');

    const asked = createCharts(THREE);
    inRole(asked, role);
    const before = asked.context('a');
    asked.step('a', preVote('b', 'a', 7, 5, 5));
    assert.equal(granted(asked), true);
    assert.equal(asked.role('a'), role);
    assert.deepEqual(asked.context('a'), before);
  }
});

test('a vote in the own term makes a follower of a member that only asks for pre-votes', () => {
  const charts = createCharts(THREE, { hard: { a: { term: 3, votedFor: null } } });
  inRole(charts, 'preCandidate');
  charts.step('a', vote('b', 'a', 3, 5, 3));
  charts.settle();
  assert.equal(charts.role('a'), 'follower');
  assert.equal(granted(charts), true);
});

test('a leader refuses pre-votes and ignores votes of newer terms: it steps down by itself when a quorum is silent', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  const before = charts.sent.length;
  charts.step('a', preVote('b', 'a', 7, 9, 9));
  assert.deepEqual(
    charts.sent.slice(before).map((message) => message.type === 'preVoteReply' && message.granted),
    [false],
  );
  charts.step('a', vote('b', 'a', 7, 9, 9));
  charts.settle();
  assert.equal(charts.role('a'), 'leader');
  assert.equal(charts.context('a').term, 1);
  charts.step('a', vote('b', 'a', 1, 9, 9));
  charts.settle();
  assert.equal(granted(charts), false, 'in its own term it has voted for itself');
});

test('a member with a shorter log that comes back deposes nobody [DuelingPreCandidates, PreVoteAvoidElectionWithPartition]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.isolate('c');
  charts.propose('a', 'x');
  charts.settle();
  charts.advance(3_000);
  assert.equal(charts.role('c'), 'preCandidate');
  charts.heal();
  charts.advance(2_000);
  assert.equal(charts.role('a'), 'leader');
  for (const name of THREE) assert.equal(charts.context(name).term, 1, name);
  assert.deepEqual(charts.applied('c'), ['x']);
});

test('a member that hears nobody but is heard cannot topple the leader [DisruptiveFollower]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.cut('a', 'c');
  charts.cut('b', 'c');
  charts.advance(3_000);
  assert.equal(charts.role('a'), 'leader');
  assert.equal(charts.context('a').term, 1);
  assert.equal(charts.context('c').term, 1);
});

test('a late heartbeat finds a member that asks for pre-votes: it follows again, and the leader keeps its term [DisruptiveFollower with PreVote]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.beat('a');
  charts.deliver(({ to }) => to === 'b');
  charts.skip(DEFAULTS.electionMaxMs);
  charts.expire('c');
  charts.deliver(({ to }) => to === 'c');
  charts.settle();
  assert.equal(charts.role('c'), 'follower');
  assert.equal(charts.role('a'), 'leader');
  for (const name of THREE) assert.equal(charts.context(name).term, 1, name);
});

test('a leader that a quorum answers stays; one that nobody answers steps down within a timeout and two beats [LeaderStepdown]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.advance(2_000);
  assert.equal(charts.role('a'), 'leader');
  charts.isolate('c');
  charts.advance(2_000);
  assert.equal(charts.role('a'), 'leader', 'a quorum is left');
  charts.isolate('a');
  const cutAt = charts.at;
  while (charts.role('a') === 'leader' && charts.at < cutAt + 5_000) charts.advance(10);
  assert.ok(
    charts.at - cutAt <= DEFAULTS.electionMaxMs + 2 * DEFAULTS.heartbeatMs,
    `stepped down after ${charts.at - cutAt} ms`,
  );
  assert.equal(charts.context('a').leader, null);
  assert.equal(charts.context('a').leadership, null);
});

test('who heard the leader within the shortest timeout refuses votes and pre-votes; after it, not [LeaderSupersedingWithCheckQuorum]', () => {
  const cases = [
    { silence: DEFAULTS.electionMinMs - 1, grants: false },
    { silence: DEFAULTS.electionMinMs, grants: true },
  ];
  for (const { silence, grants } of cases) {
    const charts = createCharts(THREE);
    charts.step('a', heartbeat('b', 'a', 1));
    charts.skip(silence);
    charts.step('a', preVote('c', 'a', 2));
    assert.equal(granted(charts), grants, `pre-vote after ${silence} ms`);
    charts.step('a', vote('c', 'a', 2));
    charts.settle();
    assert.equal(charts.context('a').term, grants ? 2 : 1);
    assert.equal(charts.context('a').votedFor, grants ? 'c' : null);
  }
});

test('who hears a leader refuses the others, but not that leader: by asking it says that it leads no more [PreVote_ShouldRejectNonLeader, ShouldNotRejectLeader]', () => {
  for (const ask of [preVote, vote]) {
    for (const { from, grants } of [
      { from: 'b', grants: true },
      { from: 'c', grants: false },
    ]) {
      const charts = createCharts(THREE);
      charts.step('a', heartbeat('b', 'a', 1));
      charts.sent.length = 0;
      charts.step('a', ask(from, 'a', 2));
      charts.settle();
      assert.equal(granted(charts) ?? false, grants, `${ask.name} of ${from}`);
    }
  }
});

test('votes that are delayed for seconds: in each term one member alone sends entries, the one that was elected [SlowSendVote, SlowRecvVote]', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const charts = createCharts(FIVE, { seed: seed * 5 });
    const late: { readonly message: RaftMessage; readonly due: number }[] = [];
    // A vote takes one or two seconds; all else takes no time.
    charts.lose((message) => {
      if (message.type !== 'vote' && message.type !== 'voteReply') return false;
      late.push({ message, due: charts.at + 1_000 + ((seed * 7_919 + charts.sent.length * 104_729) % 1_000) });
      return true;
    });
    const senders = new Map<Term, Set<string>>();
    for (let round = 0; round < 400; round++) {
      charts.advance(25);
      for (const { message } of late.filter(({ due }) => due <= charts.at)) charts.step(message.to, message);
      late.splice(0, late.length, ...late.filter(({ due }) => due > charts.at));
    }
    for (const { type, term, from } of charts.sent)
      if (type === 'append') senders.set(term, (senders.get(term) ?? new Set()).add(from));
    for (const [term, names] of senders) assert.equal(names.size, 1, `term ${term}: ${[...names].join()}`);
  }
});

test('entries of a newer term that no quorum held may be overwritten by a leader of a still newer one [ElectionOverwriteNewerLogs]', () => {
  const charts = createCharts(FIVE, {
    logs: { a: [1], b: [1], c: [2], d: [1], e: [1] },
    hard: {
      a: { term: 1, votedFor: null },
      b: { term: 1, votedFor: null },
      c: { term: 2, votedFor: id('c') },
      d: { term: 2, votedFor: id('c') },
      e: { term: 2, votedFor: id('c') },
    },
  });
  charts.isolate('c');
  charts.elect('d');
  charts.heal();
  charts.advance(500);
  assert.equal(charts.leader(), 'd');
  for (const name of FIVE) assert.deepEqual(charts.terms(name), [1, 3], name);
});

test('a member of a lower term can still be elected: it learns the newer term from the refusals [NodeWithSmallerTermCanCompleteElection]', () => {
  const charts = createCharts(THREE, {
    logs: { a: [1, 1], b: [1, 1], c: [1] },
    hard: { c: { term: 9, votedFor: id('c') } },
  });
  charts.crash('b');
  charts.advance(3_000);
  assert.equal(charts.leader(), 'a', 'c, with the newest term, lacks an entry');
  assert.ok(charts.context('a').term > 9);
});

test('a candidate stuck in a newer term is set free: the leader learns the term and is elected anew [FreeStuckCandidateWithCheckQuorum]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.propose('a', 'x');
  charts.isolate('c');
  charts.settle();
  charts.crash('c');
  charts.member('c').disk.hard = { term: 8, votedFor: id('c') };
  charts.restart('c');
  charts.heal();
  charts.advance(3_000);
  assert.ok(charts.leader() === 'a' || charts.leader() === 'b');
  for (const name of THREE) assert.ok(charts.context(name).term > 8);
  assert.deepEqual(charts.applied('c'), ['x']);
});

test('a quorum of members that hear no leader may replace a live one [prevote_checkquorum]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.cut('a', 'b');
  charts.cut('a', 'c');
  charts.advance(3_000);
  assert.notEqual(charts.leader(), 'a');
  assert.ok(charts.leader() !== undefined);
});

test('a refusal by a newer term ends a pre-vote; a refusal of the own term counts, one of an older term does not', () => {
  const charts = createCharts(THREE, { hard: { a: { term: 5, votedFor: null } } });
  const refusal = (from: string, term: Term): UntimedEvent => ({
    type: 'preVoteReply',
    from: id(from),
    to: id('a'),
    term,
    granted: false,
  });
  inRole(charts, 'preCandidate');
  charts.step('a', refusal('b', 5));
  charts.step('a', refusal('c', 4));
  assert.equal(charts.role('a'), 'preCandidate');
  charts.step('a', refusal('c', 5));
  assert.equal(charts.role('a'), 'follower');
  assert.ok(charts.timerLeft('a') >= DEFAULTS.electionMinMs);
});

test('a pre-vote is won only by answers to the term that was asked for', () => {
  const charts = createCharts(THREE, { hard: { a: { term: 5, votedFor: null } } });
  inRole(charts, 'preCandidate');
  charts.step('a', { type: 'preVoteReply', from: id('b'), to: id('a'), term: 5, granted: true });
  charts.step('a', { type: 'preVoteReply', from: id('b'), to: id('a'), term: 7, granted: true });
  assert.equal(charts.role('a'), 'preCandidate');
  charts.step('a', { type: 'preVoteReply', from: id('b'), to: id('a'), term: 6, granted: true });
  assert.equal(charts.role('a'), 'candidate');
  assert.equal(charts.context('a').term, 6);
});

test('a split vote is resolved after another timeout', () => {
  const charts = createCharts(['a', 'b', 'c', 'd']);
  charts.expire('a');
  charts.expire('b');
  charts.deliver();
  charts.advance(3_000);
  assert.ok(charts.leader() !== undefined);
});

test('a candidate whose election stays open asks for pre-votes again', () => {
  const charts = createCharts(THREE);
  inRole(charts, 'candidate');
  charts.isolate('a');
  charts.advance(DEFAULTS.electionMaxMs);
  assert.equal(charts.role('a'), 'preCandidate');
  assert.equal(charts.context('a').term, 1);
});

test('heartbeats do not start the timer anew; when it fires it waits for what is left, in whole milliseconds', () => {
  const charts = createCharts(THREE);
  charts.step('a', heartbeat('b', 'a', 1));
  const electionTimeout = charts.context('a').timer.timeout;
  const began = charts.at;
  charts.skip(100.25);
  charts.step('a', heartbeat('b', 'a', 1));
  assert.equal(charts.timerLeft('a'), electionTimeout - 100.25);
  charts.isolate('a');
  charts.advance(electionTimeout - 100.25);
  assert.equal(charts.role('a'), 'follower');
  assert.equal(charts.timerLeft('a'), 101);
  charts.advance(100);
  assert.equal(charts.role('a'), 'follower');
  charts.advance(1);
  assert.equal(charts.role('a'), 'preCandidate');
  assert.ok(charts.at - began - 100.25 >= electionTimeout, 'silent for a whole timeout');
});

test('two leaders in one term end the process: everything rests on there being one', () => {
  const charts = createCharts(THREE);
  charts.step('c', heartbeat('a', 'c', 1));
  assert.throws(() => charts.step('c', heartbeat('b', 'c', 1)), /two leaders: a and b/);
  const follower = createCharts(THREE);
  follower.step('c', append('a', 'c', 1));
  assert.throws(() => follower.step('c', append('b', 'c', 1)), /two leaders/);
  const leader = createCharts(THREE);
  leader.elect('a');
  assert.throws(() => leader.step('a', append('b', 'a', 1)), /two leaders: a, and who sent append/);
  assert.throws(() => leader.step('a', heartbeat('b', 'a', 1)), /two leaders: a, and who sent heartbeat/);
});

test('two members that ask each other at the same moment do not split the vote: the smaller id goes first', () => {
  const charts = createCharts(THREE);
  charts.isolate('c');
  charts.expire('b');
  charts.step('a', { type: 'xstate.after.electionTimeout.raft.follower' } as unknown as UntimedEvent);
  assert.deepEqual([charts.role('a'), charts.role('b')], ['preCandidate', 'preCandidate']);
  charts.settle();
  assert.deepEqual([charts.role('a'), charts.role('b')], ['leader', 'follower']);
  assert.equal(charts.context('b').term, 1);
});

test('it goes first only while it has just asked, with an equal log, for the same term', () => {
  const cases = [
    { from: 'b', term: 4, last: [1, 3], wait: 0, grants: false },
    { from: 'b', term: 4, last: [1, 3], wait: DEFAULTS.heartbeatMs - 1, grants: false },
    { from: 'b', term: 4, last: [1, 3], wait: DEFAULTS.heartbeatMs, grants: true },
    { from: 'b', term: 5, last: [1, 3], wait: 0, grants: true },
    { from: 'b', term: 4, last: [2, 3], wait: 0, grants: true },
    { from: 'b', term: 4, last: [1, 4], wait: 0, grants: true },
    { from: 'A', term: 4, last: [1, 3], wait: 0, grants: true },
  ] as const;
  for (const { from, term, last, wait, grants } of cases) {
    const charts = createCharts(['a', 'b', 'c', 'A'], { logs: { a: [3] } });
    inRole(charts, 'preCandidate');
    charts.skip(wait);
    charts.step('a', preVote(from, 'a', term, ...last));
    assert.equal(granted(charts), grants, `${from} asks for ${term} with ${last} after ${wait} ms`);
  }
});

// ---------------------------------------------------------------- a closed connection as a hint

test('a closed connection from the leader leads to an election within milliseconds', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.advance(200);
  charts.crash('a');
  const crashedAt = charts.at;
  charts.step('b', { type: 'peer.closed', peer: id('a') });
  charts.step('c', { type: 'peer.closed', peer: id('a') });
  assert.ok(charts.timerLeft('b') <= 20 && charts.timerLeft('c') <= 20);
  while (charts.leader() === undefined && charts.at < crashedAt + 1_000) charts.advance(1);
  assert.ok(charts.at - crashedAt <= 21, `a new leader after ${charts.at - crashedAt} ms`);
});

test('a voter whose own link stands refuses, and grants when its link closes within a heartbeat interval', () => {
  for (const { wait, answers } of [
    { wait: DEFAULTS.heartbeatMs, answers: 1 },
    { wait: DEFAULTS.heartbeatMs + 1, answers: 0 },
  ]) {
    const charts = createCharts(THREE);
    charts.elect('a');
    charts.crash('a');
    charts.step('b', preVote('c', 'b', 2, 1, 1));
    assert.equal(granted(charts), false);
    charts.skip(wait);
    const before = charts.sent.length;
    charts.step('b', { type: 'peer.closed', peer: id('a') });
    assert.equal(
      charts.sent.slice(before).filter((message) => message.type === 'preVoteReply' && message.granted).length,
      answers,
    );
  }
});

test('a closed connection counts only when it is the leader’s, and only when the hint is on', () => {
  const other = createCharts(THREE);
  other.elect('a');
  other.step('b', { type: 'peer.closed', peer: id('c') });
  assert.equal(other.context('b').leader, 'a');

  const off = createCharts(THREE, { options: { closedConnectionHint: false } });
  off.elect('a');
  off.step('b', { type: 'peer.closed', peer: id('a') });
  assert.equal(off.context('b').leader, 'a');
  assert.ok(off.timerLeft('b') > 20);
});

test('a leader that only lost one connection keeps its place', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.advance(200);
  charts.cut('a', 'b');
  charts.step('b', { type: 'peer.closed', peer: id('a') });
  charts.advance(40);
  charts.heal();
  charts.step('a', { type: 'peer.opened', peer: id('b') });
  charts.advance(1_000);
  assert.equal(charts.role('a'), 'leader');
  assert.equal(charts.context('b').leader, 'a');
  assert.equal(charts.context('b').term, 1);
});

test('a heartbeat that comes after the hint takes it back', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.step('b', { type: 'peer.closed', peer: id('a') });
  charts.step('b', heartbeat('a', 'b', 1));
  charts.advance(30);
  assert.equal(charts.role('b'), 'follower');
  assert.equal(charts.context('b').leader, 'a');
});

test.run();
