// The Raft actor on a virtual clock: proposals and their outcomes, reads, what leaves when, restarts, limits.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { checkRaftOptions, createRaftNode } from '../../src/actors/raft-node.ts';
import type { RaftStatus } from '../../src/actors/raft-group.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { Append } from '../../src/machines/raft/messages.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryLog } from '../support/memory-log.ts';
import { bytes, createNodes, type Node, OPTIONS, outcomeOf } from '../support/raft-nodes.ts';

const THREE = ['a', 'b', 'c'];
type Nodes = ReturnType<typeof createNodes>;

const propose = (node: Node, content: string | Uint8Array, timeoutMs = 5_000) =>
  outcomeOf((done) => node.group.propose(typeof content === 'string' ? bytes(content) : content, timeoutMs, done));

function read(node: Node): { readonly all: (Error | null)[] } {
  const all: (Error | null)[] = [];
  node.group.read((error) => all.push(error));
  assert.equal(all.length, 0, 'never synchronously');
  return { all };
}

const applied = (nodes: Nodes, names: readonly string[], content: string) => () =>
  names.every((name) => nodes.applied(name).at(-1) === content);

// ---------------------------------------------------------------- proposals

test('a proposal is applied everywhere, in order, and its proposer told the index: 1 and 3 members', () => {
  for (const names of [['a'], THREE]) {
    const nodes = createNodes(names);
    const leader = nodes.elected();
    const outcomes = ['x', 'y', 'z'].map((content) => propose(leader, content));
    nodes.until(applied(nodes, names, 'z'), 'applied by all');
    assert.deepEqual(
      outcomes.map(({ value }) => value),
      [2, 3, 4].map((index) => ({ outcome: 'applied', index })),
    );
    for (const name of names) assert.deepEqual(nodes.applied(name), ['x', 'y', 'z']);
  }
});

test('no-ops are applied too, so that indexes have no holes', () => {
  const nodes = createNodes(THREE);
  nodes.elected();
  for (const name of THREE) {
    nodes.until(() => nodes.node(name).chunks.length > 0, 'the no-op');
    assert.deepEqual(
      nodes
        .node(name)
        .chunks.flat()
        .map(({ index, kind }) => ({ index, kind })),
      [{ index: 1, kind: 'noop' }],
    );
  }
});

test('a hundred proposals of one turn are one write, and one message for each follower', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.clock.advance(5);
  const [writes, before] = [leader.log.writes.length, nodes.sent.length];
  const outcomes = Array.from({ length: 100 }, (_, n) => propose(leader, `x${n}`));
  nodes.until(applied(nodes, THREE, 'x99'), 'applied by all');
  assert.equal(leader.log.writes.length, writes + 1);
  const appends = nodes.sent.slice(before).filter(({ message }) => message.type === 'append');
  assert.deepEqual(
    appends.map(({ entries }) => entries.length),
    [100, 100],
  );
  assert.ok(outcomes.every(({ value }) => value?.outcome === 'applied'));
});

test('proposals of one turn are cut by count and by bytes', () => {
  const nodes = createNodes(['a']);
  const leader = nodes.elected();
  const before = leader.log.writes.length;
  for (let n = 0; n < limits.raft.proposeEntriesMax + 1; n++) propose(leader, 'x');
  nodes.clock.advance(20);
  assert.deepEqual(
    leader.log.writes.slice(before).map(({ entries }) => entries?.length),
    [limits.raft.proposeEntriesMax, 1],
  );
  const half = new Uint8Array(limits.raft.appendBytesMax / 2);
  for (let n = 0; n < 5; n++) propose(leader, half);
  nodes.clock.advance(20);
  assert.deepEqual(
    leader.log.writes.slice(before + 2).map(({ entries }) => entries?.length),
    [2, 2, 1],
  );
});

test('a follower refuses a proposal and names the leader; without a leader it names none', () => {
  const nodes = createNodes(THREE);
  const early = propose(nodes.node('a'), 'x');
  nodes.clock.advance(1);
  assert.deepEqual(early.value, { outcome: 'notApplied', reason: 'notLeader', leader: null });
  const leader = nodes.elected();
  const outcome = propose(nodes.follower(), 'x');
  nodes.clock.advance(1);
  assert.deepEqual(outcome.value, { outcome: 'notApplied', reason: 'notLeader', leader: leader.id });
});

test('a proposal that another took the place of is certainly not applied', () => {
  const nodes = createNodes(THREE);
  const old = nodes.elected();
  nodes.isolate(old.id);
  const lost = propose(old, 'lost', 60_000);
  nodes.until(() => THREE.some((name) => name !== old.id && nodes.node(name).group.status.serving), 'another leader');
  const leader = THREE.map((name) => nodes.node(name)).find(({ id, group }) => id !== old.id && group.status.serving);
  assert.ok(leader);
  const taken = propose(leader, 'taken');
  nodes.until(() => taken.value !== undefined, 'taken');
  assert.equal(lost.value, undefined, 'not known yet');
  nodes.heal();
  nodes.until(() => lost.value !== undefined, 'known');
  assert.deepEqual(lost.value, { outcome: 'notApplied', reason: 'overwritten', leader: leader.id });
  nodes.until(applied(nodes, THREE, 'taken'), 'applied by all');
});

test('a proposal that is not settled in time is unknown, once, and may yet be applied', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.isolate(leader.id);
  const outcome = propose(leader, 'late', 20);
  nodes.clock.advance(30);
  assert.deepEqual(outcome.value, { outcome: 'unknown', reason: 'timeout' });
  nodes.heal();
  nodes.until(applied(nodes, THREE, 'late'), 'applied after all');
  assert.equal(outcome.all.length, 1);
});

test('stopping settles everything: unknown what was appended, refused what was not', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.isolate(leader.id);
  const appended = propose(leader, 'x');
  const reading = read(leader);
  nodes.clock.advance(5);
  const queued = propose(leader, 'y');
  const gathered = read(leader);
  leader.alive = false;
  leader.group.stop();
  leader.group.stop();
  assert.deepEqual(appended.value, { outcome: 'unknown', reason: 'stopped' });
  assert.deepEqual(queued.value, { outcome: 'notApplied', reason: 'stopped', leader: null });
  for (const { all } of [reading, gathered]) assert.match(String(all[0]), /stopping/);
  const after = propose(leader, 'z');
  const later = read(leader);
  leader.group.receive({
    group: 'control',
    message: { type: 'heartbeat', from: 'b' as BrokerId, to: leader.id, term: 9, commit: 0, round: 1 },
    entries: [],
  });
  leader.group.beat();
  nodes.clock.advance(3_000);
  assert.deepEqual(after.value, { outcome: 'notApplied', reason: 'stopped', leader: null });
  assert.match(String(later.all[0]), /stopping/);
});

test('what is too large, or has no room, is refused before it is appended', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  const cases: { prepare: () => void; content: Uint8Array; reason: string }[] = [
    { prepare: () => {}, content: new Uint8Array(limits.raft.entryBytesMax + 1), reason: 'tooLarge' },
    { prepare: () => void (leader.log.full = true), content: bytes('x'), reason: 'logFull' },
    {
      prepare: () => {
        leader.log.full = false;
        leader.log.pendingBytes = limits.raft.pendingWriteBytesMax + 1;
      },
      content: bytes('x'),
      reason: 'uncommittedLimit',
    },
  ];
  const last = leader.group.status.lastIndex;
  for (const { prepare, content, reason } of cases) {
    prepare();
    const outcome = propose(leader, content);
    nodes.clock.advance(1);
    assert.deepEqual(outcome.value, { outcome: 'notApplied', reason, leader: null });
  }
  assert.equal(leader.group.status.lastIndex, last);
  const follower = nodes.follower();
  follower.log.full = true;
  const elsewhere = propose(follower, 'x');
  nodes.clock.advance(1);
  assert.deepEqual(
    elsewhere.value,
    { outcome: 'notApplied', reason: 'notLeader', leader: leader.id },
    'whatever its disk is like',
  );
  leader.log.pendingBytes = 0;
  const largest = propose(leader, new Uint8Array(limits.raft.entryBytesMax));
  nodes.until(() => largest.value !== undefined, 'the largest entry');
  assert.equal(largest.value?.outcome, 'applied');
});

test('a leader cut off refuses past the uncommitted limit', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.isolate(leader.id);
  const mebibyte = new Uint8Array(limits.raft.entryBytesMax);
  const count = limits.raft.uncommittedBytesMax / mebibyte.length;
  const outcomes = Array.from({ length: count + 1 }, () => propose(leader, mebibyte));
  nodes.clock.advance(1);
  assert.equal(outcomes.filter(({ value }) => value === undefined).length, count);
  assert.deepEqual(outcomes.at(-1)?.value, { outcome: 'notApplied', reason: 'uncommittedLimit', leader: null });
});

// ---------------------------------------------------------------- reads

test('a read is answered when this member’s state holds everything before it; reads of one turn share a round', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.clock.advance(20);
  propose(leader, 'x');
  const before = nodes.sent.length;
  const reads = Array.from({ length: 50 }, () => read(leader));
  nodes.until(() => reads.every(({ all }) => all.length === 1), 'answers');
  assert.ok(reads.every(({ all }) => all[0] === null));
  const rounds = nodes.sent.slice(before).filter(({ message }) => message.type === 'heartbeat' && message.round > 0);
  assert.equal(rounds.length, 2);
  nodes.until(applied(nodes, [leader.id], 'x'), 'applied');
  const after = read(leader);
  nodes.until(() => after.all.length === 1, 'answer');
  assert.deepEqual(nodes.applied(leader.id), ['x']);
});

test('a read proven before its index is applied waits for that', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  leader.log.cachedFrom = 1_000;
  propose(leader, 'x');
  nodes.until(() => leader.group.status.commit === 2, 'commit');
  assert.equal(leader.group.status.applied, 1, 'it is being read from disk');
  const reading = read(leader);
  nodes.until(() => reading.all.length === 1, 'answer');
  assert.deepEqual(nodes.applied(leader.id), ['x']);
});

test('a read without a leader, of one that does not answer, or that loses its place, fails and says why', () => {
  const nodes = createNodes(THREE);
  const none = read(nodes.node('a'));
  nodes.clock.advance(1);
  assert.match(String(none.all[0]), /control has no leader just now/);
  const leader = nodes.elected();
  const follower = nodes.follower();
  nodes.isolate(leader.id);
  const unanswered = read(follower);
  nodes.until(() => unanswered.all.length === 1, 'given up');
  assert.match(String(unanswered.all[0]), /the leader did not answer/);
  assert.ok(unanswered.all[0] instanceof VedetteError && unanswered.all[0].code === 'UNAVAILABLE');
  const cutOff = read(leader);
  nodes.until(() => cutOff.all.length === 1, 'refused');
  assert.match(String(cutOff.all[0]), /no leader/);
});

test('reads that wait are limited', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  nodes.isolate(leader.id);
  const reads = Array.from({ length: limits.raft.readsMax + 1 }, () => read(leader));
  nodes.clock.advance(1);
  assert.equal(reads.filter(({ all }) => all.length === 0).length, limits.raft.readsMax);
  const refused = reads.at(-1)?.all[0];
  assert.ok(refused instanceof VedetteError && refused.code === 'RESOURCE_EXHAUSTED');
  nodes.until(() => reads.every(({ all }) => all.length === 1), 'all refused');
  nodes.heal();
  const again = read(nodes.elected());
  nodes.until(() => again.all.length === 1, 'there is room again');
  assert.equal(again.all[0], null);
});

// ---------------------------------------------------------------- disk

test('votes and answers leave only when durable; the leader does not wait for its own disk', () => {
  const nodes = createNodes(THREE);
  for (const name of THREE) nodes.node(name).log.hang();
  nodes.clock.advance(1_000);
  assert.deepEqual([...new Set(nodes.sent.map(({ message }) => message.type))].sort(), ['preVote', 'preVoteReply']);
  for (const name of THREE) nodes.node(name).log.release();
  const leader = nodes.elected();
  leader.log.hang();
  const outcome = propose(leader, 'x');
  nodes.until(() => outcome.value !== undefined, 'a quorum without the leader');
  assert.equal(outcome.value?.outcome, 'applied');
  assert.equal(leader.disk.get('control')?.entries.length, 1);
});

test('each message that must wait leaves after the writes before it, in order', () => {
  const nodes = createNodes(['a', 'b']);
  const { log, group } = nodes.node('a');
  nodes.node('b').alive = false;
  log.hang();
  const append = (prevIndex: number): Append => ({
    type: 'append',
    from: 'b' as BrokerId,
    to: 'a' as BrokerId,
    term: 1,
    prevIndex,
    prevTerm: prevIndex === 0 ? 0 : 1,
    lastIndex: prevIndex + 1,
    runs: [{ first: prevIndex + 1, term: 1 }],
    commit: 0,
    bytes: 1,
  });
  for (const prevIndex of [0, 1, 0])
    group.receive({
      group: 'control',
      message: append(prevIndex),
      entries: [{ kind: 'data', payload: bytes(`${prevIndex + 1}`) }],
    });
  group.receive({
    group: 'control',
    message: { type: 'heartbeat', from: 'b' as BrokerId, to: 'a' as BrokerId, term: 1, commit: 0, round: 7 },
    entries: [],
  });
  nodes.clock.advance(10);
  assert.deepEqual(
    nodes.sent.map(({ message }) => message.type),
    ['heartbeatReply'],
  );
  log.release();
  nodes.clock.advance(10);
  assert.deepEqual(
    nodes.sent.slice(1).map(({ message }) => message.type === 'appendReply' && message.index),
    [1, 2, 1],
  );
});

test('a restarted member holds what it said, applies everything again, and catches up', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  for (let n = 0; n < 10; n++) propose(leader, `x${n}`);
  nodes.until(applied(nodes, THREE, 'x9'), 'applied by all');
  const victim = nodes.follower().id;
  nodes.crash(victim);
  for (let n = 10; n < 20; n++) propose(leader, `x${n}`);
  nodes.clock.advance(100);
  nodes.restart(victim);
  assert.equal(nodes.node(victim).group.status.term, 1);
  assert.equal(nodes.node(victim).group.status.lastIndex, 11);
  nodes.until(applied(nodes, THREE, 'x19'), 'caught up');
  assert.deepEqual(
    nodes.applied(victim),
    Array.from({ length: 20 }, (_, n) => `x${n}`),
  );
});

test('after the leader’s death another leads, and nothing that was acknowledged is missing', () => {
  const nodes = createNodes(THREE);
  const old = nodes.elected();
  const outcome = propose(old, 'kept');
  nodes.until(() => outcome.value !== undefined, 'acknowledged');
  nodes.crash(old.id);
  const diedAt = nodes.clock.monotonic();
  // A connection's end comes behind everything that was sent on it.
  nodes.clock.advance(1);
  for (const name of THREE) if (name !== old.id) nodes.node(name).group.peerClosed(old.id);
  const leader = nodes.elected();
  assert.ok(nodes.clock.monotonic() - diedAt < 50, `after ${nodes.clock.monotonic() - diedAt} ms, by the hint`);
  assert.deepEqual(nodes.applied(leader.id), ['kept']);
});

test('a long log is applied in chunks, in order, one at a time, each in a turn of its own', () => {
  const nodes = createNodes(['a']);
  const leader = nodes.elected();
  const count = 3 * limits.raft.applyEntriesMax;
  const outcomes = Array.from({ length: count }, (_, n) => propose(leader, `x${n}`));
  nodes.until(() => outcomes.every(({ value }) => value !== undefined), 'all applied');
  nodes.crash('a');
  nodes.restart('a');
  nodes.node('a').log.cachedFrom = 500;
  nodes.until(() => nodes.applied('a').length === count, 'all applied again');
  assert.deepEqual(
    nodes.applied('a'),
    Array.from({ length: count }, (_, n) => `x${n}`),
  );
  assert.ok(nodes.node('a').chunks.every((chunk) => chunk.length <= limits.raft.applyEntriesMax));
  assert.equal(nodes.node('a').group.status.applied, nodes.node('a').group.status.lastIndex);
});

test('a follower far behind is brought up from disk, by messages within the limit of bytes, in order', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  const behind = nodes.follower().id;
  nodes.crash(behind);
  const payload = new Uint8Array(limits.raft.appendBytesMax / 3 + 1);
  const outcomes = Array.from({ length: 40 }, () => propose(leader, payload));
  nodes.until(() => outcomes.every(({ value }) => value?.outcome === 'applied'), 'a quorum has them');
  leader.log.cachedFrom = leader.group.status.lastIndex - 3;
  const before = nodes.sent.length;
  nodes.restart(behind);
  leader.group.peerOpened(nodes.node(behind).id);
  nodes.until(() => nodes.applied(behind).length === 40, 'caught up', 3_000);
  const appends = nodes.sent.slice(before).filter(({ message }) => message.type === 'append' && message.to === behind);
  for (const { message, entries } of appends) {
    assert.ok(message.type === 'append' && message.lastIndex - message.prevIndex === entries.length);
    assert.equal(
      message.type === 'append' && message.bytes,
      entries.reduce((sum, entry) => sum + entry.payload.length, 0),
    );
    assert.ok(entries.length <= 2, `${entries.length} entries of a third of the limit`);
  }
  assert.ok(
    nodes.sent
      .slice(before)
      .every(
        ({ message }) =>
          message.type !== 'appendReply' || message.from !== behind || !message.rejected || message.index > 41,
      ),
  );
});

test('entries read for a term that is over are not sent', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  const behind = nodes.follower().id;
  nodes.isolate(behind);
  propose(leader, 'x');
  nodes.clock.advance(20);
  nodes.heal();
  leader.log.cachedFrom = 1_000;
  leader.group.peerOpened(nodes.node(behind).id);
  const before = nodes.sent.length;
  leader.group.receive({
    group: 'control',
    message: { type: 'heartbeatReply', from: nodes.node(behind).id, to: leader.id, term: 5, round: 1 },
    entries: [],
  });
  assert.equal(leader.group.status.role, 'follower');
  nodes.clock.advance(20);
  assert.deepEqual(
    nodes.sent.slice(before).filter(({ message }) => message.type === 'append'),
    [],
  );
});

test('a log that cannot be read is told once and for all', () => {
  const nodes = createNodes(['a']);
  const leader = nodes.elected();
  leader.log.cachedFrom = 1_000;
  leader.log.readError = new Error('sector gone');
  propose(leader, 'x');
  nodes.clock.advance(50);
  assert.deepEqual(
    leader.errors.map(({ message }) => message),
    ['sector gone'],
  );

  const three = createNodes(THREE);
  const other = three.elected();
  const behind = three.follower().id;
  three.isolate(behind);
  const outcome = propose(other, 'x');
  three.until(() => outcome.value !== undefined, 'applied');
  three.heal();
  other.log.cachedFrom = 1_000;
  other.log.readError = new Error('sector gone');
  other.group.peerOpened(three.node(behind).id);
  three.clock.advance(50);
  assert.equal(other.errors[0]?.message, 'sector gone');
});

// ---------------------------------------------------------------- the rest

test('status changes tell role, term, leader and serving; they begin with the present and end with stop', () => {
  const nodes = createNodes(['a']);
  const seen: RaftStatus[] = [];
  let ended = false;
  nodes
    .node('a')
    .group.statusChanges.subscribe({ next: (status) => seen.push(status), complete: () => (ended = true) });
  nodes.elected();
  assert.deepEqual(
    seen.map(({ role, term, leader, serving }) => ({ role, term, leader, serving })),
    [
      { role: 'follower', term: 0, leader: null, serving: false },
      { role: 'candidate', term: 1, leader: null, serving: false },
      { role: 'leader', term: 1, leader: 'a', serving: false },
      { role: 'leader', term: 1, leader: 'a', serving: true },
    ],
  );
  propose(nodes.node('a'), 'x');
  nodes.clock.advance(50);
  assert.equal(seen.length, 4, 'nothing of that changed');
  nodes.crash('a');
  assert.ok(ended);
});

test('who is the only voter leads no sooner than its vote is durable', () => {
  const nodes = createNodes(['a']);
  const { group, log } = nodes.node('a');
  log.hang();
  nodes.clock.advance(600);
  assert.equal(group.status.role, 'candidate');
  assert.equal(group.status.term, 1);
  nodes.crash('a');
  nodes.restart('a');
  assert.equal(nodes.node('a').group.status.term, 0, 'nobody has heard of its term, nor has it');
  nodes.elected();
  assert.equal(nodes.node('a').group.status.term, 1);
});

test('what strangers answer, or what is meant for another, is dropped', () => {
  const nodes = createNodes(THREE);
  nodes.elected();
  const { group } = nodes.node('a');
  const before = group.status;
  for (const [from, to] of [
    ['x', 'a'],
    ['b', 'x'],
  ]) {
    group.receive({
      group: 'control',
      message: { type: 'voteReply', from: from as BrokerId, to: to as BrokerId, term: 99, granted: true },
      entries: [],
    });
    group.receive({
      group: 'control',
      message: { type: 'heartbeatReply', from: from as BrokerId, to: to as BrokerId, term: 99, round: 1 },
      entries: [],
    });
  }
  assert.deepEqual(group.status, before);
});

test('a follower’s read sees what was acknowledged before it was asked for', () => {
  const nodes = createNodes(THREE);
  const leader = nodes.elected();
  const follower = nodes.follower();
  const outcome = propose(leader, 'x');
  nodes.until(() => outcome.value?.outcome === 'applied', 'acknowledged');
  const reading = read(follower);
  nodes.until(() => reading.all.length === 1, 'answered');
  assert.deepEqual(reading.all, [null]);
  assert.deepEqual(nodes.applied(follower.id), ['x']);
});

test('each group’s chart is in the inspection registry, until it is stopped', () => {
  const nodes = createNodes(['a']);
  nodes.elected();
  assert.deepEqual(
    nodes.inspector.machines().map(({ id, kind, machine, state }) => ({ id, kind, machine, state })),
    [{ id: 'a/raft/control', kind: 'raft', machine: 'raft', state: 'leader.serving' }],
  );
  nodes.crash('a');
  assert.deepEqual(nodes.inspector.machines(), []);
});

test('unsafe settings are refused at start with the rule that they break', () => {
  const cases: [Partial<typeof OPTIONS>, string, RegExp][] = [
    [{ heartbeatMs: 0 }, 'heartbeat', /above 0/],
    [{ heartbeatMs: Number.NaN }, 'heartbeat', /above 0/],
    [{ electionMinMs: 149 }, 'election-min', /at least 3 heartbeats of 50 ms/],
    [{ electionMaxMs: 299 }, 'election-max', /at least 1.2 times the shortest \(250 ms\)/],
    [{ leaseReads: true }, 'lease-reads', /exclude each other/],
  ];
  for (const [change, field, reason] of cases) {
    assert.throws(
      () => checkRaftOptions({ ...OPTIONS, ...change }),
      (error) =>
        error instanceof VedetteError &&
        error.code === 'INVALID_ARGUMENT' &&
        error.field === field &&
        reason.test(error.message),
    );
  }
  checkRaftOptions({ ...OPTIONS, electionMinMs: 150, electionMaxMs: 180 });
  assert.throws(() => createNodes(['a'], { options: { ...OPTIONS, electionMinMs: 100 } }), VedetteError);
});

test('a member that the configuration does not name is removed; without a configuration it waits to be added', () => {
  const clock = createVirtualClock();
  const roleWith = (members: readonly BrokerId[]) =>
    createRaftNode({
      self: 'z' as BrokerId,
      group: 'control',
      members,
      clock,
      random: createRandom(1),
      log: createMemoryLog({ clock, disk: new Map() }),
      inspector: createInspector({ clock }),
      outbox: ({ message }) => assert.fail(message.type),
      machine: { apply: () => {} },
      options: OPTIONS,
      failed: () => {},
    }).status.role;
  assert.equal(roleWith(['a' as BrokerId]), 'removed');
  assert.equal(roleWith([]), 'learner');
  clock.advance(10_000);
});

test('the same seed gives the same run, message for message', () => {
  const trace = () => {
    const nodes = createNodes(THREE, { seed: 7 });
    const leader = nodes.elected();
    for (let n = 0; n < 5; n++) propose(leader, `x${n}`);
    nodes.crash(nodes.follower().id);
    nodes.clock.advance(2_000);
    return JSON.stringify(nodes.sent.map(({ message }) => message));
  };
  assert.equal(trace(), trace());
});

test.run();
