// Keeps the newest row of each host, and counts what it leaves out: for subscribers that cannot keep up, or ask for less.
//
// Invariants
//   1. Of the rows of a host that wait only those of its newest instant are kept (several, when it came in parts); the others are
//      counted. So delivered + left out + waiting = put.
//   2. Under a rate a host's rows go at least a period apart, by the clock; while a subscriber is catching up, by the rows' own
//      times, so that a backfill is thinned evenly, not to one row.
//   3. Of events the newest of each subject is kept.
import { NOT_BEGUN } from '../../core/cursor.ts';
import type { HostId, LogIndex, Millis, ShardId } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import { pack } from '../../core/series-codec.ts';
import type { PickedSchema, Piece } from './selection.ts';

/** Where in the log something waits: it is not covered by a cursor before it was delivered. */
interface Place {
  readonly shard: ShardId;
  /** The position before it. */
  readonly before: LogIndex;
}

export interface WaitingRow extends Place {
  readonly schema: PickedSchema;
  readonly timestamps: number[];
  readonly packed: Uint8Array;
}

interface WaitingEvent extends Place {
  readonly event: vedette.v1.IEvent;
}

export interface Conflation {
  /** Rows and events that wait. */
  readonly size: number;
  readonly bytes: number;
  /** Rows left out since this was last asked. */
  takeLeftOut(): number;
  /** Another broker has left out rows. */
  addLeftOut(rows: number): void;
  /** @param catchingUp invariant 2. */
  put(piece: Piece, place: Place, catchingUp: boolean, nowMs: Millis): void;
  putEvent(event: vedette.v1.IEvent, place: Place): void;
  /** Rows that may go now, about `maxBytes` of them. */
  takeRows(nowMs: Millis, maxBytes: number): WaitingRow[];
  takeEvents(): vedette.v1.IEvent[];
  /** When the next row may go, by the same clock; null: none waits. */
  nextDue(): Millis | null;
  /** Moves positions back to before what waits. */
  holdBack(indexes: LogIndex[]): void;
}

/** What a row takes beside its values. */
const ROW_BYTES = 96;

const timeOf = ({ timestamps }: WaitingRow): Millis => timestamps[0] ?? 0;
const sizeOf = (rows: readonly WaitingRow[]): number =>
  rows.reduce((sum, { packed }) => sum + packed.byteLength + ROW_BYTES, 0);

/** @param rateHz rows a second per host; 0: as many as the subscriber can take. */
export function createConflation(rateHz: number): Conflation {
  const periodMs = rateHz > 0 ? 1000 / rateHz : 0;
  const newest = new Map<HostId, WaitingRow[]>();
  const events = new Map<string, WaitingEvent>();
  /** Under a rate: rows of a catch-up that go as they are, in order. */
  let thinned: WaitingRow[] = [];
  /** Under a rate, by host: when its next row may go; and the time of its last row. */
  const dueAt = new Map<HostId, Millis>();
  const lastTime = new Map<HostId, Millis>();
  let bytes = 0;
  let leftOut = 0;

  function putRow(row: WaitingRow, catchingUp: boolean, nowMs: Millis): void {
    const { host } = row.schema;
    const last = lastTime.get(host);
    const kept = newest.get(host);
    const keptTime = kept?.[0] === undefined ? Number.NEGATIVE_INFINITY : timeOf(kept[0]);
    if (timeOf(row) < keptTime) {
      leftOut++;
      return;
    }
    if (timeOf(row) > keptTime) drop(host);
    if (periodMs > 0 && catchingUp && (last === undefined || timeOf(row) >= last + periodMs)) {
      thinned.push(row);
      bytes += sizeOf([row]);
      passed(row, nowMs);
      return;
    }
    newest.set(host, [...(newest.get(host) ?? []), row]);
    bytes += sizeOf([row]);
  }

  function drop(host: HostId): void {
    const kept = newest.get(host) ?? [];
    leftOut += kept.length;
    bytes -= sizeOf(kept);
    newest.delete(host);
  }

  function passed(row: WaitingRow, nowMs: Millis): void {
    if (periodMs === 0) return;
    dueAt.set(row.schema.host, nowMs + periodMs);
    lastTime.set(row.schema.host, timeOf(row));
  }

  return {
    get size() {
      return newest.size + thinned.length + events.size;
    },
    get bytes() {
      return bytes;
    },
    takeLeftOut() {
      const count = leftOut;
      leftOut = 0;
      return count;
    },
    addLeftOut(rows) {
      leftOut += rows;
    },
    put({ schema, timestamps, values }, place, catchingUp, nowMs) {
      const rows = timestamps.length;
      // Within a frame times ascend: without a rate only the last row can be the newest.
      const from = periodMs > 0 && catchingUp ? 0 : rows - 1;
      leftOut += from;
      for (let r = from; r < rows; r++) {
        const row = Float64Array.from(schema.series, (_, s) => values[s * rows + r] ?? Number.NaN);
        putRow({ schema, timestamps: [timestamps[r] ?? 0], packed: pack(row), ...place }, catchingUp, nowMs);
      }
    },
    putEvent(event, place) {
      const key = `${event.kind}\n${event.subject}`;
      events.delete(key);
      events.set(key, { event, ...place });
    },
    takeRows(nowMs, maxBytes) {
      const taken: WaitingRow[] = [];
      let size = 0;
      let at = 0;
      for (; at < thinned.length && size < maxBytes; at++) {
        const row = thinned[at];
        if (row === undefined) break;
        taken.push(row);
        size += sizeOf([row]);
      }
      if (at > 0) thinned = thinned.slice(at);
      for (const [host, rows] of newest) {
        if (size >= maxBytes) break;
        if ((dueAt.get(host) ?? nowMs) > nowMs) continue;
        newest.delete(host);
        taken.push(...rows);
        size += sizeOf(rows);
        for (const row of rows) passed(row, nowMs);
      }
      bytes -= size;
      return taken;
    },
    takeEvents() {
      const taken = [...events.values()].map(({ event }) => event);
      events.clear();
      return taken;
    },
    nextDue() {
      let next: Millis | null = null;
      for (const host of newest.keys()) next = Math.min(next ?? Number.POSITIVE_INFINITY, dueAt.get(host) ?? 0);
      return next;
    },
    holdBack(indexes) {
      const hold = ({ shard, before }: Place) => {
        indexes[shard] = Math.min(indexes[shard] ?? NOT_BEGUN, before);
      };
      thinned.forEach(hold);
      for (const rows of newest.values()) rows.forEach(hold);
      for (const event of events.values()) hold(event);
    },
  };
}
