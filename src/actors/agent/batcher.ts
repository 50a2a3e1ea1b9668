// Turns queued rows into the batches of one session. Rows under one schema become one frame (series-major, as on the wire);
// a schema is announced in the batch that uses it first.
import { vedette } from '../../core/proto.ts';
import { seriesToProto } from '../../core/series-codec.ts';
import type { SampleQueue } from '../stores/queue.ts';
import type { SchemaTable } from './schema-table.ts';

export interface OutgoingBatch {
  readonly batch: vedette.v1.IBatch;
  /** The queue's sequence of the last row in it. */
  readonly throughSequence: number;
  readonly rows: number;
}

export interface Batcher {
  /** The next batch of this session, or null when no row is left. */
  next(): OutgoingBatch | null;
  readonly backlog: boolean;
}

interface Row {
  readonly timestamp: number;
  readonly packed: Uint8Array;
}

export interface BatcherLimits {
  readonly batchRowsMax: number;
  readonly batchBytesMax: number;
}

/** Begins with the queue's oldest row. `lostRow` is told of rows whose meaning is not known any more. */
export function createBatcher(
  queue: SampleQueue,
  schemas: SchemaTable,
  { batchRowsMax, batchBytesMax }: BatcherLimits,
  lostRow: () => void,
): Batcher {
  const announced = new Set<number>();
  let nextRow = queue.firstSequence;
  let batchSequence = 0;

  function announce(schemaId: number, into: vedette.v1.ISchema[]): boolean {
    const series = schemas.get(schemaId);
    if (series === undefined) return false;
    if (!announced.has(schemaId)) {
      announced.add(schemaId);
      into.push({ schemaId, series: series.map(seriesToProto) });
    }
    return true;
  }

  return {
    get backlog() {
      return nextRow < queue.nextSequence;
    },
    next() {
      nextRow = Math.max(nextRow, queue.firstSequence);
      const records = queue.readFrom(nextRow, batchBytesMax).slice(0, batchRowsMax);
      const last = records.at(-1);
      if (last === undefined) return null;
      const announcements: vedette.v1.ISchema[] = [];
      const frames: vedette.v1.IHostFrame[] = [];
      let rows: Row[] = [];
      let schema = 0;
      const flush = () => {
        if (rows.length > 0) frames.push(frameOf(schema, rows));
        rows = [];
      };
      for (const { record } of records) {
        const queued = vedette.v1.QueuedRow.decode(record);
        const previous = rows.at(-1);
        // A frame's times ascend; the clock may have been set back between two samples.
        if (queued.schemaId !== schema || (previous !== undefined && queued.timestampMs <= previous.timestamp)) flush();
        schema = queued.schemaId;
        if (announce(schema, announcements)) rows.push({ timestamp: queued.timestampMs, packed: queued.packed });
        else lostRow();
      }
      flush();
      nextRow = last.sequence + 1;
      batchSequence++;
      return {
        batch: { sequence: batchSequence, frames, schemas: announcements },
        throughSequence: last.sequence,
        rows: records.length,
      };
    },
  };
}

/** Rows side by side, transposed: series s of row r goes to s × rows + r. */
function frameOf(schemaId: number, rows: readonly Row[]): vedette.v1.IHostFrame {
  const timestampsMs = rows.map((row) => row.timestamp);
  const [only] = rows;
  if (rows.length === 1 && only !== undefined) return { schemaId, timestampsMs, packed: only.packed };
  const seriesCount = (only?.packed.length ?? 0) / 8;
  const packed = new Uint8Array(seriesCount * rows.length * 8);
  rows.forEach((row, r) => {
    for (let s = 0; s < seriesCount; s++) {
      packed.set(row.packed.subarray(s * 8, s * 8 + 8), (s * rows.length + r) * 8);
    }
  });
  return { schemaId, timestampsMs, packed };
}
