// Hosts to shards by hash; shards to brokers by a consistent-hash ring with virtual nodes and bounded load (Karger et al. 1997;
// Mirrokni, Thorup and Zadimoghaddam 2018).
//
// Invariants
//   1. Each shard has min(replicas, brokers) replicas, on distinct brokers.
//   2. No broker has more than ceil(1.1 × mean) replicas, and none leads more than one shard above the mean.
//   3. The layout depends on the set of brokers alone, not on the order in which they are named.
import { assert } from './assert.ts';
import { hash32 } from './hash.ts';
import type { BrokerId, HostId, ShardId } from './ids.ts';

/** @param shards a power of two. */
export function shardOf(host: HostId, shards: number): ShardId {
  return hash32(host) & (shards - 1);
}

export interface Layout {
  readonly version: number;
  /** By shard: its replicas in the ring's order; the first is the one to lead when all are well. */
  readonly replicas: readonly (readonly BrokerId[])[];
}

const VIRTUAL_NODES = 64;

interface Point {
  readonly at: number;
  readonly broker: BrokerId;
}

export function layShards(options: {
  readonly shards: number;
  readonly brokers: readonly BrokerId[];
  readonly replicas: number;
}): Layout {
  const brokers = [...new Set(options.brokers)].sort();
  assert(brokers.length > 0, 'a ring has at least one broker');
  assert(options.shards > 0 && (options.shards & (options.shards - 1)) === 0, 'the number of shards is a power of two');
  const wanted = Math.min(options.replicas, brokers.length);
  const ring = pointsOf(brokers);
  const replicaLimit = Math.ceil((1.1 * options.shards * wanted) / brokers.length);
  const held = new Map<BrokerId, number>(brokers.map((broker) => [broker, 0]));
  const replicas = Array.from({ length: options.shards }, (_, shard) => pick(ring, shard, wanted, replicaLimit, held));
  return { version: 1, replicas: balanceLeaders(replicas, brokers) };
}

function pointsOf(brokers: readonly BrokerId[]): Point[] {
  const points = brokers.flatMap((broker) =>
    Array.from({ length: VIRTUAL_NODES }, (_, node) => ({ at: hash32(`${broker}#${node}`), broker })),
  );
  return points.sort((a, b) => a.at - b.at || (a.broker < b.broker ? -1 : 1));
}

/** The next distinct brokers with room, clockwise; where too few have room, those with the least load. */
function pick(
  ring: readonly Point[],
  shard: ShardId,
  wanted: number,
  limit: number,
  held: Map<BrokerId, number>,
): BrokerId[] {
  const start = hash32(`shard-${shard}`);
  const first = Math.max(
    0,
    ring.findIndex(({ at }) => at >= start),
  );
  const chosen: BrokerId[] = [];
  const full: BrokerId[] = [];
  for (let step = 0; step < ring.length && chosen.length < wanted; step++) {
    const broker = ring[(first + step) % ring.length]?.broker;
    if (broker === undefined || chosen.includes(broker)) continue;
    if ((held.get(broker) ?? 0) < limit) chosen.push(broker);
    else if (!full.includes(broker)) full.push(broker);
  }
  full.sort((a, b) => (held.get(a) ?? 0) - (held.get(b) ?? 0));
  for (const broker of full) if (chosen.length < wanted && !chosen.includes(broker)) chosen.push(broker);
  for (const broker of chosen) held.set(broker, (held.get(broker) ?? 0) + 1);
  return chosen;
}

/** Puts first, in each shard, the replica that leads least so far: leaders end within one of each other where replicas allow. */
function balanceLeaders(replicas: readonly (readonly BrokerId[])[], brokers: readonly BrokerId[]): BrokerId[][] {
  const leads = new Map<BrokerId, number>(brokers.map((broker) => [broker, 0]));
  return replicas.map((members) => {
    const [leader] = [...members].sort((a, b) => (leads.get(a) ?? 0) - (leads.get(b) ?? 0));
    assert(leader !== undefined, 'a shard has a replica');
    leads.set(leader, (leads.get(leader) ?? 0) + 1);
    return [leader, ...members.filter((member) => member !== leader)];
  });
}
