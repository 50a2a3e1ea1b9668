// Replication, the commit rule and flow control (dissertation §3.5, §3.6, §10.2.1). Names in brackets are the tests of etcd/raft that
// show the same.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { Term } from '../../src/core/ids.ts';
import type { Append, AppendReply, RaftMessage } from '../../src/machines/raft/messages.ts';
import {
  type Charts,
  createCharts,
  DEFAULTS,
  type Entry,
  id,
  runsOf,
  type UntimedEvent,
} from '../support/raft-charts.ts';

const THREE = ['a', 'b', 'c'];
const FIVE = ['a', 'b', 'c', 'd', 'e'];

const isAppend = (message: RaftMessage): message is Append => message.type === 'append';
const isAnswer = (message: RaftMessage): message is AppendReply => message.type === 'appendReply';

function elected(names: readonly string[] = THREE, options = {}): Charts {
  const charts = createCharts(names, { options });
  charts.elect('a');
  charts.sent.length = 0;
  return charts;
}

/** A message of leader b at `term` to a follower a, with entries of the given terms behind (prevIndex, prevTerm). */
function append(
  term: Term,
  [prevIndex, prevTerm]: readonly [number, Term],
  terms: readonly Term[],
  commit = 0,
): { message: UntimedEvent & Append; entries: Entry[] } {
  const lastIndex = prevIndex + terms.length;
  const runs = runsOf(terms, prevIndex + 1);
  const message = {
    type: 'append',
    from: id('b'),
    to: id('a'),
    term,
    prevIndex,
    prevTerm,
    lastIndex,
    runs,
    commit,
    bytes: 0,
  } as const;
  return { message, entries: terms.map((of, at) => ({ term: of, data: `${prevIndex + 1 + at}@${of}` })) };
}

const answer = (charts: Charts, from: string, index: number, fields: Partial<AppendReply> = {}): void =>
  charts.step('a', {
    type: 'appendReply',
    from: id(from),
    to: id('a'),
    term: charts.context('a').term,
    rejected: false,
    index,
    hintIndex: 0,
    hintTerm: 0,
    ...fields,
  });

// ---------------------------------------------------------------- the leader sends

test('a proposal goes to all at once, beside the own write, and commits with a majority’s answers [LeaderStartReplication]', () => {
  const charts = elected();
  charts.propose('a', 'x');
  assert.deepEqual(
    charts.sent
      .filter(isAppend)
      .map(({ to, prevIndex, prevTerm, lastIndex, commit }) => ({ to, prevIndex, prevTerm, lastIndex, commit })),
    ['b', 'c'].map((to) => ({ to, prevIndex: 1, prevTerm: 1, lastIndex: 2, commit: 1 })),
  );
  assert.equal(charts.context('a').durable, 1, 'the own write is under way');
  assert.equal(charts.context('a').commit, 1);
  charts.settle();
  assert.equal(charts.context('a').commit, 2);
  for (const name of THREE) {
    assert.deepEqual(charts.applied(name), ['x'], name);
    assert.equal(charts.context(name).applied, 2);
  }
});

test('a follower answers only what is durable', () => {
  const charts = elected();
  charts.propose('a', 'x');
  charts.deliver();
  assert.equal(charts.sent.filter(isAnswer).length, 0);
  charts.sync('b');
  assert.deepEqual(
    charts.sent.filter(isAnswer).map(({ from, index }) => ({ from, index })),
    [{ from: 'b', index: 2 }],
  );
  assert.equal(charts.member('b').disk.entries.length, 2);
});

test('an answer to entries that were there already waits for the write that is under way', () => {
  const charts = createCharts(THREE);
  const { message, entries } = append(1, [0, 0], [1]);
  charts.step('a', message, entries);
  charts.step('a', message, entries);
  assert.equal(charts.sent.length, 0);
  charts.sync('a');
  assert.equal(charts.sent.length, 2);
});

test('proposals follow each other without waiting for answers', () => {
  const charts = elected();
  for (let n = 0; n < 10; n++) charts.propose('a', `x${n}`);
  assert.equal(charts.sent.filter(isAppend).filter(({ to }) => to === 'b').length, 10);
  charts.settle();
  assert.equal(charts.applied('c').length, 10);
});

test('a commit is told at once, by one message that wants no answer, and not while the next entries tell it', () => {
  const charts = elected();
  charts.propose('a', 'x');
  charts.settle();
  const told = charts.sent.filter(({ type }) => type === 'heartbeat');
  assert.deepEqual(
    told.map(
      (message) => message.type === 'heartbeat' && { to: message.to, commit: message.commit, round: message.round },
    ),
    [
      { to: 'b', commit: 2, round: 0 },
      { to: 'c', commit: 2, round: 0 },
    ],
  );
  assert.equal(charts.sent.filter(({ type }) => type === 'heartbeatReply').length, 0);

  charts.sent.length = 0;
  charts.propose('a', 'y');
  charts.propose('a', 'z');
  charts.sync('a');
  answer(charts, 'b', 3);
  assert.equal(charts.context('a').commit, 3);
  assert.deepEqual(
    charts.sent.filter(({ type }) => type === 'heartbeat'),
    [],
    'b is to answer for z, c for both',
  );
  answer(charts, 'b', 4);
  assert.deepEqual(
    charts.sent.filter(({ type }) => type === 'heartbeat').map(({ to }) => to),
    ['b'],
  );
});

test('a heartbeat’s commit is capped at what the peer is known to hold; a lost notice comes with the next beat [lagging_commit]', () => {
  const charts = elected();
  charts.lose((message) => message.to === 'c' || (message.type === 'heartbeat' && message.round === 0));
  charts.propose('a', 'x');
  charts.settle();
  assert.equal(charts.context('a').commit, 2);
  assert.equal(charts.context('b').commit, 1);
  charts.sent.length = 0;
  charts.heal();
  charts.beat('a');
  assert.deepEqual(
    charts.sent.map((message) => message.type === 'heartbeat' && [message.to, message.commit]),
    [
      ['b', 2],
      ['c', 1],
    ],
  );
  charts.settle();
  assert.equal(charts.context('b').commit, 2);
});

// ---------------------------------------------------------------- the follower takes

test('entries behind something that is not there are refused with a hint; behind what is committed they are welcome [FollowerCheckMsgApp]', () => {
  const cases: { prev: [number, Term]; rejected: boolean; hint?: [number, Term] }[] = [
    { prev: [0, 0], rejected: false },
    { prev: [1, 1], rejected: false },
    { prev: [2, 2], rejected: false },
    { prev: [1, 9], rejected: false }, // committed: equal everywhere, whatever the message says
    { prev: [2, 1], rejected: true, hint: [1, 1] },
    { prev: [2, 4], rejected: true, hint: [1, 1] },
    { prev: [3, 3], rejected: true, hint: [2, 2] },
    { prev: [9, 3], rejected: true, hint: [2, 2] },
    { prev: [9, 1], rejected: true, hint: [1, 1] },
  ];
  for (const { prev, rejected, hint } of cases) {
    const charts = createCharts(THREE, { logs: { a: [1, 2] } });
    charts.step('a', { type: 'heartbeat', from: id('b'), to: id('a'), term: 4, commit: 1, round: 1 });
    charts.step('a', append(4, prev, []).message);
    charts.settle();
    const reply = charts.sent.find(isAnswer);
    assert.equal(reply?.rejected, rejected, `behind ${prev}`);
    assert.equal(reply?.index, prev[0]);
    if (hint !== undefined) assert.deepEqual([reply?.hintIndex, reply?.hintTerm], hint, `behind ${prev}`);
    assert.equal(charts.context('a').leader, 'b');
  }
});

test('conflicts are cut, equal entries are kept, a stale shorter message cuts nothing [FollowerAppendEntries, LogMaybeAppend]', () => {
  const cases: { prev: [number, Term]; terms: Term[]; log: Term[]; writes: boolean }[] = [
    { prev: [3, 3], terms: [4], log: [1, 2, 3, 4], writes: true },
    { prev: [1, 1], terms: [3, 4], log: [1, 3, 4], writes: true },
    { prev: [0, 0], terms: [1], log: [1, 2, 3], writes: false },
    { prev: [0, 0], terms: [1, 2], log: [1, 2, 3], writes: false },
    { prev: [1, 1], terms: [2, 3, 5, 5], log: [1, 2, 3, 5, 5], writes: true },
    { prev: [2, 2], terms: [], log: [1, 2, 3], writes: false },
  ];
  for (const { prev, terms, log, writes } of cases) {
    const charts = createCharts(THREE, { logs: { a: [1, 2, 3] }, hard: { a: { term: 5, votedFor: null } } });
    const { message, entries } = append(5, prev, terms);
    charts.step('a', message, entries);
    assert.equal(charts.member('a').writes.length > 0, writes, `${prev} + ${terms}`);
    charts.settle();
    assert.deepEqual(charts.terms('a'), log, `${prev} + ${terms}`);
    assert.deepEqual(
      charts.member('a').disk.entries.map(({ term }) => term),
      log,
    );
    assert.deepEqual(
      charts.member('a').entries.map(({ data }) => data),
      log.map((term, at) => `${at + 1}@${term}`),
    );
    assert.deepEqual(
      [charts.sent.at(-1)].map((reply) => reply !== undefined && isAnswer(reply) && reply.index),
      [prev[0] + terms.length],
    );
  }
});

test('a difference at or below the commit index ends the process', () => {
  const charts = createCharts(THREE, { logs: { a: [1, 1, 1] } });
  charts.step('a', append(2, [3, 1], [], 2).message);
  assert.equal(charts.context('a').commit, 2);
  assert.throws(() => charts.step('a', append(2, [1, 1], [2]).message), /entry 2 differs .* up to 2 all is committed/);
});

test('a follower commits what the leader has, as far as the message vouches for it [FollowerCommitEntry]', () => {
  const cases: { prev: [number, Term]; terms: Term[]; commit: number; expected: number }[] = [
    { prev: [3, 1], terms: [1], commit: 1, expected: 1 },
    { prev: [3, 1], terms: [1], commit: 4, expected: 4 },
    { prev: [3, 1], terms: [1], commit: 9, expected: 4 },
    // The entries behind the message may be wrong: they are not committed by it.
    { prev: [1, 1], terms: [], commit: 3, expected: 1 },
    { prev: [1, 1], terms: [1], commit: 3, expected: 2 },
  ];
  for (const { prev, terms, commit, expected } of cases) {
    const charts = createCharts(THREE, { logs: { a: [1, 1, 1] } });
    const { message, entries } = append(1, prev, terms, commit);
    charts.step('a', message, entries);
    assert.equal(charts.context('a').commit, expected, `${prev} + ${terms}, commit ${commit}`);
    assert.equal(charts.member('a').applied.length, expected);
    charts.step('a', append(1, [1, 1], [], 1).message);
    assert.equal(charts.context('a').commit, expected, 'it never falls');
  }
});

test('what is told to be committed but is not there ends the process: it was acknowledged and is lost', () => {
  const charts = createCharts(THREE, { logs: { a: [1] } });
  assert.throws(
    () => charts.step('a', { type: 'heartbeat', from: id('b'), to: id('a'), term: 1, commit: 2, round: 1 }),
    /has lost entries/,
  );
});

test('entries of a deposed leader change nothing [OldMessages]', () => {
  const charts = createCharts(THREE);
  charts.elect('a');
  charts.elect('b');
  charts.propose('b', 'x');
  charts.settle();
  const before = charts.terms('c');
  charts.step('c', { ...append(1, [1, 1], [1, 1]).message, from: id('a'), to: id('c') });
  charts.settle();
  assert.deepEqual(charts.terms('c'), before);
});

// ---------------------------------------------------------------- finding where logs agree

test('all followers of the paper’s Figure 7 come to hold the leader’s log [LeaderSyncFollowerLog]', () => {
  const charts = createCharts(['l', 'a', 'b', 'c', 'd', 'e', 'f'], {
    logs: {
      l: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6],
      a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      b: [1, 1, 1, 4],
      c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      e: [1, 1, 1, 4, 4, 4, 4],
      f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    },
    hard: { l: { term: 7, votedFor: null } },
  });
  charts.elect('l');
  for (const name of ['l', 'a', 'b', 'c', 'd', 'e', 'f']) {
    assert.deepEqual(charts.terms(name), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8], name);
    assert.equal(charts.context(name).commit, 11);
  }
});

test('hints skip whole terms on both sides [FastLogRejection]', () => {
  // Where the second message begins, and how many it takes until the follower agrees.
  const cases: { leader: Term[]; follower: Term[]; second: number; messages: number }[] = [
    { leader: [1, 2, 2, 4, 4, 4, 4], follower: [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], second: 3, messages: 2 },
    { leader: [1, 2, 2, 3, 4, 4, 4, 5], follower: [1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], second: 4, messages: 2 },
    { leader: [1, 1, 1, 1], follower: [1, 2, 2, 4], second: 1, messages: 2 },
    { leader: [1, 1, 1, 1, 1, 1], follower: [1, 2, 2, 4], second: 1, messages: 2 },
    { leader: [1, 1, 1, 1], follower: [1, 2, 2, 4, 4, 4], second: 1, messages: 2 },
    { leader: [1, 1, 1, 4, 5], follower: [1, 1, 1, 4], second: 4, messages: 2 },
    { leader: [2, 5, 5, 5, 5], follower: [2, 4, 4, 4, 4, 4], second: 1, messages: 2 },
    { leader: [2, 2, 2, 2, 2], follower: [2, 4, 4, 4, 4, 4, 4, 4], second: 1, messages: 2 },
    { leader: [1, 1, 4, 4, 6, 6, 8, 8], follower: [1, 1, 3, 3, 5, 5, 7, 7], second: 6, messages: 4 },
  ];
  for (const { leader, follower, second, messages } of cases) {
    const charts = createCharts(['a', 'b', 'c'], {
      logs: { a: leader, b: leader, c: follower },
      hard: { a: { term: 9, votedFor: null }, b: { term: 9, votedFor: null } },
    });
    charts.elect('a');
    const appends = charts.sent.filter(isAppend).filter(({ to }) => to === 'c');
    assert.equal(appends[0]?.prevIndex, leader.length);
    assert.equal(appends[1]?.prevIndex, second, `${leader} against ${follower}`);
    assert.equal(appends.length, messages, `${leader} against ${follower}`);
    assert.deepEqual(charts.terms('c'), [...leader, 10]);
  }
});

test('one refusal moves the search once, however often it is repeated', () => {
  const charts = createCharts(THREE, { logs: { a: [1, 1, 1, 1], b: [1, 1, 1, 1] } });
  charts.isolate('c');
  charts.elect('a');
  charts.sent.length = 0;
  const refusal = { rejected: true, hintIndex: 2, hintTerm: 1 };
  answer(charts, 'c', 4, refusal);
  assert.equal(charts.context('a').leadership?.progress.c?.next, 3);
  answer(charts, 'c', 4, refusal);
  answer(charts, 'c', 1, { rejected: true });
  assert.equal(charts.context('a').leadership?.progress.c?.next, 3);
  assert.equal(charts.sent.filter(isAppend).length, 1);
  answer(charts, 'c', 2, { rejected: true });
  assert.equal(charts.context('a').leadership?.progress.c?.next, 1);
});

test('a message lost in a stream of them is found by the refusal of the next', () => {
  const charts = elected();
  let lost = 0;
  charts.lose((message) => isAppend(message) && message.to === 'c' && ++lost === 2);
  for (let n = 0; n < 5; n++) charts.propose('a', `x${n}`);
  charts.settle();
  assert.deepEqual(charts.applied('c'), ['x0', 'x1', 'x2', 'x3', 'x4']);
});

test('a message that overtook the one before it was refused for that: it is sent again as soon as the refusal comes', () => {
  const charts = elected();
  charts.settle();
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.propose('a', 'x0');
  charts.propose('a', 'x1');
  charts.settle();
  charts.heal();
  const { lastIndex } = charts.context('a').log;
  charts.sent.length = 0;
  // The first came second, and is taken.
  answer(charts, 'c', lastIndex - 1);
  assert.equal(charts.sent.filter(isAppend).length, 0, 'the second is on its way, by all that is known');
  answer(charts, 'c', lastIndex - 1, { rejected: true, hintIndex: lastIndex - 2, hintTerm: 1 });
  const again = charts.sent.filter(isAppend);
  assert.deepEqual([again.length, again[0]?.to, again[0]?.prevIndex], [1, 'c', lastIndex - 1]);
  answer(charts, 'c', lastIndex);
  charts.sent.length = 0;
  answer(charts, 'c', lastIndex, { rejected: true, hintIndex: lastIndex - 1, hintTerm: 1 });
  assert.equal(charts.sent.filter(isAppend).length, 0, 'nothing waits for an answer: it is old');
});

test('the last message lost is sent again once a heartbeat’s answer comes without it [HandleHeartbeatResp, heartbeat_resp_recovers_from_probing]', () => {
  const charts = elected();
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.propose('a', 'x');
  charts.settle();
  charts.heal();
  charts.sent.length = 0;
  charts.advance(DEFAULTS.electionMinMs);
  assert.equal(charts.sent.filter(isAppend).length, 0, 'not before it must be lost');
  charts.advance(2 * DEFAULTS.heartbeatMs);
  assert.deepEqual(charts.applied('c'), ['x']);
  assert.equal(charts.sent.filter(isAppend).length, 1);
});

test('a lost probe is repeated at its place', () => {
  const charts = createCharts(THREE, { logs: { a: [1, 1, 1], b: [1, 1, 1], c: [1, 1] } });
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.elect('a');
  charts.heal();
  charts.sent.length = 0;
  charts.advance(DEFAULTS.electionMinMs + 2 * DEFAULTS.heartbeatMs);
  assert.equal(charts.sent.filter(isAppend)[0]?.prevIndex, 3);
  assert.deepEqual(charts.terms('c'), charts.terms('a'));
});

test('after a new connection sending goes on behind what is known to be there', () => {
  const charts = elected();
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.propose('a', 'x');
  charts.propose('a', 'y');
  charts.settle();
  charts.heal();
  charts.sent.length = 0;
  charts.step('a', { type: 'peer.opened', peer: id('c') });
  assert.deepEqual(
    charts.sent.filter(isAppend).map(({ prevIndex, lastIndex }) => [prevIndex, lastIndex]),
    [[1, 3]],
  );
  charts.settle();
  assert.deepEqual(charts.applied('c'), ['x', 'y']);
  charts.sent.length = 0;
  charts.step('a', { type: 'peer.opened', peer: id('c') });
  assert.equal(charts.sent.length, 0, 'nothing is missing');
});

test('a probe lost with its connection is repeated on the new one', () => {
  const charts = createCharts(THREE);
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.elect('a');
  charts.heal();
  charts.step('a', { type: 'peer.opened', peer: id('c') });
  charts.settle();
  assert.deepEqual(charts.terms('c'), [1]);
});

// ---------------------------------------------------------------- who may append

test('only a leader takes proposals; all others refuse at once [Proposal, DisableProposalForwarding]', () => {
  const charts = createCharts(THREE);
  charts.propose('a', 'x');
  charts.expire('a');
  charts.propose('a', 'x');
  charts.drop();
  charts.elect('b');
  charts.propose('c', 'x');
  charts.propose('b', 'y');
  charts.settle();
  assert.deepEqual(charts.member('a').refusals, ['notLeader', 'notLeader']);
  assert.deepEqual(charts.member('c').refusals, ['notLeader']);
  assert.deepEqual(charts.member('b').refusals, []);
  assert.deepEqual(charts.applied('a'), ['y']);
});

// ---------------------------------------------------------------- commit

test('an entry is committed when a majority holds it durably, the leader among them or not [LeaderAcknowledgeCommit]', () => {
  const cases = [
    { members: ['a'], answers: 0, own: true, commits: true },
    { members: ['a'], answers: 0, own: false, commits: false },
    { members: THREE, answers: 0, own: true, commits: false },
    { members: THREE, answers: 1, own: true, commits: true },
    { members: THREE, answers: 1, own: false, commits: false },
    { members: THREE, answers: 2, own: false, commits: true },
    { members: FIVE, answers: 1, own: true, commits: false },
    { members: FIVE, answers: 2, own: true, commits: true },
    { members: FIVE, answers: 2, own: false, commits: false },
    { members: FIVE, answers: 3, own: false, commits: true },
  ];
  for (const { members, answers, own, commits } of cases) {
    const charts = elected(members);
    charts.propose('a', 'x');
    if (own) charts.sync('a');
    for (const from of members.slice(1, 1 + answers)) answer(charts, from, 2);
    assert.equal(
      charts.context('a').commit,
      commits ? 2 : 1,
      `${answers} answers of ${members.length}, ${own ? 'with' : 'without'} the own disk`,
    );
  }
});

test('a stranger’s answer commits nothing', () => {
  const charts = elected();
  charts.propose('a', 'x');
  charts.sync('a');
  answer(charts, 'x', 2);
  assert.equal(charts.context('a').commit, 1);
});

test('an answer that names more than was sent ends the process', () => {
  const charts = elected();
  assert.throws(() => answer(charts, 'b', 9), /b holds entry 9/);
});

test('an entry of an older term is not committed by counting, but with the first of the own term [LeaderOnlyCommitsLogFromCurrentTerm, CannotCommitWithoutNewTermEntry]', () => {
  const charts = createCharts(FIVE, { logs: { a: [1, 2], b: [1, 2], c: [1, 2], d: [1], e: [1] } });
  charts.lose((message) => isAppend(message) && message.lastIndex > 2);
  charts.expire('a');
  charts.settle();
  assert.equal(charts.role('a'), 'leader');
  answer(charts, 'b', 2);
  answer(charts, 'c', 2);
  answer(charts, 'd', 2);
  assert.equal(charts.context('a').commit, 0, 'four members hold entry 2 of term 2');
  answer(charts, 'b', 3);
  assert.equal(charts.context('a').commit, 0);
  answer(charts, 'c', 3);
  assert.equal(charts.context('a').commit, 3, 'and everything before it');
  assert.equal(charts.member('a').applied.length, 3);
});

test('a new leader commits what an earlier one left without any client’s help [CommitWithoutNewTermEntry]', () => {
  const charts = elected(FIVE);
  charts.lose((message) => isAnswer(message) || message.to === 'd' || message.to === 'e');
  charts.propose('a', 'x');
  charts.settle();
  assert.equal(charts.context('a').commit, 1);
  charts.heal();
  charts.crash('a');
  charts.elect('b');
  for (const name of ['b', 'c', 'd', 'e']) assert.deepEqual(charts.applied(name), ['x'], name);
});

test('entries are applied in order, once each, by all [LeaderCommitPrecedingEntries]', () => {
  const charts = elected(FIVE);
  const all = Array.from({ length: 700 }, (_, n) => `x${n}`);
  charts.propose('a', ...all.slice(0, 600));
  for (const data of all.slice(600)) charts.propose('a', data);
  charts.settle();
  for (const name of FIVE) assert.deepEqual(charts.applied(name), all, name);
});

test('a leader serves only after its own no-op is applied', () => {
  const charts = createCharts(THREE);
  charts.lose(isAppend);
  charts.expire('a');
  charts.settle();
  assert.deepEqual(charts.state('a'), { leader: 'settling' });
  charts.step('a', { type: 'applied', index: 0 });
  assert.deepEqual(charts.state('a'), { leader: 'settling' });
  charts.heal();
  charts.advance(400);
  assert.deepEqual(charts.state('a'), { leader: 'serving' });
  assert.equal(charts.context('a').applied, 1);
});

test('news of a sync counts only for what is still in the log', () => {
  const charts = createCharts(THREE);
  charts.step('a', append(1, [0, 0], [1, 1]).message, append(1, [0, 0], [1, 1]).entries);
  const newer = append(2, [1, 1], [2]);
  charts.step('a', newer.message, newer.entries);
  assert.equal(charts.context('a').durable, 0);
  charts.step('a', { type: 'log.synced', index: 2, term: 1 });
  assert.equal(charts.context('a').durable, 0, 'entry 2 of term 1 was replaced');
  charts.step('a', { type: 'log.synced', index: 2, term: 2 });
  assert.equal(charts.context('a').durable, 2);
  charts.step('a', { type: 'log.synced', index: 1, term: 1 });
  assert.equal(charts.context('a').durable, 2, 'old news');
  const third = append(3, [1, 1], [3]);
  charts.step('a', third.message, third.entries);
  assert.equal(charts.context('a').durable, 1, 'what was cut is durable no more');
});

// ---------------------------------------------------------------- flow control

test('a full window stops the sender; an answer opens it by what it acknowledges [MsgAppFlowControlFull, MoveForward]', () => {
  const charts = elected(THREE, { inflightMax: 4 });
  for (let n = 0; n < 8; n++) charts.propose('a', `x${n}`);
  const toB = () => charts.sent.filter(isAppend).filter(({ to }) => to === 'b');
  assert.equal(toB().length, 4);
  answer(charts, 'b', 1);
  assert.equal(toB().length, 4, 'old news opens nothing');
  answer(charts, 'b', 3);
  assert.deepEqual(
    toB()
      .slice(4)
      .map(({ prevIndex, lastIndex }) => [prevIndex, lastIndex]),
    [[5, 9]],
    'what has gathered goes in one message',
  );
  charts.settle();
  assert.equal(charts.applied('b').length, 8);
});

test('while a probe is open nothing else goes; a heartbeat’s answer frees one more at most [MsgAppFlowControlRecvHeartbeat, ProgressFlowControl]', () => {
  const charts = createCharts(THREE);
  charts.lose((message) => isAppend(message) && message.to === 'c');
  charts.elect('a');
  charts.sent.length = 0;
  for (let n = 0; n < 3; n++) charts.propose('a', `x${n}`);
  assert.equal(charts.sent.filter(isAppend).filter(({ to }) => to === 'c').length, 0);
  charts.skip(DEFAULTS.electionMinMs + 1);
  for (let n = 0; n < 3; n++)
    charts.step('a', { type: 'heartbeatReply', from: id('c'), to: id('a'), term: 1, round: 1 });
  assert.equal(charts.sent.filter(isAppend).filter(({ to }) => to === 'c').length, 1);
});

test('a follower far behind is served in bursts, one more with each answer, up to the window', () => {
  const charts = createCharts(THREE, {
    logs: { a: Array(20_000).fill(1), b: Array(20_000).fill(1), c: [] },
    options: { inflightMax: 8 },
  });
  charts.expire('a');
  charts.settle();
  assert.deepEqual(charts.terms('c').length, 20_001);
  const most = charts.sent
    .filter(isAppend)
    .reduce((longest, { prevIndex, lastIndex }) => Math.max(longest, lastIndex - prevIndex), 0);
  assert.equal(most, 256);
});

test('the window is limited by bytes, which the actor tells of heavy messages', () => {
  const charts = elected(THREE, { inflightBytesMax: 100 });
  const toB = () => charts.sent.filter(isAppend).filter(({ to }) => to === 'b');
  charts.propose('a', 'x');
  charts.step('a', { type: 'append.sent', peer: id('b'), term: 1, lastIndex: 2, bytes: 99 });
  charts.propose('a', 'y');
  charts.step('a', { type: 'append.sent', peer: id('b'), term: 1, lastIndex: 3, bytes: 1 });
  charts.propose('a', 'z');
  assert.equal(toB().length, 2, '100 bytes are on their way');
  answer(charts, 'b', 2);
  assert.equal(toB().length, 3);
  charts.step('a', { type: 'append.sent', peer: id('b'), term: 0, lastIndex: 4, bytes: 500 });
  charts.step('a', { type: 'append.sent', peer: id('x'), term: 1, lastIndex: 4, bytes: 500 });
  charts.propose('a', 'w');
  assert.equal(toB().length, 4, 'news of an older term, or of a stranger, do not count');
});

test('where the actor cut a message, the next one begins', () => {
  const charts = elected();
  charts.propose('a', 'x', 'y', 'z');
  charts.sent.length = 0;
  charts.step('a', { type: 'append.sent', peer: id('b'), term: 1, lastIndex: 3, bytes: 9 });
  assert.deepEqual(
    charts.sent.filter(isAppend).map(({ to, prevIndex, lastIndex }) => ({ to, prevIndex, lastIndex })),
    [{ to: 'b', prevIndex: 3, lastIndex: 4 }],
  );
  assert.deepEqual(charts.context('a').leadership?.progress.b?.inflight, [
    { last: 3, bytes: 9 },
    { last: 4, bytes: 0 },
  ]);
});

test('a leader cut off refuses proposals past the limit; one larger than the limit is taken when none waits; empty ones pass [UncommittedEntryLimit]', () => {
  const charts = elected(THREE, { uncommittedBytesMax: 4 });
  charts.isolate('a');
  charts.propose('a', 'longer than four');
  charts.propose('a', 'x');
  charts.propose('a', '');
  assert.deepEqual(charts.member('a').refusals, ['uncommittedLimit']);
  charts.heal();
  charts.advance(400);
  assert.equal(charts.context('a').leadership?.uncommittedBytes, 0);
  charts.propose('a', 'ab');
  charts.propose('a', 'cd');
  charts.propose('a', 'e');
  assert.equal(charts.context('a').leadership?.uncommittedBytes, 4);
  charts.sync('a');
  answer(charts, 'b', charts.context('a').log.lastIndex - 1);
  assert.equal(charts.context('a').leadership?.uncommittedBytes, 2);
  charts.settle();
  assert.deepEqual(charts.member('a').refusals, ['uncommittedLimit', 'uncommittedLimit']);
  assert.deepEqual(charts.applied('a'), ['longer than four', 'ab', 'cd']);
});

test.run();
