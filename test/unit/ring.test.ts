import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId, HostId } from '../../src/core/ids.ts';
import { layShards, shardOf } from '../../src/core/ring.ts';

const test = suite('ring');
const names = (count: number) => Array.from({ length: count }, (_, at) => `broker-${at + 1}` as BrokerId);

const tally = (of: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const name of of) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
};

test('every shard has its replicas, on distinct brokers, none of them overloaded, leaders balanced', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9.-]{0,11}$/), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 0, max: 9 }),
      fc.integer({ min: 1, max: 7 }),
      (brokers, power, replicas) => {
        const shards = 2 ** power;
        const { replicas: laid, version } = layShards({ shards, brokers: brokers as BrokerId[], replicas, version: 3 });
        const wanted = Math.min(replicas, brokers.length);
        assert.is(version, 3);
        assert.is(laid.length, shards);
        for (const members of laid) {
          assert.is(members.length, wanted);
          assert.is(new Set(members).size, wanted);
        }
        const held = tally(laid.flat());
        const leads = tally(laid.map(([first]) => first ?? ''));
        const limit = Math.ceil((1.1 * shards * wanted) / brokers.length);
        for (const [broker, count] of held)
          assert.ok(count <= limit, `${broker} holds ${count}, the limit is ${limit}`);
        const counts = brokers.map((name) => leads.get(name) ?? 0);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `leaders ${counts}`);
      },
    ),
    { numRuns: 300 },
  );
});

test('one more broker moves little more than the share that it gets', () => {
  for (const shards of [32, 64, 256, 1024]) {
    for (let brokers = 4; brokers <= 7; brokers++) {
      const before = layShards({ shards, brokers: names(brokers - 1), replicas: 3, version: 1 }).replicas;
      const after = layShards({ shards, brokers: names(brokers), replicas: 3, version: 1 }).replicas;
      const moved = after.flatMap((members, shard) => members.filter((member) => !before[shard]?.includes(member)));
      const most = (1.3 / brokers) * shards * 3;
      assert.ok(moved.length <= most, `${moved.length} of ${shards * 3} replicas moved to make ${brokers} brokers`);
    }
  }
});

test('a shard that nobody has room for finds it all the same', () => {
  // Found by laying many sets: both of the brokers that it asks last are full.
  for (const [shards, count, replicas] of [
    [16, 3, 2],
    [32, 4, 3],
    [8, 8, 5],
  ] as const)
    for (let set = 0; set < 500; set++) {
      const brokers = Array.from({ length: count }, (_, at) => `x${set}-${at}` as BrokerId);
      for (const members of layShards({ shards, brokers, replicas, version: 1 }).replicas)
        assert.is(new Set(members).size, replicas);
    }
});

test('the layout depends on the set of brokers, not on their order', () => {
  const one = layShards({ shards: 32, brokers: names(5), replicas: 3, version: 1 });
  const other = layShards({ shards: 32, brokers: names(5).toReversed(), replicas: 3, version: 1 });
  assert.equal(one, other);
});

test('placement is for ever', () => {
  assert.is(shardOf('vm' as HostId, 32), 21);
});

test('ten thousand hosts lie evenly over 64 shards', () => {
  const counts = new Array<number>(64).fill(0);
  for (let at = 0; at < 10_000; at++) {
    const shard = shardOf(`host-${at}` as HostId, 64);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  const mean = 10_000 / 64;
  // Five standard deviations of a fair throw.
  for (const count of counts) assert.ok(Math.abs(count - mean) < 5 * Math.sqrt(mean), `${counts}`);
});

test('a number of shards that is no power of two is refused', () => {
  assert.throws(() => layShards({ shards: 12, brokers: names(3), replicas: 3, version: 1 }), /power of two/);
});

test.run();
