// The moves of the shards that a broker leads: one step at a time for each, a few fetches and one handover at a time.
import { strict as assert } from 'node:assert';
import { suite } from 'uvu';
import { createShardMover } from '../../src/actors/cluster/shard-mover.ts';
import type { MembershipOutcome, RaftGroup } from '../../src/actors/raft-group.ts';
import type { Shard } from '../../src/actors/shard.ts';
import type { BrokerId, ShardId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { foundedBy, inForce, type MembershipTarget } from '../../src/machines/raft/membership.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeReplica, FakeLog, type FakeReplica } from '../support/fake-shard.ts';

const test = suite('shard mover');
const [a, b, c, d] = ['a', 'b', 'c', 'd'] as [BrokerId, BrokerId, BrokerId, BrokerId];
const { everyMs, fetchesMax, quietMs } = limits.moving;

interface Change {
  readonly shard: ShardId;
  readonly target: MembershipTarget;
  readonly done: (outcome: MembershipOutcome) => void;
}
interface Transfer {
  readonly shard: ShardId;
  readonly to: BrokerId;
  readonly done: (error: Error | null) => void;
}

/** Shards that this broker (a) leads with b and c, and what the layout wants of each. */
function world(wanted: BrokerId[][]) {
  const clock = createVirtualClock();
  const changes: Change[] = [];
  const transfers: Transfer[] = [];
  const replicas = new Map<ShardId, FakeReplica>();
  const shards = new Map<ShardId, Shard>();
  const links = new Set<BrokerId>([b, c, d]);
  const state = { wanted, knows: true };
  wanted.forEach((_, id) => {
    const replica = createFakeReplica({ log: new FakeLog(id), broker: a, clock, members: [a, b, c] });
    const raft: Partial<RaftGroup> = {
      keepsUp: () => true,
      changeMembership: (_seen, target, _timeout, done) => void changes.push({ shard: id, target, done }),
      transfer: (to, done) => void transfers.push({ shard: id, to, done }),
    };
    replica.setStatus({ role: 'leader', leader: a, serving: true, term: 2, commit: 9 });
    Object.assign(replica.raft, raft);
    replicas.set(id, replica);
    shards.set(id, replica);
  });
  const mover = createShardMover({
    self: a,
    shards,
    layouts: {
      get current() {
        return { version: 2, replicas: state.wanted };
      },
    },
    knowsMembers: () => state.knows,
    peers: {
      get views() {
        return [b, c, d].map((id) => ({
          id,
          state: links.has(id) ? 'up' : 'down',
          ...{ grpcAddress: '', httpAddress: '', incarnation: '', zone: '', refuses: false, cluster: null },
        }));
      },
    },
    clock,
  });
  return { clock, changes, transfers, replicas, links, state, mover };
}

test('where all is as wanted it asks for nothing', () => {
  const { clock, changes, transfers, mover } = world([[a, b, c]]);
  clock.advance(3 * quietMs);
  assert.deepEqual([changes, transfers], [[], []]);
  mover.stop();
});

test('one step at a time for each shard, and a few fetches at once', () => {
  const many = fetchesMax + 3;
  const { clock, changes, replicas, mover } = world(Array.from({ length: many }, () => [a, b, d]));
  clock.advance(5 * everyMs);
  assert.equal(changes.length, fetchesMax, 'the others wait, and none is asked twice');
  assert.ok(changes.every(({ target }) => target.joining.includes(d)));
  // The first is done: it fetches now, and counts.
  const fetching = { ...inForce(foundedBy([a, b, c])).configuration, learners: [d], joining: [d] };
  replicas.get(0)?.setStatus({ configuration: { index: 9, configuration: fetching } });
  changes[0]?.done({ outcome: 'changed', index: 9 });
  clock.advance(2 * everyMs);
  assert.equal(new Set(changes.map(({ shard }) => shard)).size, fetchesMax);
  mover.stop();
});

test('what was in vain is tried again at the next look', () => {
  const { clock, changes, mover } = world([[a, b, d]]);
  clock.advance(everyMs);
  changes[0]?.done({ outcome: 'notChanged', reason: 'busy', detail: '', leader: a });
  clock.advance(everyMs - 1);
  assert.equal(changes.length, 1);
  clock.advance(1);
  assert.equal(changes.length, 2);
  mover.stop();
});

test('who is away is neither fetched for nor waited for by others', () => {
  const { clock, changes, links, mover } = world([[a, b, d]]);
  links.delete(d);
  clock.advance(5 * everyMs);
  assert.deepEqual(changes, []);
  links.add(d);
  clock.advance(everyMs);
  assert.equal(changes.length, 1);
  mover.stop();
});

test('leadership moves by turn after a while of quiet, one shard at a time; in vain, not again at once', () => {
  const { clock, transfers, mover } = world([
    [b, a, c],
    [c, a, b],
  ]);
  clock.advance(quietMs);
  assert.equal(transfers.length, 0, 'its leader and the links are new');
  clock.advance(2 * everyMs);
  assert.deepEqual(
    transfers.map(({ shard, to }) => [shard, to]),
    [[0, 'b']],
  );
  transfers[0]?.done(new Error('it does not answer'));
  clock.advance(everyMs);
  assert.deepEqual(
    transfers.map(({ shard, to }) => [shard, to]),
    [
      [0, 'b'],
      [1, 'c'],
    ],
    'the next has its turn',
  );
  transfers[1]?.done(null);
  clock.advance(quietMs - 2 * everyMs);
  assert.equal(transfers.filter(({ shard }) => shard === 0).length, 1);
  mover.stop();
});

test('a link that was lost begins the quiet anew', () => {
  const { clock, transfers, links, mover } = world([[b, a, c]]);
  clock.advance(quietMs - everyMs);
  links.delete(b);
  clock.advance(everyMs);
  links.add(b);
  clock.advance(quietMs);
  assert.equal(transfers.length, 0);
  clock.advance(2 * everyMs);
  assert.equal(transfers.length, 1);
  mover.stop();
});

test('it moves nothing while it may not know who belongs to the cluster, of shards that it does not lead, and after its end', () => {
  const { clock, changes, replicas, state, mover } = world([[a, b, d]]);
  state.knows = false;
  clock.advance(3 * everyMs);
  state.knows = true;
  replicas.get(0)?.setStatus({ serving: false, role: 'follower', leader: b });
  clock.advance(3 * everyMs);
  replicas.get(0)?.setStatus({ serving: true, role: 'leader', leader: a });
  mover.stop();
  clock.advance(3 * everyMs);
  assert.deepEqual(changes, []);
});

test.run();
