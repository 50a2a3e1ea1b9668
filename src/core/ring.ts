// Hosts to shards by hash; shards to brokers by rank (rendezvous hashing: Thaler and Ravishankar 1998) with bounded load.
//
// Each shard ranks the brokers by a hash of both. It asks them in that order for a place; a broker that is full keeps the shards that
// rank it highest, and the one that must go asks on (deferred acceptance: Gale and Shapley 1962). What comes of it does not depend on
// who asks first, and one more broker takes the shards that rank it highest, and hardly moves others.
//
// Invariants
//   1. Each shard has min(replicas, brokers) replicas, on distinct brokers.
//   2. No broker has more than ceil(1.1 × mean) replicas, and the numbers of shards that brokers are to lead are within one of each
//      other.
//   3. The layout depends on the set of brokers alone, not on the order in which they are named, and one more broker moves little
//      more than the share that it gets.
//   4. It stays as it is: the groups of a cluster's shards were founded by it.
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
  const limit = Math.ceil((1.1 * options.shards * wanted) / brokers.length);
  const laying = place(options.shards, brokers, wanted, limit);
  return { version: options.version, replicas: balanceLeaders(laying) };
}

interface Laying {
  /** Replicas that one broker may hold. */
  readonly limit: number;
  readonly held: Map<BrokerId, number>;
  /** By shard, as it ranks them. */
  readonly laid: BrokerId[][];
}

interface Ranked {
  readonly broker: BrokerId;
  readonly score: number;
}

interface Place {
  readonly shard: ShardId;
  readonly score: number;
}

/** The brokers as a shard ranks them. */
function ranking(shard: ShardId, brokers: readonly BrokerId[]): Ranked[] {
  return brokers
    .map((broker) => ({ broker, score: hash32(`shard-${shard}@${broker}`) }))
    .sort((a, b) => b.score - a.score || (a.broker < b.broker ? -1 : 1));
}

function place(shards: number, brokers: readonly BrokerId[], wanted: number, limit: number): Laying {
  const rankings = Array.from({ length: shards }, (_, shard) => ranking(shard, brokers));
  const taken = new Map<BrokerId, Place[]>(brokers.map((broker) => [broker, []]));
  const asked = rankings.map(() => 0);
  const missing = rankings.map(() => wanted);
  const asking = rankings.map((_, shard) => shard);
  for (let shard = asking.shift(); shard !== undefined; shard = asking.shift()) {
    while ((missing[shard] ?? 0) > 0) {
      const next = rankings[shard]?.[asked[shard] ?? 0];
      if (next === undefined) break;
      asked[shard] = (asked[shard] ?? 0) + 1;
      const refused = ask(taken.get(next.broker) ?? [], { shard, score: next.score }, limit);
      missing[shard] = (missing[shard] ?? 0) - 1;
      if (refused === null) continue;
      missing[refused] = (missing[refused] ?? 0) + 1;
      if (refused !== shard) asking.push(refused);
    }
  }
  const laid = rankings.map((ranked, shard) =>
    ranked.flatMap(({ broker }) =>
      taken.get(broker)?.some((other) => other.shard === shard) === true ? [broker] : [],
    ),
  );
  const held = new Map(brokers.map((broker) => [broker, taken.get(broker)?.length ?? 0]));
  for (const members of laid)
    while (members.length < wanted) assert(makeRoom(members, { laid, held, limit }), 'a shard has its replicas');
  return { laid, held, limit };
}

/** Those that have room are among its members already: a full one hands another shard to one of these, and takes this one. */
function makeRoom(members: BrokerId[], { laid, held, limit }: Laying): boolean {
  for (const full of held.keys()) {
    if (members.includes(full)) continue;
    for (const heir of members) {
      const other = laid.find((theirs) => theirs.includes(full) && !theirs.includes(heir));
      if (count(held, heir) >= limit || other === undefined) continue;
      other[other.indexOf(full)] = heir;
      held.set(heir, count(held, heir) + 1);
      members.push(full);
      return true;
    }
  }
  return false;
}

/** Which shard has no place at a broker then; null: there is one for all. */
function ask(places: Place[], wanted: Place, limit: number): ShardId | null {
  if (places.push(wanted) <= limit) return null;
  let last = 0;
  places.forEach((one, at) => {
    if (isAbove(places[last] ?? one, one)) last = at;
  });
  return places.splice(last, 1)[0]?.shard ?? null;
}

const isAbove = (one: Place, other: Place): boolean =>
  one.score > other.score || (one.score === other.score && one.shard < other.shard);

/** Puts a leader first in each shard: whom it ranks first, then mended until all are within one of each other. */
function balanceLeaders({ laid, held, limit }: Laying): BrokerId[][] {
  const leads = new Map<BrokerId, number>([...held.keys()].map((broker) => [broker, 0]));
  const leaders = laid.map(([leader]) => {
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
