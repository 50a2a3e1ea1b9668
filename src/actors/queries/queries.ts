// What a broker answers from its windows, or has another broker answer: a host's rows, the hosts, the brokers.
import { invalidArgument, unavailable, VedetteError } from '../../core/errors.ts';
import type { HostRecord } from '../../core/frame.ts';
import { type HostId, type Millis, parseHostId, type ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { matchNames, matchSeries } from '../../core/names.ts';
import { vedette } from '../../core/proto.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { CallContext, MonitorService } from '../monitor-service.ts';
import type { Shard, WindowRead } from '../shard.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { createReachLeader } from './reach-leader.ts';

export type Queries = Pick<MonitorService, 'getMetrics' | 'listHosts' | 'listBrokers'>;

export interface QueriesPorts {
  readonly directory: Directory;
  readonly clock: Clock;
}

const { rowsMax, hostsMax, deadlineMs } = limits.queries;

export function createQueries({ directory, clock }: QueriesPorts): Queries {
  const reachLeader = createReachLeader(directory, clock);

  async function getMetrics(
    request: vedette.v1.MetricsRequest,
    context: CallContext,
  ): Promise<vedette.v1.IMetricsResponse> {
    const host = parseHostId(request.hostId);
    const read = parseRange(request, clock.now());
    const shard = directory.shardOf(host);
    const here = (replica: Shard) => rowsOf(replica, host, request, read);
    const local = directory.shards.get(shard);
    if (request.consistency === vedette.v1.Consistency.EVENTUAL) {
      if (local !== undefined) return here(local);
      if (context.forwarded) throw unavailable(`this broker holds no replica of shard ${shard}`);
      return anyReplica(shard, (client) => client.getMetrics(request, { forwarded: true, deadlineMs }));
    }
    return reachLeader(shard, context.forwarded, here, (client, left) =>
      client.getMetrics(request, { forwarded: true, deadlineMs: left }),
    );
  }

  async function anyReplica<T>(
    shard: ShardId,
    ask: (client: NonNullable<ReturnType<Directory['client']>>) => Promise<T>,
  ): Promise<T> {
    let last: unknown = unavailable(`no replica of shard ${shard} answers`);
    for (const broker of directory.replicasOf(shard)) {
      const client = directory.client(broker);
      if (client === null) continue;
      try {
        return await ask(client);
      } catch (error) {
        if (!(error instanceof VedetteError) || error.code !== 'UNAVAILABLE') throw error;
        last = error;
      }
    }
    throw last;
  }

  function hostMessage(
    { host, state, labels, firstSeenMs, lastSeenMs, clockSkewMs }: HostRecord,
    shard: Shard,
  ): vedette.v1.IHost {
    const newest = Math.max(lastSeenMs, shard.window.newest(host) ?? 0);
    return {
      hostId: host,
      state,
      labels: { ...labels },
      firstSeen: timestamp(firstSeenMs),
      lastSeen: timestamp(Math.min(newest, Math.max(lastSeenMs, clock.now()))),
      shard: shard.id,
      owner: shard.raft.status.leader ?? '',
      clockSkewMs,
    };
  }

  /** Hosts of one shard, from its leader (or any replica, where that is enough). */
  async function hostsOf(
    shard: ShardId,
    request: vedette.v1.ListHostsRequest,
    forwarded: boolean,
  ): Promise<vedette.v1.IHost[]> {
    const wanted = matchNames(request.hostIds);
    const here = (replica: Shard) =>
      [...replica.hosts.values()].filter(({ host }) => wanted(host)).map((record) => hostMessage(record, replica));
    const local = directory.shards.get(shard);
    const { consistency } = request;
    const ask = { hostIds: request.hostIds, shards: [shard], consistency, limit: hostsMax };
    if (consistency === vedette.v1.Consistency.EVENTUAL && local !== undefined) return here(local);
    return reachLeader(
      shard,
      forwarded,
      here,
      async (client, left) => (await client.listHosts(ask, { forwarded: true, deadlineMs: left })).hosts,
    );
  }

  async function listHosts(
    request: vedette.v1.ListHostsRequest,
    context: CallContext,
  ): Promise<vedette.v1.IListHostsResponse> {
    const limit = request.limit === 0 ? hostsMax : request.limit;
    if (limit > hostsMax) throw invalidArgument('limit', `limit is at most ${hostsMax}; use page_token for more`);
    const identity = JSON.stringify([request.hostIds, request.shards]);
    const after = request.pageToken === '' ? '' : decodePageToken(request.pageToken, identity);
    // A name without a glob has one shard.
    const names = request.hostIds.length > 0 && request.hostIds.every((pattern) => !/[*?]/.test(pattern));
    const all = names
      ? [...new Set(request.hostIds.map((id) => directory.shardOf(parseHostId(id, 'host_ids'))))]
      : Array.from({ length: directory.shardCount }, (_, shard) => shard);
    const shards = request.shards.length > 0 ? request.shards : all;
    const answers = await Promise.allSettled(shards.map((shard) => hostsOf(shard, request, context.forwarded)));
    const missing = shards.filter((_, at) => answers[at]?.status === 'rejected');
    if (context.forwarded && missing.length > 0)
      throw unavailable(`this broker cannot answer for shards ${missing.join(', ')}`);
    const hosts = answers
      .flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
      .filter(({ hostId }) => (hostId ?? '') > after)
      .sort((a, b) => ((a.hostId ?? '') < (b.hostId ?? '') ? -1 : 1));
    const page = hosts.slice(0, limit);
    const last = page.at(-1)?.hostId ?? '';
    return {
      hosts: page,
      nextPageToken: hosts.length > page.length ? encodePageToken(identity, last) : '',
      complete: missing.length === 0,
      incompleteReason: missing.length === 0 ? '' : `no quorum just now for shards ${missing.join(', ')}`,
    };
  }

  return {
    getMetrics,
    listHosts,
    async listBrokers() {
      const brokers = directory.brokers.map(({ id, grpcAddress, httpAddress, state }) => ({
        brokerId: id,
        grpcAddress,
        httpAddress,
        state,
        labels: {},
      }));
      return { clusterId: directory.clusterId ?? '', brokers, ringVersion: directory.ringVersion };
    },
  };
}

interface Range {
  readonly startMs: Millis;
  readonly endMs: Millis;
  /** Neither end was given: the newest row alone. */
  readonly newest: boolean;
}

function parseRange({ startTime, endTime }: vedette.v1.MetricsRequest, now: Millis): Range {
  const startMs = millis(startTime, 'start_time');
  const endMs = millis(endTime, 'end_time');
  if (startMs === null && endMs === null)
    return { startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY, newest: true };
  const range = { startMs: startMs ?? Number.NEGATIVE_INFINITY, endMs: endMs ?? now, newest: false };
  if (startMs !== null && endMs !== null && startMs > endMs)
    throw invalidArgument('start_time', `start_time (${startMs}) is after end_time (${endMs})`);
  return range;
}

function millis(time: vedette.v1.MetricsRequest['startTime'], field: string): Millis | null {
  if (time === null || time === undefined) return null;
  const { seconds, nanos } = time;
  if (!Number.isSafeInteger(seconds ?? 0) || (nanos ?? 0) < 0 || (nanos ?? 0) > 999_999_999)
    throw invalidArgument(field, `${field} is no time`);
  return (seconds ?? 0) * 1000 + Math.floor((nanos ?? 0) / 1e6);
}

function timestamp(ms: Millis): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

function rowsOf(
  shard: Shard,
  host: HostId,
  request: vedette.v1.MetricsRequest,
  range: Range,
): vedette.v1.IMetricsResponse {
  if (!shard.hosts.has(host))
    throw new VedetteError('NOT_FOUND', `host ${JSON.stringify(host)} was never seen`, { field: 'host_id' });
  const wanted = matchSeries(request.metrics);
  if (request.maxRows > rowsMax)
    throw invalidArgument('max_rows', `max_rows is at most ${rowsMax}; use page_token for more`);
  const maxRows = request.maxRows === 0 ? rowsMax : request.maxRows;
  const identity = JSON.stringify([
    host,
    request.metrics,
    range.newest ? 'newest' : [range.startMs, request.endTime === null ? 'now' : range.endMs],
  ]);
  const startMs = request.pageToken === '' ? range.startMs : Number(decodePageToken(request.pageToken, identity));
  const newest = shard.window.newest(host);
  if (range.newest && newest === undefined)
    return answer(host, { timestamps: new Float64Array(0), columns: [], more: false, missingThroughMs: null }, '');
  const read = range.newest
    ? shard.window.read(host, newest ?? 0, newest ?? 0, wanted, maxRows)
    : shard.window.read(host, startMs, range.endMs, wanted, maxRows);
  const next = read.more ? encodePageToken(identity, String((read.timestamps.at(-1) ?? 0) + 1)) : '';
  return answer(host, read, next);
}

function answer(
  host: HostId,
  { timestamps, columns, missingThroughMs }: WindowRead,
  nextPageToken: string,
): vedette.v1.IMetricsResponse {
  return {
    frame: {
      hostId: host,
      timestampsMs: Array.from(timestamps),
      columns: columns.map(({ series, values }) => ({
        metric: series.metric,
        labels: { ...series.labels },
        unit: series.unit,
        values: Array.from(values),
        kind: series.kind === 'counter' ? vedette.v1.MetricKind.COUNTER : vedette.v1.MetricKind.GAUGE,
      })),
    },
    complete: missingThroughMs === null,
    incompleteReason:
      missingThroughMs === null ? '' : `rows up to ${new Date(missingThroughMs).toISOString()} have left memory`,
    nextPageToken,
  };
}
