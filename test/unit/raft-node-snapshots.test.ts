// A member's snapshots in the world: taken, compacted behind, restored from, sent, on virtual time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytes, createNodes } from '../support/raft-nodes.ts';

const test = suite('raft node snapshots');
const LIMITS = { everyBytes: 1_000, horizonMs: 1e9, tailBytesMax: 500, tailBytesMin: 0 };
type Nodes = ReturnType<typeof createNodes>;

let written = 0;
/** Each in a turn of its own, by whoever leads; all applied there. */
function write(nodes: Nodes, count: number): string[] {
  const leader = nodes.elected();
  return Array.from({ length: count }, () => {
    const content = `w${++written}`.padEnd(60, '.');
    let applied = false;
    leader.group.propose(bytes(content), 5_000, ({ outcome }) => (applied = outcome === 'applied'));
    nodes.until(() => applied, `${content} is applied`);
    return content;
  });
}

const firstOf = (nodes: Nodes, name: string) => nodes.node(name).group.status.firstIndex;
const hasAll = (nodes: Nodes, name: string, all: readonly string[]) => () =>
  JSON.stringify(nodes.applied(name)) === JSON.stringify(all);

test('a log stays about as long as its limits say, on every member, and a restart begins with the snapshot', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const all = write(nodes, 100);
  for (const name of ['a', 'b', 'c']) {
    nodes.until(hasAll(nodes, name, all), 'all applied');
    const { firstIndex, lastIndex } = nodes.node(name).group.status;
    assert.ok(firstIndex > 20 && lastIndex - firstIndex < 70, `${name}: ${firstIndex} … ${lastIndex}`);
    assert.is(nodes.node(name).store?.kept('control').length, 2);
  }
  for (const name of ['a', 'b', 'c']) nodes.crash(name);
  for (const name of ['a', 'b', 'c']) nodes.restart(name);
  for (const name of ['a', 'b', 'c']) assert.ok(nodes.applied(name).length > 60, 'at once, from the snapshot');
  all.push(...write(nodes, 3));
  for (const name of ['a', 'b', 'c']) nodes.until(hasAll(nodes, name, all), 'nothing twice, nothing missing');
});

test('a broken snapshot at start: the older one and the log make the same state', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const all = write(nodes, 60);
  nodes.until(hasAll(nodes, 'b', all), 'b has all');
  const [newest, older] = nodes.node('b').store?.kept('control') ?? [];
  assert.ok(newest && older);
  nodes.crash('b');
  nodes.node('b').files.damage(newest.path, (newest.offsets[2] ?? 0) + 12, (byte) => byte ^ 1);
  nodes.restart('b');
  assert.is(nodes.node('b').store?.newest('control')?.meta.index, older.meta.index);
  nodes.until(hasAll(nodes, 'b', all), 'the same state');
});

/** In a chunk of each: their headers are whole. */
function damageSnapshots(nodes: Nodes, name: string): void {
  for (const { path, offsets } of nodes.node(name).store?.kept('control') ?? [])
    nodes.node(name).files.damage(path, (offsets[0] ?? 0) + 12, (byte) => byte ^ 1);
}

function removeSnapshots(nodes: Nodes, name: string): void {
  for (const { path } of nodes.node(name).store?.kept('control') ?? []) nodes.node(name).files.remove(path);
}

test('no whole snapshot holds what has left the log: the member forgets the rest, says so, and is repaired by the leader', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const leader = nodes.elected();
  const other = ['a', 'b', 'c'].find((name) => name !== leader.id) ?? '';
  const all = write(nodes, 60);
  nodes.until(() => firstOf(nodes, other) > 1, 'it compacts');
  nodes.crash(other);
  damageSnapshots(nodes, other);
  nodes.restart(other);
  const { group, warnings } = nodes.node(other);
  assert.is(group.status.role, 'storageUncertain');
  assert.is(group.status.lastIndex, 0);
  assert.match(
    warnings.join(),
    /the log of control begins at entry \d+, and no snapshot holds what was before: all of it is forgotten/,
  );
  nodes.until(() => leader.deliveries.length > 0, 'a snapshot is asked for');
  nodes.deliver(leader.id);
  nodes.until(hasAll(nodes, other, all), 'it has everything again');
  all.push(...write(nodes, 3));
  nodes.until(hasAll(nodes, other, all), 'and goes on');
  nodes.until(() => nodes.node(other).group.status.role === 'follower', 'the leader has vouched for it');
});

test('the same where nobody else votes: the member does not start, and its log stays', () => {
  const nodes = createNodes(['a'], { snapshots: LIMITS });
  write(nodes, 60);
  nodes.until(() => firstOf(nodes, 'a') > 1, 'a compacts');
  nodes.crash('a');
  damageSnapshots(nodes, 'a');
  assert.throws(() => nodes.restart('a'), /no snapshot holds what was before; nobody else has it/);
  assert.throws(() => nodes.restart('a'), /no snapshot holds what was before/, 'and again');
});

test('who votes is told by the damaged snapshot, not by who founded the group', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const leader = nodes.elected();
  let outcome = '';
  const target = { voters: [leader.id], learners: [], joining: [] };
  leader.group.changeMembership(
    leader.group.status.configuration.index,
    target,
    5_000,
    (end) => (outcome = end.outcome),
  );
  nodes.until(() => outcome === 'changed', 'the leader is left alone');
  nodes.until(() => leader.group.status.configuration.configuration.outgoing.length === 0, 'for good');
  write(nodes, 80);
  nodes.until(() => firstOf(nodes, leader.id) > leader.group.status.configuration.index, 'and that has left its log');
  nodes.crash(leader.id);
  damageSnapshots(nodes, leader.id);
  assert.throws(() => nodes.restart(leader.id), /nobody else has it\. Its log was not changed/);
});

test('where there is no snapshot at all, nothing is forgotten: it may be put back', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  write(nodes, 60);
  nodes.until(() => firstOf(nodes, 'b') > 1, 'b compacts');
  nodes.crash('b');
  removeSnapshots(nodes, 'b');
  assert.throws(
    () => nodes.restart('b'),
    /no snapshot holds what was before: there is none\. Its log was not changed: put the snapshots back; or/,
  );
});

test('one asked for: it says how far it reaches; nothing new makes no other; without snapshots it is refused', () => {
  const nodes = createNodes(['a'], { snapshots: { ...LIMITS, everyBytes: 1e9 } });
  write(nodes, 5);
  const { group, store } = nodes.node('a');
  const told: unknown[] = [];
  const ask = () => group.snapshot((error, index) => told.push(error ?? index));
  ask();
  ask();
  assert.equal(told, []);
  nodes.until(() => told.length === 2, 'told');
  assert.equal(told, [6, 6]);
  ask();
  nodes.until(() => told.length === 3, 'told again');
  assert.is(told[2], 6);
  assert.is(store?.kept('control').length, 1);
  const without = createNodes(['a']);
  without.elected();
  let refusal = '';
  without.node('a').group.snapshot((error) => (refusal = error?.message ?? ''));
  without.until(() => refusal !== '', 'refused');
  assert.match(refusal, /no snapshots are taken/);
});

/** `c` is away until what it needs has left the log; its leader is asked to send a snapshot. */
function straggling(nodes: Nodes) {
  const leader = nodes.elected();
  const names = ['a', 'b', 'c'].filter((name) => name !== leader.id);
  const straggler = names[0] ?? '';
  const all = write(nodes, 3);
  nodes.until(hasAll(nodes, straggler, all), 'a beginning');
  nodes.isolate(straggler);
  all.push(...write(nodes, 60));
  nodes.until(() => firstOf(nodes, leader.id) > 10, 'the log has moved on');
  nodes.heal();
  nodes.until(() => leader.deliveries.length > 0, 'a snapshot is asked for');
  return { leader, straggler, other: names[1] ?? '', all };
}

test('a slow follower: a snapshot, then the entries behind the base; those that the state holds are not applied again', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const { leader, straggler, all } = straggling(nodes);
  nodes.deliver(leader.id);
  nodes.until(hasAll(nodes, straggler, all), 'it has caught up');
  assert.is(firstOf(nodes, straggler), firstOf(nodes, leader.id), 'its log begins where the leader’s does');
  all.push(...write(nodes, 40));
  nodes.until(hasAll(nodes, straggler, all), 'and goes on');
});

test('writes go on while a snapshot is on its way, and compaction waits for it', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const { leader, straggler, all } = straggling(nodes);
  const sent = leader.deliveries[0]?.snapshot.meta.index ?? 0;
  let held = true;
  nodes.deliver(leader.id, () => held);
  all.push(...write(nodes, 100));
  assert.ok(firstOf(nodes, leader.id) <= sent + 1, 'the log still begins behind what is being sent');
  assert.ok((leader.store?.newest('control')?.meta.index ?? 0) > sent, 'though newer ones were taken');
  held = false;
  nodes.until(hasAll(nodes, straggler, all), 'it has caught up');
});

test('a transfer that fails is asked for again', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const { leader, straggler, all } = straggling(nodes);
  leader.deliveries.shift()?.done(false);
  nodes.until(() => leader.deliveries.length > 0, 'again');
  nodes.deliver(leader.id);
  nodes.until(hasAll(nodes, straggler, all), 'it has caught up');
});

test('the leader goes in the middle: what arrives is no longer wanted, and the next leader begins its own', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const { leader, straggler, other, all } = straggling(nodes);
  nodes.until(hasAll(nodes, other, all), 'the other one has all');
  const [delivery] = leader.deliveries;
  assert.ok(delivery?.isWanted());
  nodes.crash(leader.id);
  assert.not(delivery?.isWanted());
  const next = nodes.node(other);
  nodes.until(() => next.deliveries.length > 0, 'the next leader sends one', 20_000);
  nodes.deliver(other);
  nodes.until(hasAll(nodes, straggler, all), 'it has caught up');
});

test('the follower restarts when the snapshot is durable, and before its log has begun anew', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const { leader, straggler, all } = straggling(nodes);
  nodes.node(straggler).log.hang();
  nodes.deliver(leader.id);
  nodes.until(() => firstOf(nodes, straggler) > 10, 'the chart has begun anew');
  nodes.crash(straggler);
  nodes.restart(straggler);
  assert.is(firstOf(nodes, straggler), 1, 'the log has not');
  assert.ok(nodes.applied(straggler).length > 10, 'the state has: it is that of the snapshot');
  nodes.until(() => leader.deliveries.length > 0, 'it is offered again');
  nodes.deliver(leader.id);
  nodes.until(hasAll(nodes, straggler, all), 'it has caught up');
});

test('a longer log that conflicts gives way to the snapshot', () => {
  const nodes = createNodes(['a', 'b', 'c'], { snapshots: LIMITS });
  const old = nodes.elected();
  const all = write(nodes, 3);
  for (const name of ['a', 'b', 'c']) nodes.until(hasAll(nodes, name, all), 'a beginning');
  nodes.isolate(old.id);
  let unknown = 0;
  for (let at = 0; at < 90; at++) old.group.propose(bytes(`lost ${at}`), 100, () => unknown++);
  nodes.until(() => unknown === 90, 'nothing of it is settled');
  nodes.until(() => nodes.leader()?.id !== old.id && nodes.leader() !== undefined, 'another leads');
  const leader = nodes.leader();
  assert.ok(leader);
  for (let at = 0; at < 60; at++) {
    const content = `kept ${at}`.padEnd(60, '.');
    let applied = false;
    leader.group.propose(bytes(content), 5_000, ({ outcome }) => (applied = outcome === 'applied'));
    nodes.until(() => applied, content);
    all.push(content);
  }
  nodes.until(() => firstOf(nodes, leader.id) > 10, 'the log has moved on');
  assert.ok(old.group.status.lastIndex > 90);
  nodes.heal();
  nodes.until(() => leader.deliveries.length > 0, 'a snapshot is asked for');
  nodes.deliver(leader.id);
  nodes.until(hasAll(nodes, old.id, all), 'it has caught up');
});

test.run();
