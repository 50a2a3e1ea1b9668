// Rows as one subscription's stream carries them: only the series asked for, packed, under schema ids made for this stream.
import type { HostSchema, RowBlock, SeriesDefinition } from '../../core/frame.ts';
import type { vedette } from '../../core/proto.ts';
import { pack, seriesToProto } from '../../core/series-codec.ts';

export interface RowEncoder {
  /** The block as a frame; null when it holds nothing that was asked for. A schema that is new goes into `announce`. */
  frame(block: RowBlock, announce: vedette.v1.ISchema[]): vedette.v1.IHostFrame | null;
  /** A schema id of another stream, as one of this. */
  renumber(schema: vedette.v1.ISchema): vedette.v1.ISchema & { schemaId: number };
}

interface StreamSchema {
  readonly id: number;
  /** Of the series asked for; null: all of them. */
  readonly columns: readonly number[] | null;
}

export function createRowEncoder(wanted: (series: SeriesDefinition) => boolean): RowEncoder {
  const known = new Map<HostSchema, StreamSchema | null>();
  let lastId = 0;

  function learn(schema: HostSchema, announce: vedette.v1.ISchema[]): StreamSchema | null {
    const columns = schema.series.flatMap((series, s) => (wanted(series) ? [s] : []));
    if (columns.length === 0) {
      known.set(schema, null);
      return null;
    }
    const stream = { id: ++lastId, columns: columns.length === schema.series.length ? null : columns };
    known.set(schema, stream);
    announce.push({
      schemaId: stream.id,
      hostId: schema.host,
      series: columns.flatMap((s) => schema.series[s] ?? []).map(seriesToProto),
    });
    return stream;
  }

  return {
    frame({ schema, timestamps, values }, announce) {
      const found = known.get(schema);
      const stream = found === undefined ? learn(schema, announce) : found;
      if (stream === null) return null;
      return {
        hostId: schema.host,
        schemaId: stream.id,
        timestampsMs: Array.from(timestamps),
        packed: pack(stream.columns === null ? values : select(values, stream.columns, timestamps.length)),
      };
    },
    renumber: (schema) => ({ ...schema, schemaId: ++lastId }),
  };
}

function select(values: Float64Array, columns: readonly number[], rows: number): Float64Array {
  const selected = new Float64Array(columns.length * rows);
  columns.forEach((s, at) => selected.set(values.subarray(s * rows, (s + 1) * rows), at * rows));
  return selected;
}

/** Only the newest row of a block. */
export function newestRow({ schema, timestamps, values }: RowBlock): RowBlock {
  const rows = timestamps.length;
  if (rows === 1) return { schema, timestamps, values };
  return {
    schema,
    timestamps: timestamps.slice(rows - 1),
    values: Float64Array.from(schema.series, (_, s) => values[s * rows + rows - 1] ?? Number.NaN),
  };
}
