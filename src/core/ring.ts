// Hosts to shards by hash; shards to brokers by a consistent-hash ring with virtual nodes and bounded load (Karger et al. 1997;
// Mirrokni, Thorup and Zadimoghaddam 2018).
//
// Invariants
//   1. Each shard has min(replicas, brokers) replicas, on distinct brokers.
//   2. No broker has more than ceil(1.1 × mean) replicas, and the numbers of shards that brokers are to lead are within one of each
//      other.
//   3. The layout depends on the set of brokers alone, not on the order in which they are named, and one more broker moves little
//      more than the share that it gets.
import { assert } from './assert.ts';
import { hash32 } from './hash.ts';
import type { BrokerId, HostId, ShardId } from './ids.ts';

/** @param shards a power of two. */
export function shardOf(host: HostId, shards: number): ShardId {
  return hash32(host) & (shards - 1);
}

export interface Layout {
  /** Of the membership that it is for. */
  readonly version: number;
  /** By shard: its replicas in the ring's order; the first is the one to lead when all are well. */
  readonly replicas: readonly (readonly BrokerId[])[];
}

const VIRTUAL_NODES = 64;

interface Point {
  readonly at: number;
  readonly broker: BrokerId;
}

/** Brokers that are leaving, or are gone, are not among `brokers`. */
export function layShards(options: {
  readonly shards: number;
  readonly brokers: readonly BrokerId[];
  readonly replicas: number;
  readonly version: number;
}): Layout {
  const brokers = [...new Set(options.brokers)].sort();
  assert(brokers.length > 0, 'a ring has at least one broker');
  assert(options.shards > 0 && (options.shards & (options.shards - 1)) === 0, 'the number of shards is a power of two');
  const wanted = Math.min(options.replicas, brokers.length);
  const ring = pointsOf(brokers);
  const laying: Laying = {
    wanted,
    limit: Math.ceil((1.1 * options.shards * wanted) / brokers.length),
    held: new Map(brokers.map((broker) => [broker, 0])),
    laid: [],
  };
  for (let shard = 0; shard < options.shards; shard++) laying.laid.push(pick(ring, shard, laying));
  return { version: options.version, replicas: balanceLeaders(laying) };
}

interface Laying {
  /** Replicas of each shard. */
  readonly wanted: number;
  /** Replicas that one broker may hold. */
  readonly limit: number;
  readonly held: Map<BrokerId, number>;
  readonly laid: BrokerId[][];
}

function pointsOf(brokers: readonly BrokerId[]): Point[] {
  const points = brokers.flatMap((broker) =>
    Array.from({ length: VIRTUAL_NODES }, (_, node) => ({ at: hash32(`${broker}#${node}`), broker })),
  );
  return points.sort((a, b) => a.at - b.at || (a.broker < b.broker ? -1 : 1));
}

/** The next distinct brokers with room, clockwise. */
function pick(ring: readonly Point[], shard: ShardId, laying: Laying): BrokerId[] {
  const { wanted, held } = laying;
  const start = hash32(`shard-${shard}`);
  const first = Math.max(
    0,
    ring.findIndex(({ at }) => at >= start),
  );
  const chosen: BrokerId[] = [];
  const full: BrokerId[] = [];
  for (let step = 0; step < ring.length && chosen.length < wanted; step++) {
    const broker = ring[(first + step) % ring.length]?.broker;
    if (broker === undefined || chosen.includes(broker) || full.includes(broker)) continue;
    (count(held, broker) < laying.limit ? chosen : full).push(broker);
  }
  for (const broker of full) if (chosen.length < wanted && makeRoom(broker, chosen, laying)) chosen.push(broker);
  assert(chosen.length === wanted, () => `shard ${shard} has its replicas`);
  for (const broker of chosen) held.set(broker, count(held, broker) + 1);
  return chosen;
}

/**
 * When too few brokers have room for the last shards: a full one hands an earlier shard to one that has room to spare beyond the
 * shard that is being laid.
 */
function makeRoom(full: BrokerId, chosen: readonly BrokerId[], { laid, held, limit }: Laying): boolean {
  for (const [heir, load] of held) {
    if (heir === full || load + (chosen.includes(heir) ? 1 : 0) >= limit) continue;
    const shard = laid.findIndex((members) => members.includes(full) && !members.includes(heir));
    if (shard < 0) continue;
    laid[shard] = (laid[shard] ?? []).map((member) => (member === full ? heir : member));
    held.set(full, count(held, full) - 1);
    held.set(heir, load + 1);
    return true;
  }
  return false;
}

/** Puts a leader first in each shard: whoever leads least so far, then mended until all are within one of each other. */
function balanceLeaders({ laid, held, limit }: Laying): BrokerId[][] {
  const leads = new Map<BrokerId, number>([...held.keys()].map((broker) => [broker, 0]));
  const leaders = laid.map((members) => {
    const [leader] = members.toSorted((a, b) => count(leads, a) - count(leads, b));
    assert(leader !== undefined, 'a shard has a replica');
    leads.set(leader, count(leads, leader) + 1);
    return leader;
  });
  const brokers = [...held.keys()];
  const replace = (from: BrokerId, to: BrokerId): boolean => {
    const shard = leaders.findIndex((leader, at) => leader === from && !laid[at]?.includes(to));
    if (count(leads, from) - count(leads, to) < 2 || count(held, to) >= limit || shard < 0) return false;
    laid[shard] = (laid[shard] ?? []).map((member) => (member === from ? to : member));
    leaders[shard] = to;
    for (const table of [held, leads]) table.set(from, count(table, from) - 1).set(to, count(table, to) + 1);
    return true;
  };
  // Where the replicas as they lie do not allow it, which only happens to a few shards, one of them moves.
  while (
    brokers.some((from) => relieve(from, laid, leaders, leads)) ||
    brokers.some((from) => brokers.some((to) => replace(from, to)))
  );
  return laid.map((members, shard) => {
    const leader = leaders[shard];
    return members.toSorted((a, b) => Number(b === leader) - Number(a === leader));
  });
}

/** Hands shards on from replica to replica, by the shortest way, until one that leads at least two fewer has one more. */
function relieve(
  from: BrokerId,
  replicas: readonly (readonly BrokerId[])[],
  leaders: BrokerId[],
  leads: Map<BrokerId, number>,
): boolean {
  /** Which shard would come to each broker, and from whom. */
  const ways = new Map<BrokerId, { readonly shard: ShardId; readonly giver: BrokerId } | null>([[from, null]]);
  for (const [giver] of ways) {
    for (const [shard, members] of replicas.entries()) {
      if (leaders[shard] !== giver) continue;
      for (const heir of members) if (!ways.has(heir)) ways.set(heir, { shard, giver });
    }
    if (count(leads, giver) > count(leads, from) - 2) continue;
    leads.set(from, count(leads, from) - 1);
    leads.set(giver, count(leads, giver) + 1);
    let heir = giver;
    for (let way = ways.get(heir) ?? null; way !== null; way = ways.get(heir) ?? null) {
      leaders[way.shard] = heir;
      heir = way.giver;
    }
    return true;
  }
  return false;
}

function count(table: ReadonlyMap<BrokerId, number>, broker: BrokerId): number {
  return table.get(broker) ?? 0;
}
