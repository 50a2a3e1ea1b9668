// What an agent sent, checked before anything else sees it: each frame becomes rows, or a rejection with a code.
import { invalidArgument, VedetteError } from './errors.ts';
import type { SeriesDefinition } from './frame.ts';
import { type HostId, type Millis, parseHostId } from './ids.ts';
import { limits } from './limits.ts';
import { isLabelName, isMetricName, seriesKey } from './names.ts';
import { vedette } from './proto.ts';
import { seriesBytes, seriesFromProto, unpack } from './series-codec.ts';
import { sizeText } from './units.ts';

export type RejectionCode =
  | 'bad_host_id'
  | 'bad_metric_name'
  | 'length_mismatch'
  | 'not_ascending'
  | 'too_old'
  | 'too_far_in_future'
  | 'over_limit'
  | 'unknown_schema'
  | 'duplicate_host';

/** Rows that may be proposed. */
export interface CheckedFrame {
  readonly verdict: 'taken';
  readonly host: HostId;
  readonly series: readonly SeriesDefinition[];
  readonly timestamps: Float64Array;
  /** Series-major. */
  readonly values: Float64Array;
}
export interface RejectedFrame {
  readonly verdict: 'rejected';
  readonly host: string;
  readonly code: RejectionCode;
  readonly reason: string;
}

export interface FrameContext {
  /** The host of the session's Hello; '' for a forwarder. */
  readonly sessionHost: string;
  /** A schema announced on this session; undefined: never. */
  readonly schema: (id: number) => AnnouncedSchema | undefined;
  /** The broker's clock, ms since 1970. */
  readonly now: Millis;
  /** Ahead of it, and behind it. */
  readonly futureMaxMs: Millis;
  readonly pastMaxMs: Millis;
}

/** A schema as announced: for one host, or for any when `host` is ''. */
export interface AnnouncedSchema {
  readonly host: string;
  readonly series: readonly SeriesDefinition[];
}

const { rowsPerFrameMax, seriesPerHostMax, seriesBytesMax, labelsMax, labelValueMax } = limits.frames;

class Refusal extends Error {
  readonly code: RejectionCode;
  constructor(code: RejectionCode, reason: string) {
    super(reason);
    this.code = code;
  }
}

export function checkFrame(frame: vedette.v1.IHostFrame, context: FrameContext): CheckedFrame | RejectedFrame {
  try {
    return check(frame, context);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { verdict: 'rejected', host: frame.hostId || context.sessionHost, code: error.code, reason: error.message };
  }
}

function check(frame: vedette.v1.IHostFrame, context: FrameContext): CheckedFrame {
  const host = checkHost(frame.hostId || context.sessionHost);
  if (context.sessionHost !== '' && host !== context.sessionHost) {
    throw new Refusal(
      'bad_host_id',
      `this session speaks for ${context.sessionHost}, not for ${host}; a forwarder's Hello names no host`,
    );
  }
  const timestamps = checkTimes(frame.timestampsMs ?? [], context);
  const schemaId = frame.schemaId ?? 0;
  const { series, values } =
    schemaId === 0
      ? fromColumns(frame.columns ?? [], timestamps.length)
      : fromPacked(frame, host, schemaId, timestamps.length, context);
  return { verdict: 'taken', host, series, timestamps, values };
}

function checkHost(text: string): HostId {
  try {
    return parseHostId(text);
  } catch (error) {
    throw new Refusal('bad_host_id', error instanceof VedetteError ? error.message : String(error));
  }
}

function checkTimes(times: readonly number[], { now, futureMaxMs, pastMaxMs }: FrameContext): Float64Array {
  if (times.length === 0) throw new Refusal('length_mismatch', 'the frame has no timestamps');
  if (times.length > rowsPerFrameMax)
    throw new Refusal('over_limit', `${times.length} rows in a frame; at most ${rowsPerFrameMax} are taken`);
  let before = Number.NEGATIVE_INFINITY;
  for (const time of times) {
    if (time <= before)
      throw new Refusal('not_ascending', `timestamp ${time} comes after ${before}: within a frame they ascend`);
    before = time;
  }
  if (before > now + futureMaxMs) {
    throw new Refusal(
      'too_far_in_future',
      `timestamp ${before} is ${Math.round((before - now) / 1000)} s ahead of the broker's clock; at most ${futureMaxMs / 1000} s are taken`,
    );
  }
  const [first = 0] = times;
  if (first < now - pastMaxMs) {
    throw new Refusal(
      'too_old',
      `timestamp ${first} is ${Math.round((now - first) / 3_600_000)} h old; at most ${pastMaxMs / 3_600_000} h are taken`,
    );
  }
  return Float64Array.from(times);
}

function fromColumns(columns: readonly vedette.v1.IColumn[], rows: number): Pick<CheckedFrame, 'series' | 'values'> {
  const series = columns.map(({ metric, labels, unit, kind }) =>
    seriesFromProto({
      metric: metric ?? '',
      labels: labels ?? {},
      unit: unit ?? '',
      kind: kind ?? vedette.v1.MetricKind.GAUGE,
    }),
  );
  checkSeries(series);
  const values = new Float64Array(series.length * rows);
  columns.forEach(({ metric, values: given }, s) => {
    if ((given ?? []).length !== rows) {
      throw new Refusal(
        'length_mismatch',
        `column ${metric} has ${(given ?? []).length} values for ${rows} timestamps`,
      );
    }
    values.set(given ?? [], s * rows);
  });
  return { series, values };
}

function fromPacked(
  frame: vedette.v1.IHostFrame,
  host: HostId,
  schemaId: number,
  rows: number,
  context: FrameContext,
): Pick<CheckedFrame, 'series' | 'values'> {
  const schema = context.schema(schemaId);
  if (schema === undefined) throw new Refusal('unknown_schema', `schema ${schemaId} was not announced on this session`);
  if (schema.host !== '' && schema.host !== host) {
    throw new Refusal('unknown_schema', `schema ${schemaId} was announced for host ${schema.host}, not ${host}`);
  }
  const packed = frame.packed ?? new Uint8Array(0);
  const expected = schema.series.length * rows * 8;
  if (packed.length !== expected) {
    throw new Refusal(
      'length_mismatch',
      `${packed.length} packed bytes; ${schema.series.length} series × ${rows} rows take ${expected}`,
    );
  }
  return { series: schema.series, values: unpack(packed) };
}

/** @throws Refusal. */
function checkSeries(series: readonly SeriesDefinition[]): void {
  if (series.length === 0) throw new Refusal('length_mismatch', 'the frame has no columns');
  if (series.length > seriesPerHostMax)
    throw new Refusal('over_limit', `${series.length} series; at most ${seriesPerHostMax} per host are taken`);
  const seen = new Set<string>();
  for (const definition of series) {
    const { metric, labels } = definition;
    if (!isMetricName(metric))
      throw new Refusal(
        'bad_metric_name',
        `${JSON.stringify(metric)} is not a metric name: 1 to 200 letters, digits and _ . : / -, beginning with a letter or _`,
      );
    checkLabels(labels, metric);
    const key = seriesKey(definition);
    if (seen.has(key)) throw new Refusal('bad_metric_name', `${key} occurs twice in one frame`);
    seen.add(key);
  }
  const bytes = seriesBytes(series);
  if (bytes > seriesBytesMax)
    throw new Refusal(
      'over_limit',
      `the series take more than ${sizeText(seriesBytesMax)}, which is the most per host`,
    );
}

/** @throws Refusal. */
function checkLabels(labels: Readonly<Record<string, string>>, of: string): void {
  const names = Object.keys(labels);
  if (names.length > labelsMax)
    throw new Refusal('over_limit', `${of} has ${names.length} labels; at most ${labelsMax} are taken`);
  for (const name of names) {
    if (!isLabelName(name)) throw new Refusal('bad_metric_name', `${JSON.stringify(name)} is not a label name`);
    if ((labels[name] ?? '').length > labelValueMax)
      throw new Refusal('over_limit', `label ${name} of ${of} has more than ${labelValueMax} characters`);
  }
}

/** The labels of a host. @throws VedetteError INVALID_ARGUMENT naming `field`. */
export function checkHostLabels(labels: Readonly<Record<string, string>>, field: string): void {
  try {
    checkLabels(labels, 'the host');
  } catch (error) {
    throw error instanceof Refusal ? invalidArgument(field, error.message) : error;
  }
}

/** A schema that a session announces. Returns why it cannot be used, or what it is. */
export function checkSchema(schema: vedette.v1.ISchema): AnnouncedSchema | RejectedFrame {
  const host = schema.hostId ?? '';
  try {
    if (host !== '') checkHost(host);
    const series = (schema.series ?? []).map(seriesFromProto);
    checkSeries(series);
    return { host, series };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { verdict: 'rejected', host, code: error.code, reason: error.message };
  }
}
