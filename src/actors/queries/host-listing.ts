// The hosts of all shards, in the order of their ids, page by page. Each broker is asked once, for all the shards that it leads;
// shards that could not be read are asked for again while there is time, then named as missing.
import { invalidArgument } from '../../core/errors.ts';
import type { HostRecord } from '../../core/frame.ts';
import { type BrokerId, type Millis, parseHostId, type ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { matchNames } from '../../core/names.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { Shard } from '../shard.ts';
import { checkPatterns, isEventual } from './check-request.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { isTransient, type ReachShard } from './reach-shard.ts';
import { toInstant } from './timestamps.ts';

interface Listing {
  readonly wanted: (host: string) => boolean;
  readonly patterns: readonly string[];
  readonly shards: readonly ShardId[];
  readonly eventual: boolean;
  readonly limit: number;
  /** Hosts after this one. */
  readonly after: string;
  /** What the pages have in common. */
  readonly identity: string;
}

/** What one source gave: its first hosts, whether it has more, and the shards that it could not answer for. */
interface Part {
  readonly hosts: readonly vedette.v1.IHost[];
  readonly more: boolean;
  readonly missing: readonly ShardId[];
}

const { hostsMax, listMs, readsMax, attemptMs } = limits.queries;
const NAMED_MAX = 8;

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
function parseListing(request: vedette.v1.ListHostsRequest, directory: Directory): Listing {
  checkPatterns(request.hostIds, 'host_ids');
  if (request.limit > hostsMax)
    throw invalidArgument('limit', `limit is ${request.limit}; at most ${hostsMax}: use page_token for more`);
  for (const shard of request.shards) {
    if (shard >= directory.shardCount)
      throw invalidArgument('shards', `shard ${shard} of ${directory.shardCount}: they count from 0`);
  }
  const identity = JSON.stringify(request.hostIds);
  return {
    wanted: matchNames(request.hostIds),
    patterns: request.hostIds,
    shards: request.shards.length > 0 ? [...new Set(request.shards)] : shardsOf(request.hostIds, directory),
    eventual: isEventual(request.consistency),
    limit: request.limit === 0 ? hostsMax : request.limit,
    after: request.pageToken === '' ? '' : decodePageToken(request.pageToken, identity),
    identity,
  };
}

/** Names without a glob are found in their own shards alone. */
function shardsOf(patterns: readonly string[], { shardCount, shardOf }: Directory): ShardId[] {
  if (patterns.length === 0 || patterns.some((pattern) => /[*?]/.test(pattern)))
    return Array.from({ length: shardCount }, (_, shard) => shard);
  return [...new Set(patterns.map((name) => shardOf(parseHostId(name, 'host_ids'))))];
}

export interface HostListing {
  /** @throws VedetteError INVALID_ARGUMENT; shards that cannot be read make the answer incomplete. */
  list(request: vedette.v1.ListHostsRequest, forwarded: boolean): Promise<vedette.v1.IListHostsResponse>;
}

export function createHostListing(directory: Directory, clock: Clock, reach: ReachShard): HostListing {
  /** The shards here that may answer. */
  async function readable(shards: readonly ShardId[], eventual: boolean): Promise<Shard[]> {
    const held = shards.flatMap((shard) => directory.shards.get(shard) ?? []);
    if (eventual) return held;
    const led = held.filter(({ raft }) => raft.status.role === 'leader');
    const confirmed: Shard[] = [];
    for (let at = 0; at < led.length; at += readsMax) {
      const asked = led.slice(at, at + readsMax);
      const outcomes = await Promise.allSettled(asked.map((shard) => reach.confirm(shard)));
      confirmed.push(...asked.filter((_, n) => outcomes[n]?.status === 'fulfilled'));
    }
    return confirmed;
  }

  async function here(listing: Listing, shards: readonly ShardId[]): Promise<Part> {
    const read = await readable(shards, listing.eventual);
    const found = read.flatMap((shard) =>
      [...shard.hosts.values()]
        .filter(({ host }) => host > listing.after && listing.wanted(host))
        .map((record) => ({ record, shard })),
    );
    found.sort((a, b) => (a.record.host < b.record.host ? -1 : 1));
    const answered = new Set(read.map(({ id }) => id));
    return {
      hosts: found.slice(0, listing.limit).map(({ record, shard }) => hostMessage(record, shard)),
      more: found.length > listing.limit,
      missing: shards.filter((shard) => !answered.has(shard)),
    };
  }

  async function there(
    broker: BrokerId,
    listing: Listing,
    request: vedette.v1.ListHostsRequest,
    shards: ShardId[],
  ): Promise<Part> {
    const client = directory.client(broker);
    if (client === null) return { hosts: [], more: false, missing: shards };
    const { consistency, pageToken } = request;
    const ask = { hostIds: [...listing.patterns], limit: listing.limit, pageToken, consistency, shards };
    try {
      const answer = client.listHosts(ask, { forwarded: true, deadlineMs: attemptMs });
      const { hosts, nextPageToken, missingShards } = await reach.within(
        attemptMs,
        `${broker} has not answered`,
        answer,
      );
      return { hosts, more: nextPageToken !== '', missing: missingShards };
    } catch (error) {
      if (!isTransient(error)) throw error;
      return { hosts: [], more: false, missing: shards };
    }
  }

  /** Who is asked for what, in this turn. */
  function place(shards: readonly ShardId[], eventual: boolean, turn: number): Map<BrokerId | null, ShardId[]> {
    const asked = new Map<BrokerId | null, ShardId[]>();
    for (const shard of shards) {
      const held = eventual && directory.shards.has(shard);
      const broker = held ? directory.self : eventual ? reach.replica(shard, turn) : reach.leader(shard, turn);
      asked.set(broker, [...(asked.get(broker) ?? []), shard]);
    }
    return asked;
  }

  async function gather(listing: Listing, request: vedette.v1.ListHostsRequest): Promise<Part> {
    const until = clock.monotonic() + listMs;
    const parts: Part[] = [];
    let missing = listing.shards;
    for (let turn = 0; missing.length > 0; turn++) {
      if (turn > 0) {
        if (clock.monotonic() >= until) break;
        await reach.pause();
      }
      const answers = await Promise.all(
        [...place(missing, listing.eventual, turn)].map(async ([broker, shards]) => {
          if (broker === null) return { hosts: [], more: false, missing: shards };
          return broker === directory.self ? here(listing, shards) : there(broker, listing, request, shards);
        }),
      );
      parts.push(...answers);
      missing = answers.flatMap((part) => part.missing);
    }
    const hosts = parts.flatMap((part) => part.hosts);
    hosts.sort((a, b) => ((a.hostId ?? '') < (b.hostId ?? '') ? -1 : 1));
    const more = hosts.length > listing.limit || parts.some((part) => part.more);
    return { hosts: hosts.slice(0, listing.limit), more, missing };
  }

  function hostMessage(record: HostRecord, shard: Shard): vedette.v1.IHost {
    const { host, state, labels, firstSeenMs, clockSkewMs } = record;
    return {
      hostId: host,
      state,
      labels: { ...labels },
      firstSeen: toInstant(firstSeenMs),
      lastSeen: toInstant(lastSeen(record, shard.window.newest(host))),
      shard: shard.id,
      owner: shard.raft.status.leader ?? '',
      clockSkewMs,
    };
  }

  /** Rows tell by the agent's clock: what it has ahead does not count. */
  function lastSeen({ lastSeenMs }: HostRecord, newestRow: Millis | undefined): Millis {
    return Math.max(lastSeenMs, Math.min(newestRow ?? 0, clock.now()));
  }

  return {
    async list(request, forwarded) {
      const listing = parseListing(request, directory);
      const { hosts, more, missing } = await (forwarded ? here(listing, listing.shards) : gather(listing, request));
      return {
        hosts: [...hosts],
        nextPageToken: more ? encodePageToken(listing.identity, hosts.at(-1)?.hostId ?? listing.after) : '',
        complete: missing.length === 0,
        incompleteReason: missing.length === 0 ? '' : missingReason(missing),
        missingShards: [...missing].sort((a, b) => a - b),
      };
    },
  };
}

function missingReason(missing: readonly ShardId[]): string {
  const sorted = [...missing].sort((a, b) => a - b);
  const named = sorted.slice(0, NAMED_MAX).join(', ');
  const more = sorted.length > NAMED_MAX ? ` and ${sorted.length - NAMED_MAX} more` : '';
  return `no leader with a quorum answers just now for ${sorted.length === 1 ? 'shard' : 'shards'} ${named}${more}`;
}
