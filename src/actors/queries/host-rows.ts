// The rows of one host in a range of time, page by page.
import { invalidArgument, VedetteError } from '../../core/errors.ts';
import type { SeriesDefinition } from '../../core/frame.ts';
import { type HostId, type Millis, parseHostId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { matchSeries } from '../../core/names.ts';
import { vedette } from '../../core/proto.ts';
import type { Shard, WindowRead } from '../shard.ts';
import { checkPatterns } from './check-request.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { ceilMillis, floorMillis, isAfter, parseInstant } from './timestamps.ts';

export interface RowsQuery {
  readonly host: HostId;
  readonly wanted: (series: SeriesDefinition) => boolean;
  /** All series are asked for: a row is given whatever it holds. */
  readonly all: boolean;
  /** Both inclusive. Null: the newest row. */
  readonly range: { readonly startMs: Millis; readonly endMs: Millis } | null;
  readonly maxRows: number;
  /** What the pages have in common. */
  readonly identity: string;
}

const { rowsMax, valuesMax } = limits.queries;

/**
 * @param now the end where none is given.
 * @throws VedetteError INVALID_ARGUMENT naming the field.
 */
export function parseRowsQuery(request: vedette.v1.MetricsRequest, now: Millis): RowsQuery {
  const host = parseHostId(request.hostId);
  const start = parseInstant(request.startTime, 'start_time');
  const end = parseInstant(request.endTime, 'end_time');
  if (start !== null && end !== null && isAfter(start, end))
    throw invalidArgument(
      'start_time',
      `start_time (${floorMillis(start)} ms) is after end_time (${floorMillis(end)} ms)`,
    );
  checkPatterns(request.metrics, 'metrics');
  const wanted = matchSeries(request.metrics);
  if (request.maxRows > rowsMax)
    throw invalidArgument('max_rows', `max_rows is ${request.maxRows}; at most ${rowsMax}: use page_token for more`);
  const identity = JSON.stringify([host, request.metrics, start, end]);
  const paged = request.pageToken === '' ? null : parseNext(decodePageToken(request.pageToken, identity));
  const startMs = start === null ? Number.NEGATIVE_INFINITY : ceilMillis(start);
  const endMs = end === null ? now : floorMillis(end);
  return {
    host,
    wanted,
    all: request.metrics.length === 0,
    range: paged ?? (start === null && end === null ? null : { startMs, endMs }),
    maxRows: request.maxRows === 0 ? rowsMax : request.maxRows,
    identity,
  };
}

/** The end goes with the token: "now" is that of the first page. */
function parseNext(next: string): { startMs: Millis; endMs: Millis } {
  const [startMs = Number.NaN, endMs = Number.NaN] = next.split(' ').map(Number);
  if (Number.isFinite(startMs) && Number.isFinite(endMs)) return { startMs, endMs };
  throw invalidArgument('page_token', 'the page token is malformed');
}

/** @throws VedetteError NOT_FOUND for a host that was never seen. */
export function readRows(shard: Shard, query: RowsQuery): vedette.v1.IMetricsResponse {
  const { host, range, wanted, maxRows } = query;
  const newest = shard.window.newest(host);
  if (newest === undefined && !shard.hosts.has(host))
    throw new VedetteError('NOT_FOUND', `host ${JSON.stringify(host)} was never seen`, { field: 'host_id' });
  if (range === null && newest === undefined) return answer(query, NO_ROWS, null);
  const startMs = range?.startMs ?? newest ?? 0;
  const endMs = range?.endMs ?? newest ?? 0;
  if (startMs > endMs) return answer(query, NO_ROWS, null);
  const read = cut(shard.window.read(host, startMs, endMs, wanted, maxRows));
  const last = read.timestamps.at(-1);
  return answer(query, read, read.more && last !== undefined ? `${last + 1} ${endMs}` : null);
}

const NO_ROWS: WindowRead = { timestamps: new Float64Array(0), columns: [], more: false, missingThroughMs: null };

/** To as many rows as fit into one answer, at least one. */
function cut(read: WindowRead): WindowRead {
  const rows = Math.max(1, Math.floor(valuesMax / Math.max(1, read.columns.length)));
  if (read.timestamps.length <= rows) return read;
  return {
    timestamps: read.timestamps.subarray(0, rows),
    columns: read.columns.map(({ series, values }) => ({ series, values: values.subarray(0, rows) })),
    more: true,
    missingThroughMs: read.missingThroughMs,
  };
}

function answer(
  { host, all, identity }: RowsQuery,
  read: WindowRead,
  next: string | null,
): vedette.v1.IMetricsResponse {
  const { timestamps, columns } = all ? read : withoutEmptyRows(read);
  const missing = read.missingThroughMs;
  return {
    frame: {
      hostId: host,
      timestampsMs: Array.from(timestamps),
      columns: columns.map(({ series: { metric, labels, unit, kind }, values }) => ({
        metric,
        labels: { ...labels },
        unit,
        values: Array.from(values),
        kind: kind === 'counter' ? vedette.v1.MetricKind.COUNTER : vedette.v1.MetricKind.GAUGE,
      })),
    },
    complete: missing === null,
    incompleteReason: missing === null ? '' : `rows up to ${missing} (ms since 1970) have left this broker's memory`,
    nextPageToken: next === null ? '' : encodePageToken(identity, next),
  };
}

/** A row that holds none of the series asked for is no row of the answer. */
function withoutEmptyRows(read: WindowRead): Pick<WindowRead, 'timestamps' | 'columns'> {
  const kept: number[] = [];
  read.timestamps.forEach((_, r) => {
    if (read.columns.some(({ values }) => !Number.isNaN(values[r] ?? Number.NaN))) kept.push(r);
  });
  if (kept.length === read.timestamps.length) return read;
  const pick = (values: Float64Array) => Float64Array.from(kept, (r) => values[r] ?? Number.NaN);
  return {
    timestamps: pick(read.timestamps),
    columns: read.columns.map(({ series, values }) => ({ series, values: pick(values) })),
  };
}
