// Binary data messages: | n | subscription id (n bytes) | SubscribeResponse |. Schemas are announced once per subscription.
import './proto-numbers.ts';

import { vedette } from 'virtual:monitor-proto';

export interface Series {
  readonly metric: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string;
}

export interface Rows {
  readonly hostId: string;
  readonly timestamps: readonly number[];
  readonly series: readonly Series[];
  /** The value of series s in row r. NaN: no sample. */
  value(s: number, r: number): number;
}

export interface StreamEvent {
  readonly kind: string;
  readonly subject: string;
  readonly state: string;
  readonly message: string;
  readonly atMs: number;
}

export interface Data {
  readonly cursor: string;
  readonly rows: readonly Rows[];
  readonly events: readonly StreamEvent[];
  readonly conflatedRows: number;
}

export function splitMessage(bytes: Uint8Array): { id: string; body: Uint8Array } {
  const length = bytes[0] ?? 0;
  return { id: new TextDecoder().decode(bytes.subarray(1, 1 + length)), body: bytes.subarray(1 + length) };
}

/** One decoder per subscription: it remembers the schemas. */
export function createDecoder(): (body: Uint8Array) => Data {
  const schemas = new Map<number, { hostId: string; series: Series[] }>();
  return (body) => {
    const response = vedette.v1.SubscribeResponse.decode(body);
    for (const { schemaId, hostId, series } of response.schemas) schemas.set(schemaId, { hostId, series });
    const rows: Rows[] = [];
    for (const frame of response.frames) {
      const schema = schemas.get(frame.schemaId);
      if (schema === undefined) continue;
      const { packed, timestampsMs } = frame;
      const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
      rows.push({
        hostId: frame.hostId || schema.hostId,
        timestamps: timestampsMs,
        series: schema.series,
        value: (s, r) => view.getFloat64((s * timestampsMs.length + r) * 8, true),
      });
    }
    return { cursor: response.cursor, rows, events: response.events, conflatedRows: response.conflatedRows };
  };
}
