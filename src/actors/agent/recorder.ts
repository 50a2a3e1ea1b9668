// Samples the host at every interval and puts the row into the queue on disk.
import type { Millis } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { SampleQueue } from '../stores/queue.ts';
import type { Collector } from './collector.ts';
import type { SchemaTable } from './schema-table.ts';

export interface Recorder {
  readonly rows: number;
  stop(): void;
}

export interface RecorderPorts {
  readonly clock: Clock;
  readonly collector: Collector;
  readonly queue: SampleQueue;
  readonly schemas: SchemaTable;
  readonly intervalMs: Millis;
  /** A row is in the queue. */
  readonly recorded: () => void;
  readonly warn: (message: string) => void;
}

/**
 * Samples are taken on the wall clock's multiples of the interval and stamped with that instant: rows of all hosts line up,
 * and evenly spaced times compress to almost nothing. A sample that comes late by more than half an interval (the process
 * was held up) gets its true time.
 */
export function startRecorder(ports: RecorderPorts): Recorder {
  const { clock, collector, queue, schemas, intervalMs } = ports;
  let timer: Timer | null = null;
  let stopped = false;
  let rows = 0;
  let failing = false;

  /** A timer may fire a moment early: the instant just served must not be served again. A clock set back starts anew. */
  function schedule(served: Millis): void {
    const now = clock.now();
    const from = served - now < intervalMs ? Math.max(now, served) : now;
    const next = (Math.floor(from / intervalMs) + 1) * intervalMs;
    timer = clock.after(next - now, () => sampleAt(next));
  }

  function sampleAt(instant: Millis): void {
    if (stopped) return;
    const now = clock.now();
    const onTime = now >= instant - intervalMs / 2 && now - instant <= intervalMs / 2;
    try {
      record(onTime ? instant : now);
      if (failing) ports.warn('sampling works again');
      failing = false;
    } catch (error) {
      // Sampling goes on: a hidden /proc may pass. Said once, not every second.
      if (!failing) ports.warn(`could not record a sample: ${error instanceof Error ? error.message : String(error)}`);
      failing = true;
    }
    schedule(instant);
  }

  function record(timestamp: Millis): void {
    const sample = collector.collect(timestamp);
    const schemaId = schemas.idOf(sample.series);
    const { buffer, byteOffset, byteLength } = sample.values;
    // Node runs on little-endian machines only, so the array's bytes are the wire's.
    const packed = new Uint8Array(buffer, byteOffset, byteLength);
    const row = vedette.v1.QueuedRow.encode({ schemaId, timestampMs: timestamp, packed }).finish();
    queue.append(row, 1, timestamp, schemas.isDurable(schemaId));
    rows++;
    ports.recorded();
  }

  // Rates need a first reading: it is taken now and goes nowhere.
  collector.collect(clock.now());
  schedule(clock.now());
  return {
    get rows() {
      return rows;
    },
    stop() {
      stopped = true;
      timer?.cancel();
      collector.close();
    },
  };
}
