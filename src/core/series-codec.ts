// Series between the wire and the program, and packed values between bytes and numbers.
import { assert } from './assert.ts';
import type { SeriesDefinition } from './frame.ts';
import { vedette } from './proto.ts';

export function seriesFromProto({ metric, labels, unit, kind }: vedette.v1.ISeries): SeriesDefinition {
  return {
    metric: metric ?? '',
    labels: sorted(labels ?? {}),
    unit: unit ?? '',
    kind: kind === vedette.v1.MetricKind.COUNTER ? 'counter' : 'gauge',
  };
}

export function seriesToProto({ metric, labels, unit, kind }: SeriesDefinition): vedette.v1.ISeries {
  return {
    metric,
    labels: { ...labels },
    unit,
    kind: kind === 'counter' ? vedette.v1.MetricKind.COUNTER : vedette.v1.MetricKind.GAUGE,
  };
}

const sizes = new WeakMap<readonly SeriesDefinition[], number>();
const SERIES_BYTES = 12;
const LABEL_BYTES = 8;

/** What these definitions take on the wire and in the log, rounded up. */
export function seriesBytes(series: readonly SeriesDefinition[]): number {
  let bytes = sizes.get(series);
  if (bytes === undefined) {
    bytes = 0;
    for (const { metric, labels, unit } of series) {
      bytes += SERIES_BYTES + textBytes(metric) + textBytes(unit);
      for (const [key, value] of Object.entries(labels)) bytes += LABEL_BYTES + textBytes(key) + textBytes(value);
    }
    sizes.set(series, bytes);
  }
  return bytes;
}

const encoder = new TextEncoder();
const textBytes = (text: string): number => encoder.encode(text).length;

function sorted(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The bytes of a packed field as numbers. Node runs on little-endian machines only; where they do not lie on eight they are copied. */
export function unpack(packed: Uint8Array): Float64Array {
  assert(packed.byteLength % 8 === 0, 'packed values have eight bytes each');
  if (packed.byteOffset % 8 === 0) return new Float64Array(packed.buffer, packed.byteOffset, packed.byteLength / 8);
  // Not slice(): of a Buffer that is no copy, and its buffer is Node's pool.
  return new Float64Array(new Uint8Array(packed).buffer);
}

export function pack(values: Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
