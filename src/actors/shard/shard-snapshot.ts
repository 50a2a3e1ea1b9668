// A shard's state in chunks: | format version (1 byte) | ShardState |, and back.
//
//   totals, stamps ─▶ schemas, hosts ─▶ each host of the window, then its rows
//
// Invariant: what is captured at the beginning is what the chunks hold, whatever is applied while they are made: records and schemas
// are never changed, only replaced, and of the window's chunks the rows are taken that were there.
import { assert } from '../../core/assert.ts';
import type { HostRecord, HostSchema } from '../../core/frame.ts';
import type { HostId, Millis } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import { pack, seriesBytes, seriesFromProto, seriesToProto, unpack } from '../../core/series-codec.ts';
import { hostFromProto, hostToProto } from '../../core/shard-entry.ts';
import type { WritableWindow } from './hot-window.ts';
import type { Stamp } from './stamp-index.ts';

const FORMAT = 1;
/** What a record or a mark takes, roughly. */
const RECORD_BYTES = 64;

export interface ShardTotals {
  readonly lastStamp: Millis;
  readonly rowsApplied: number;
  readonly samplesApplied: number;
}

export interface ShardParts {
  readonly totals: ShardTotals;
  readonly stamps: readonly Stamp[];
  readonly schemas: readonly HostSchema[];
  readonly hosts: readonly HostRecord[];
}

/** @param parts as they are now; the window is captured. Chunks have about `chunkBytes`, or one block of rows where that is more. */
export function encodeShard(parts: ShardParts, window: WritableWindow, chunkBytes: number): Iterable<Uint8Array> {
  const captured = window.capture();
  return (function* () {
    let draft: vedette.v1.ShardState | null = null;
    let bytes = 0;
    for (const { size, put } of pieces(parts, captured)) {
      if (draft !== null && bytes + size > chunkBytes) {
        yield encode(draft);
        draft = null;
        bytes = 0;
      }
      draft ??= vedette.v1.ShardState.create({ schemas: [], hosts: [], windows: [], rows: [], stamps: [] });
      put(draft);
      bytes += size;
    }
    if (draft !== null) yield encode(draft);
  })();
}

interface Piece {
  readonly size: number;
  readonly put: (draft: vedette.v1.ShardState) => void;
}

function* pieces(
  { totals, stamps, schemas, hosts }: ShardParts,
  captured: ReturnType<WritableWindow['capture']>,
): Generator<Piece> {
  const { lastStamp, rowsApplied, samplesApplied } = totals;
  yield {
    size: RECORD_BYTES,
    put(draft) {
      draft.totals = vedette.v1.ShardTotals.create({ lastStampMs: lastStamp, rowsApplied, samplesApplied });
    },
  };
  for (const mark of stamps) yield { size: RECORD_BYTES, put: (draft) => void draft.stamps.push(mark) };
  for (const { id, host, series } of schemas) {
    const schema = { schemaId: id, hostId: host, series: series.map(seriesToProto) };
    yield { size: seriesBytes(series), put: (draft) => void draft.schemas.push(schema) };
  }
  for (const record of hosts) {
    const labels = Object.entries(record.labels).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    yield { size: RECORD_BYTES + labels, put: (draft) => void draft.hosts.push(hostToProto(record)) };
  }
  for (const { host, newest, floor, blocks } of captured) {
    const isEmpty = newest === Number.NEGATIVE_INFINITY;
    const known = { hostId: host, newestMs: isEmpty ? 0 : newest, hasLeft: floor !== null, floorMs: floor ?? 0 };
    if (!isEmpty) yield { size: RECORD_BYTES, put: (draft) => void draft.windows.push(known) };
    for (const make of blocks) {
      const { schema, timestamps, values } = make();
      const rows = { schemaId: schema.id, timestampsMs: Array.from(timestamps), packed: pack(values) };
      yield { size: timestamps.byteLength + values.byteLength, put: (draft) => void draft.rows.push(rows) };
    }
  }
}

function encode(state: vedette.v1.ShardState): Uint8Array {
  const message = vedette.v1.ShardState.encode(state).finish();
  const bytes = new Uint8Array(1 + message.length);
  bytes[0] = FORMAT;
  bytes.set(message, 1);
  return bytes;
}

/** Puts chunks together again; rows go into `window` as they come. */
export function createShardDecoder(window: WritableWindow): { take(chunk: Uint8Array): void; parts(): ShardParts } {
  const schemas = new Map<number, HostSchema>();
  const hosts: HostRecord[] = [];
  const stamps: Stamp[] = [];
  let totals: ShardTotals = { lastStamp: 0, rowsApplied: 0, samplesApplied: 0 };
  return {
    take(chunk) {
      assert(chunk[0] === FORMAT, () => `a shard's state of format ${chunk[0]}; this version reads ${FORMAT}`);
      const part = vedette.v1.ShardState.decode(chunk.subarray(1));
      if (part.totals) {
        const { lastStampMs, rowsApplied, samplesApplied } = part.totals;
        totals = {
          lastStamp: lastStampMs ?? 0,
          rowsApplied: rowsApplied ?? 0,
          samplesApplied: samplesApplied ?? 0,
        };
      }
      for (const { index, stampMs } of part.stamps) stamps.push({ index: index ?? 0, stampMs: stampMs ?? 0 });
      for (const { schemaId, hostId, series } of part.schemas) {
        const id = schemaId ?? 0;
        schemas.set(id, { id, host: (hostId ?? '') as HostId, series: (series ?? []).map(seriesFromProto) });
      }
      for (const record of part.hosts) hosts.push(hostFromProto(record));
      for (const { hostId, newestMs, hasLeft, floorMs } of part.windows)
        window.begin((hostId ?? '') as HostId, newestMs ?? 0, hasLeft === true ? (floorMs ?? 0) : null);
      for (const { schemaId, timestampsMs, packed } of part.rows) {
        const schema = schemas.get(schemaId ?? 0);
        assert(schema !== undefined, () => `schema ${schemaId} comes before its rows`);
        const timestamps = Float64Array.from(timestampsMs ?? []);
        window.add({ schema, timestamps, values: unpack(packed ?? new Uint8Array(0)) });
      }
    },
    parts: () => ({ totals, stamps, schemas: [...schemas.values()], hosts }),
  };
}
