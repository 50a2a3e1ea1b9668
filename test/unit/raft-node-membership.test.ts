// Members with their actors, stores and snapshots, on virtual time: who belongs to a group changes, leadership is handed over, a
// directory is lost.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { MembershipOutcome } from '../../src/actors/raft-group.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { MembershipTarget } from '../../src/machines/raft/membership.ts';
import { createNodes, outcomeOf } from '../support/raft-nodes.ts';

type Nodes = ReturnType<typeof createNodes>;
type TestNode = ReturnType<Nodes['elected']>;

const ids = (...names: string[]) => names.map((name) => name as BrokerId);
const text = new TextEncoder();

function write(nodes: Nodes, leader: TestNode, data: string): void {
  const outcome = outcomeOf((done) => leader.group.propose(text.encode(data), 5_000, done));
  nodes.until(() => outcome.value?.outcome === 'applied', `${data} is applied`);
}

function change(leader: TestNode, target: Partial<MembershipTarget>): MembershipOutcome[] {
  const { index, configuration } = leader.group.status.configuration;
  const outcomes: MembershipOutcome[] = [];
  leader.group.changeMembership(index, { ...configuration, ...target }, 5_000, (outcome) => outcomes.push(outcome));
  assert.deepEqual(outcomes, [], 'never synchronously');
  return outcomes;
}

const votersOf = (nodes: Nodes, name: string) => nodes.node(name).group.status.configuration.configuration.voters;

test('a member joins by a snapshot, becomes a voter by itself, and knows it after a restart', () => {
  const nodes = createNodes(['a', 'b', 'c', 'd'], {
    founders: ['a', 'b', 'c'],
    snapshots: { everyBytes: 64, tailBytesMin: 0, tailBytesMax: 64, horizonMs: 0 },
  });
  nodes.until(() => nodes.leader() !== undefined, 'a leader');
  const leader = nodes.leader();
  assert.ok(leader);
  for (let n = 0; n < 20; n++) write(nodes, leader, `number ${n}`);
  nodes.until(() => leader.group.status.firstIndex > 1, 'the beginning has left the log');
  assert.equal(nodes.node('d').group.status.role, 'learner');
  const outcomes = change(leader, { learners: ids('d'), joining: ids('d') });
  nodes.until(() => leader.deliveries.length > 0, 'a snapshot is sent');
  assert.equal(outcomes[0]?.outcome, 'changed');
  nodes.deliver(leader.id);
  nodes.until(() => votersOf(nodes, 'd').length === 4, 'd is a voter, as far as it knows');
  assert.deepEqual(nodes.node('d').group.members, ids('a', 'b', 'c', 'd'));
  nodes.until(() => nodes.applied('d').length === 20, 'all of it');
  nodes.clock.advance(100);
  nodes.crash('d');
  nodes.restart('d');
  assert.deepEqual(votersOf(nodes, 'd'), ids('a', 'b', 'c', 'd'));
  write(nodes, leader, 'afterwards');
  nodes.until(() => nodes.applied('d').at(-1) === 'afterwards', 'it follows');
});

test('a member that does not know yet who votes takes no snapshot', () => {
  const nodes = createNodes(['a', 'b', 'c', 'd'], {
    founders: ['a', 'b', 'c'],
    snapshots: { everyBytes: 64, tailBytesMin: 0, tailBytesMax: 1e9, horizonMs: 1e9 },
  });
  nodes.until(() => nodes.leader() !== undefined, 'a leader');
  const leader = nodes.leader();
  assert.ok(leader);
  for (let n = 0; n < 20; n++) write(nodes, leader, `number ${n}`.padEnd(100_000));
  change(leader, { learners: ids('d') });
  const named = () => nodes.node('d').store?.newest('control')?.meta.configuration.configuration.voters.length;
  const taken = new Set<number | undefined>();
  const until = (count: number, isThere: boolean) =>
    nodes.until(() => {
      taken.add(named());
      return nodes.applied('d').length === count && (named() !== undefined || !isThere);
    }, `d has all ${count}`);
  until(20, false);
  write(nodes, leader, 'one more'.padEnd(100_000));
  until(21, true);
  assert.deepEqual([...taken], [undefined, 3], 'each names voters');
});

test('a configuration survives in a snapshot when its entry has left the log', () => {
  const nodes = createNodes(['a', 'b', 'c'], {
    snapshots: { everyBytes: 64, tailBytesMin: 0, tailBytesMax: 64, horizonMs: 0 },
  });
  const leader = nodes.elected();
  const gone = nodes.follower().id;
  const outcomes = change(leader, { voters: ids('a', 'b', 'c').filter((id) => id !== gone) });
  nodes.until(() => nodes.node(gone).group.status.role === 'removed', 'it knows that it is out');
  assert.equal(outcomes[0]?.outcome, 'changed');
  const { index } = leader.group.status.configuration;
  for (let n = 0; n < 20; n++) write(nodes, leader, `number ${n}`);
  nodes.until(() => leader.group.status.firstIndex > index, 'its entry has left the log');
  nodes.crash(leader.id);
  nodes.restart(leader.id);
  assert.deepEqual(
    votersOf(nodes, leader.id),
    ids('a', 'b', 'c').filter((id) => id !== gone),
  );
});

test('changes that cannot be end at once, and say why; those of a leader without a quorum stay unknown', () => {
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  const follower = nodes.follower();
  const notLeader = change(follower, { voters: ids('a') });
  const invalid = change(leader, { voters: [] });
  nodes.clock.advance(1);
  assert.deepEqual(notLeader, [{ outcome: 'notChanged', reason: 'notLeader', detail: '', leader: leader.id }]);
  assert.match(JSON.stringify(invalid), /"invalid","detail":"a group needs a voter"/);
  nodes.isolate(leader.id);
  const cutOff = change(leader, { voters: ids('a', 'b') });
  nodes.clock.advance(5_000);
  assert.deepEqual(cutOff, [{ outcome: 'unknown' }]);
  nodes.heal();
  const other = nodes.elected();
  assert.equal(other.group.status.configuration.configuration.voters.length, 3, 'it was overwritten');
  const open = change(other, { voters: ids('a', 'b') });
  other.group.stop();
  assert.deepEqual(open, [{ outcome: 'unknown' }]);
});

test('leadership is handed over, and who asked is told', () => {
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  const target = nodes.follower();
  const answers: (Error | null)[] = [];
  leader.group.transfer(target.id, (error) => answers.push(error));
  assert.equal(answers.length, 0, 'never synchronously');
  nodes.until(() => answers.length === 1, 'an answer');
  assert.equal(answers[0], null);
  assert.equal(nodes.elected().id, target.id);

  leader.group.transfer(leader.id, (error) => answers.push(error));
  target.group.transfer('x' as BrokerId, (error) => answers.push(error));
  nodes.until(() => answers.length === 3, 'answers');
  assert.match(String(answers[1]), /does not lead|called off/);
  assert.ok(answers[2] instanceof VedetteError && answers[2].code === 'FAILED_PRECONDITION');
  assert.match(String(answers[2]), /leadership of control was not handed to x: it is no voter/);

  nodes.isolate(target.id);
  target.group.transfer(leader.id, (error) => answers.push(error));
  nodes.until(() => answers.length === 4, 'an end');
  assert.ok(answers[3] instanceof VedetteError && answers[3].code === 'UNAVAILABLE');
});

test('a member whose directory was lost is restored by the others, and does not vote before', () => {
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  write(nodes, leader, 'x');
  const lost = nodes.follower().id;
  nodes.wipe(lost);
  assert.equal(nodes.node(lost).group.status.role, 'storageUncertain');
  nodes.clock.advance(1);
  nodes.crash(lost);
  nodes.restart(lost);
  assert.equal(nodes.node(lost).group.status.role, 'storageUncertain', 'it does not forget that');
  nodes.until(() => nodes.node(lost).group.status.role === 'follower', 'a leader vouches for it');
  assert.deepEqual(nodes.applied(lost), ['x']);
  nodes.clock.advance(100);
  nodes.crash(lost);
  nodes.restart(lost);
  assert.equal(nodes.node(lost).group.status.role, 'follower');
});

test('a leader whose disk hangs is replaced', () => {
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  leader.log.hang();
  leader.group.propose(text.encode('x'), 60_000, () => {});
  nodes.until(() => nodes.leader() !== undefined && nodes.leader()?.id !== leader.id, 'another one leads');
});

test.run();
