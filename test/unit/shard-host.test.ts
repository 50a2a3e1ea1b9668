// The replicas of shards on a broker: which are opened, which of them serve, and what is let go when.
import { strict as assert } from 'node:assert';
import { suite } from 'uvu';
import { createShardHost } from '../../src/actors/cluster/shard-host.ts';
import type { LogWrite } from '../../src/actors/stores/log.ts';
import { type BrokerId, type GroupId, type ShardId, shardGroup } from '../../src/core/ids.ts';
import { foundedBy, inForce, type PlacedConfiguration } from '../../src/machines/raft/membership.ts';
import type { ShardLead } from '../../src/streams/envelope.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeReplica, FakeLog, type FakeReplica } from '../support/fake-shard.ts';

const test = suite('shard host');
const [a, b, c, d] = ['a', 'b', 'c', 'd'] as [BrokerId, BrokerId, BrokerId, BrokerId];
const at = (index: number, voters: readonly BrokerId[]): PlacedConfiguration => ({
  ...inForce(foundedBy(voters)),
  index,
});

interface Beginning {
  readonly logs?: readonly ShardId[];
  readonly snapshots?: readonly ShardId[];
}

function world(layout: BrokerId[][], { logs = [], snapshots = [] }: Beginning = {}) {
  const clock = createVirtualClock();
  const state = { knows: true, layout };
  const claims = new Map<ShardId, ShardLead>();
  const opened: ShardId[] = [];
  const removed: GroupId[] = [];
  const forgotten: GroupId[] = [];
  const writes: { readonly write: LogWrite; readonly synced: () => void }[] = [];
  const groups = new Set(snapshots.map(shardGroup));
  const replicas = new Map<ShardId, FakeReplica>();
  const host = createShardHost({
    self: a,
    clock,
    layouts: {
      get current() {
        return { version: 1, replicas: state.layout };
      },
      foundersOf: () => [],
    },
    log: { groups: logs.map(shardGroup), write: (write, synced) => void writes.push({ write, synced }) },
    snapshots: {
      store: { groups: () => [...groups] },
      forget(group) {
        groups.delete(group);
        forgotten.push(group);
      },
    },
    knowsMembers: () => state.knows,
    create(shard) {
      opened.push(shard);
      const replica = createFakeReplica({ log: new FakeLog(shard), broker: a, clock, members: [a, b, c] });
      replicas.set(shard, replica);
      return replica;
    },
    remove: (group) => void removed.push(group),
    claimOf: (shard) => claims.get(shard) ?? null,
  });
  const look = (): void => {
    host.look();
    clock.advance(0);
  };
  const replica = (shard: ShardId): FakeReplica => {
    const found = replicas.get(shard);
    assert.ok(found, `shard ${shard} was opened`);
    return found;
  };
  const claim = (shard: ShardId, configuration: PlacedConfiguration, settled = true): void =>
    void claims.set(shard, { shard, term: 3, configuration, settled });
  clock.advance(0);
  return { clock, host, state, claim, opened, removed, forgotten, writes, look, replica };
}

test('it opens what has a log here, and what the layout gives it once it knows who belongs to the cluster', () => {
  const { host, state, opened, look } = world([[b], [a, b], [a]], { logs: [0] });
  assert.deepEqual(opened, [0, 1, 2]);
  state.layout = [[b], [a, b], [a], [a]];
  state.knows = false;
  look();
  assert.equal(host.replicas.has(3), false);
  state.knows = true;
  look();
  assert.deepEqual(opened, [0, 1, 2, 3]);
  look();
  assert.deepEqual(opened.length, 4, 'once');
});

test('a replica in doubt does not serve, though it votes by its configuration; vouched for, it does', () => {
  const { host, replica } = world([[a, b, c]]);
  let changes = 0;
  host.changes.subscribe(() => changes++);
  assert.deepEqual([host.voting.has(0), host.serving.has(0)], [true, true]);
  replica(0).setStatus({ role: 'storageUncertain' });
  assert.deepEqual([host.replicas.has(0), host.voting.has(0), host.serving.has(0)], [true, true, false]);
  assert.equal(changes, 1);
  replica(0).setStatus({ role: 'follower' });
  assert.ok(host.serving.has(0));
});

test('a replica that only learns neither votes nor serves', () => {
  const { host, replica } = world([[a, b, c]]);
  replica(0).setStatus({ configuration: at(4, [b, c]) });
  assert.deepEqual([host.replicas.has(0), host.voting.has(0), host.serving.has(0)], [true, false, false]);
  replica(0).setStatus({ configuration: at(5, [a, b, c]) });
  assert.ok(host.serving.has(0));
});

test('it lets go what neither the layout nor the leader gives it: told first, forgotten durably, its snapshots last', () => {
  const { host, state, claim, removed, forgotten, writes, look } = world([[a, b, c]], { snapshots: [0] });
  state.layout = [[b, c, d]];
  look();
  assert.ok(host.serving.has(0), 'whoever leads has not said so');
  claim(0, at(7, [b, c, d]), false);
  look();
  assert.ok(host.serving.has(0), 'it is not committed');
  claim(0, at(7, [a, b, c]));
  look();
  assert.ok(host.serving.has(0), 'it belongs to the group');
  claim(0, at(7, [b, c, d]));
  let whenTold: boolean[] = [];
  host.changes.subscribe(() => {
    whenTold = [host.serving.has(0), removed.length > 0];
  });
  look();
  assert.deepEqual(whenTold, [false, false], 'those that it serves go on elsewhere before it goes');
  assert.deepEqual([removed, writes.map(({ write }) => write)], [['shard-0'], [{ group: 'shard-0', forget: true }]]);
  assert.deepEqual(forgotten, [], 'the log is not forgotten yet');
  writes[0]?.synced();
  assert.deepEqual(forgotten, ['shard-0']);
});

test('an older word of the leader than what is known here lets nothing go', () => {
  const { host, state, claim, replica, look } = world([[a, b, c]]);
  replica(0).setStatus({ configuration: at(9, [a, b, c]) });
  state.layout = [[b, c, d]];
  claim(0, at(7, [b, c, d]));
  look();
  assert.ok(host.serving.has(0));
});

test('what comes back while its log is being forgotten is opened when that is done', () => {
  const { host, state, claim, opened, writes, look } = world([[a, b, c]]);
  state.layout = [[b, c, d]];
  claim(0, at(7, [b, c, d]));
  look();
  state.layout = [[a, b, c]];
  look();
  assert.deepEqual([opened, host.replicas.size], [[0], 0]);
  writes[0]?.synced();
  look();
  assert.deepEqual([opened, host.replicas.size], [[0, 0], 1]);
});

test('snapshots that a process left behind are removed when the leader says that they are nobody’s here', () => {
  const { claim, forgotten, look } = world([[b, c, d]], { snapshots: [0] });
  look();
  assert.deepEqual(forgotten, []);
  claim(0, at(7, [b, c, d]));
  look();
  assert.deepEqual(forgotten, ['shard-0']);
});

test('after its end nothing is opened or forgotten', () => {
  const { host, state, claim, opened, forgotten, writes, look } = world([[a, b, c]]);
  state.layout = [[b, c, d]];
  claim(0, at(7, [b, c, d]));
  look();
  host.stop();
  writes[0]?.synced();
  state.layout = [[a], [a]];
  look();
  assert.deepEqual([opened, forgotten], [[0], []]);
});

test.run();
