// What a subscriber asks for, checked.
import { type Cursor, decodeCursor } from '../../core/cursor.ts';
import { invalidArgument } from '../../core/errors.ts';
import { type ClusterId, type HostId, type Millis, parseHostId, type ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { vedette } from '../../core/proto.ts';
import type { Directory } from '../directory.ts';

export interface Terms {
  readonly every: boolean;
  readonly events: boolean;
  readonly rateHz: number;
  /** Where to go on; null: none was given. */
  readonly cursor: Cursor | null;
  /** Without a cursor: how far back to begin, 0: now. */
  readonly backfillMs: Millis;
  readonly shards: readonly ShardId[];
}

const { patternsMax, rateHzMax } = limits.subscriptions;

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
export function checkTerms(request: vedette.v1.SubscribeRequest, cluster: ClusterId, directory: Directory): Terms {
  checkPatterns(request.hostIds, 'host_ids');
  checkPatterns(request.metrics, 'metrics');
  const every = request.delivery === vedette.v1.Delivery.EVERY;
  if (!every && request.delivery !== vedette.v1.Delivery.LATEST)
    throw invalidArgument('delivery', `delivery ${request.delivery} is neither LATEST (0) nor EVERY (1)`);
  const rateHz = request.maxRateHz;
  if (!(rateHz >= 0 && rateHz <= rateHzMax))
    throw invalidArgument('max_rate_hz', `max_rate_hz ${rateHz} is not between 0 (every row) and ${rateHzMax}`);
  if (every && rateHz > 0)
    throw invalidArgument('max_rate_hz', 'EVERY delivers every row: max_rate_hz goes with LATEST');
  const { shardCount } = directory;
  for (const shard of request.shards) {
    if (shard >= shardCount) throw invalidArgument('shards', `shard ${shard} of ${shardCount}: they count from 0`);
  }
  return {
    every,
    events: request.events,
    rateHz,
    cursor: request.cursor === '' ? null : decodeCursor(request.cursor, cluster, shardCount),
    backfillMs: request.backfillMs,
    shards: wantedShards(request, directory),
  };
}

/** @throws VedetteError INVALID_ARGUMENT, when there are too many or one is empty. */
function checkPatterns(patterns: readonly string[], field: string): void {
  if (patterns.length > patternsMax)
    throw invalidArgument(field, `${patterns.length} names or globs; at most ${patternsMax} are taken`);
  if (patterns.includes('')) throw invalidArgument(field, 'a name is empty; leave the list empty for all, or write *');
}

/** Names without a glob are found in their own shards alone. */
function wantedShards({ hostIds, shards }: vedette.v1.SubscribeRequest, directory: Directory): ShardId[] {
  if (shards.length > 0) return [...new Set(shards)].sort((a, b) => a - b);
  const names = hostIds.length > 0 && hostIds.every((pattern) => !/[*?]/.test(pattern));
  if (!names) return Array.from({ length: directory.shardCount }, (_, shard) => shard);
  const hosts: HostId[] = hostIds.map((name) => parseHostId(name, 'host_ids'));
  return [...new Set(hosts.map((host) => directory.shardOf(host)))].sort((a, b) => a - b);
}
