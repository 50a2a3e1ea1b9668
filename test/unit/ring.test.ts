import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerId, HostId } from '../../src/core/ids.ts';
import { layShards, shardOf } from '../../src/core/ring.ts';

const test = suite('ring');
const names = (count: number) => Array.from({ length: count }, (_, at) => `broker-${at + 1}` as BrokerId);

test('every shard has its replicas, on distinct brokers, none of them overloaded, leaders balanced', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 1, max: 5 }),
      (brokers, power, replicas) => {
        const shards = 2 ** power;
        const { replicas: laid } = layShards({ shards, brokers: names(brokers), replicas });
        const wanted = Math.min(replicas, brokers);
        assert.is(laid.length, shards);
        const held = new Map<string, number>();
        const leads = new Map<string, number>();
        for (const members of laid) {
          assert.is(members.length, wanted);
          assert.is(new Set(members).size, wanted);
          for (const member of members) held.set(member, (held.get(member) ?? 0) + 1);
          leads.set(members[0] ?? '', (leads.get(members[0] ?? '') ?? 0) + 1);
        }
        const limit = Math.ceil((1.1 * shards * wanted) / brokers);
        for (const [broker, count] of held)
          assert.ok(count <= limit + 1, `${broker} holds ${count}, the limit is ${limit}`);
        if (wanted === brokers) {
          const counts = names(brokers).map((name) => leads.get(name) ?? 0);
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `leaders ${counts}`);
        }
      },
    ),
  );
});

test('the layout depends on the set of brokers, not on their order', () => {
  const one = layShards({ shards: 32, brokers: names(5), replicas: 3 });
  const other = layShards({ shards: 32, brokers: names(5).toReversed(), replicas: 3 });
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
  assert.throws(() => layShards({ shards: 12, brokers: names(3), replicas: 3 }), /power of two/);
});

test.run();
