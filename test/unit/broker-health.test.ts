// Whether a broker may be sent work.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createHealth } from '../../src/actors/cluster/broker-health.ts';
import type { Shard } from '../../src/actors/shard.ts';
import { type BrokerId, type ClusterId, type ShardId, shardGroup } from '../../src/core/ids.ts';
import { createFakeRaft } from '../support/fake-raft.ts';

const A = 'a' as BrokerId;
const [ZERO, ONE] = [0 as ShardId, 1 as ShardId];

function create() {
  const control = createFakeRaft('control', [A], { apply() {} });
  const rafts = [ZERO, ONE].map((shard) => createFakeRaft(shardGroup(shard), [A], { apply() {} }));
  const all = [control, ...rafts];
  const world = { state: 'joining', cluster: null as ClusterId | null, log: { full: false } };
  const health = createHealth({
    state: () => world.state,
    cluster: () => world.cluster,
    control,
    shards: new Map(rafts.map((raft, at) => [at as ShardId, { raft } as unknown as Shard])),
    log: world.log,
  });
  return { control, rafts, all, world, health };
}

test('it says what is missing, and is ready when nothing is', () => {
  const { control, rafts, all, world, health } = create();
  assert.deepEqual(health().reasons, [
    'the cluster is not founded yet',
    'the control group has no leader',
    'no leader for 2 of 2 shards (shard-0, shard-1)',
  ]);
  world.cluster = 'c' as ClusterId;
  control.become({ leader: A, commit: 1, applied: 1 });
  rafts[0]?.become({ leader: A, commit: 3, applied: 1 });
  assert.deepEqual(health().reasons, ['no leader for 1 of 2 shards (shard-1)']);
  rafts[1]?.become({ leader: A });
  assert.deepEqual(health().reasons, ['2 of 3 logs are still being applied'], 'one knows of no commit yet');
  rafts[0]?.become({ applied: 3 });
  rafts[1]?.become({ commit: 2, applied: 2 });
  assert.deepEqual(health(), { ready: true, reasons: [] });
  world.state = 'serving';
  assert.ok(health().ready);
  world.log.full = true;
  assert.deepEqual(health().reasons, ['the disk is full: writes are refused']);
  world.log.full = false;
  world.state = 'stopping';
  assert.deepEqual(health().reasons, ['the broker is stopping']);
  assert.equal(all.length, 3);
});

test('to have caught up is for good; a leader that is gone is not', () => {
  const { all, rafts, world, health } = create();
  world.cluster = 'c' as ClusterId;
  for (const raft of all) raft.become({ leader: A, commit: 1, applied: 1 });
  assert.ok(health().ready);
  rafts[0]?.become({ commit: 9 });
  assert.ok(health().ready, 'what is about to be applied is no reason to send clients elsewhere');
  rafts[0]?.become({ leader: null });
  assert.equal(health().ready, false);
});

test.run();
