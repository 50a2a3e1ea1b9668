// Hosts and their rows over REST. The answers' shapes: the HTTP part of docs/protocol.md.
import { invalidArgument, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Route } from '../http-route.ts';
import type { BrokerPool } from './broker-pool.ts';
import { fromTimestamp, parseTime, splitSelectors, toTimestamp } from './time-parameters.ts';

const PAGE_ROWS = 10_000;
const PAGE_HOSTS = 1_000;

function hostJson(host: vedette.v1.IHost) {
  return {
    hostId: host.hostId,
    state: host.state,
    labels: host.labels ?? {},
    firstSeen: fromTimestamp(host.firstSeen),
    lastSeen: fromTimestamp(host.lastSeen),
    shard: host.shard,
    owner: host.owner,
    clockSkewMs: host.clockSkewMs,
  };
}

export function hostRoutes(pool: BrokerPool, clock: Clock): Route[] {
  async function listHosts(hostIds: string[]) {
    const hosts: ReturnType<typeof hostJson>[] = [];
    let complete = true;
    let pageToken = '';
    do {
      const request = { hostIds, limit: PAGE_HOSTS, pageToken };
      const page = await pool.call((client, deadlineMs) => client.listHosts(request, { deadlineMs }));
      for (const host of page.hosts) hosts.push(hostJson(host));
      complete &&= page.complete;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return { hosts, complete };
  }

  async function oneHost(id: string) {
    const { hosts, complete } = await listHosts([id]);
    const [host] = hosts;
    if (host !== undefined) return host;
    if (!complete)
      throw new VedetteError('UNAVAILABLE', `the shard of host ${id} does not answer now`, { retryAfterMs: 500 });
    throw new VedetteError('NOT_FOUND', `host ${JSON.stringify(id)} was never seen`, { field: 'id' });
  }

  return [
    { method: 'GET', path: '/api/v1/hosts', handle: () => listHosts([]) },
    { method: 'GET', path: '/api/v1/hosts/{id}', handle: ({ params }) => oneHost(params['id'] ?? '') },
    {
      method: 'GET',
      path: '/api/v1/hosts/{id}/metrics',
      handle: ({ params, query }) => hostMetrics(pool, clock, params['id'] ?? '', query),
    },
  ];
}

async function hostMetrics(pool: BrokerPool, clock: Clock, hostId: string, query: URLSearchParams) {
  for (const name of ['step', 'fn']) {
    if (query.has(name))
      throw new VedetteError('UNIMPLEMENTED', `${name}: aggregation is not in this release`, { field: name });
  }
  const start = query.get('start');
  const end = query.get('end');
  const startMs = start === null ? null : parseTime(start, 'start');
  const endMs = end === null ? null : parseTime(end, 'end');
  if (startMs !== null && startMs > (endMs ?? clock.now())) throw invalidArgument('start', 'start is after end');
  const merged = createMerge();
  let complete = true;
  let pageToken = '';
  do {
    const request: vedette.v1.IMetricsRequest = {
      hostId,
      metrics: splitSelectors(query.get('metrics') ?? ''),
      maxRows: PAGE_ROWS,
      pageToken,
      ...(startMs === null ? {} : { startTime: toTimestamp(startMs) }),
      ...(endMs === null ? {} : { endTime: toTimestamp(endMs) }),
    };
    const page = await pool.call((client, deadlineMs) => client.getMetrics(request, { deadlineMs }));
    if (page.frame !== null && page.frame !== undefined) merged.add(page.frame);
    if (merged.values > limits.dashboard.answerValuesMax) throw tooMuch();
    complete &&= page.complete;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return { hostId, complete, ...merged.result() };
}

function tooMuch(): VedetteError {
  const most = limits.dashboard.answerValuesMax;
  const message = `the range holds more than ${most} values; ask for fewer metrics, or for a part of it by start and end`;
  return new VedetteError('RESOURCE_EXHAUSTED', message, { field: 'start' });
}

/** Pages side by side: a series that a page lacks has no samples in its rows. */
function createMerge() {
  const timestamps: number[] = [];
  const columns = new Map<string, { metric: string; labels: Record<string, string>; unit: string; values: number[] }>();
  return {
    /** Of all columns so far. */
    get values() {
      return timestamps.length * columns.size;
    },
    add(frame: vedette.v1.IHostFrame) {
      const before = timestamps.length;
      timestamps.push(...(frame.timestampsMs ?? []));
      for (const { metric, labels, unit, values } of frame.columns ?? []) {
        const key = JSON.stringify([metric, Object.entries(labels ?? {}).sort()]);
        let column = columns.get(key);
        if (column === undefined) {
          column = { metric: metric ?? '', labels: labels ?? {}, unit: unit ?? '', values: [] };
          columns.set(key, column);
        }
        while (column.values.length < before) column.values.push(Number.NaN);
        column.values.push(...(values ?? []));
      }
    },
    result() {
      for (const { values } of columns.values()) while (values.length < timestamps.length) values.push(Number.NaN);
      return { timestamps, columns: [...columns.values()] };
    },
  };
}
