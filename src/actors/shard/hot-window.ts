// The hot window: a shard's newest rows in memory, in chunks of columns.
//
//   host ─▶ chunks, in order of application: | schema | times, ascending | series-major values |
//
// Invariants
//   1. Within a chunk times ascend strictly. A row goes behind the newest row of its schema, or begins a chunk of its own.
//   2. Of two values for the same series and time the one applied later wins, on every replica alike: so a row never joins a chunk
//      when one behind it holds the same time of one of its series.
//   3. All shards of a broker share one budget; at its limit the oldest chunks leave, whoever's they are, and what left is known:
//      a read of that time says that it is missing.
import type { HostSchema, RowBlock, SeriesDefinition } from '../../core/frame.ts';
import type { HostId, Millis } from '../../core/ids.ts';
import { seriesKey } from '../../core/names.ts';
import type { HotWindow, WindowColumn, WindowRead } from '../shard.ts';

const CHUNK_ROWS = 128;
/** How many of a host's newest chunks may take rows. */
const OPEN_CHUNKS = 8;

interface Chunk {
  readonly schema: HostSchema;
  readonly times: Float64Array;
  /** Series s of row r is at s × CHUNK_ROWS + r. */
  readonly values: Float64Array;
  rows: number;
  /** Gives its bytes back to the budget. */
  free: () => void;
}

interface HostWindow {
  readonly chunks: Chunk[];
  newest: Millis;
  /** Rows at or before this have left. */
  floor: Millis | null;
}

interface Contents {
  readonly hosts: Map<HostId, HostWindow>;
  bytes: number;
}
const nothing = (): Contents => ({ hosts: new Map(), bytes: 0 });

/** One host's part of a window, as it was at one moment. */
export interface WindowHost {
  readonly host: HostId;
  readonly newest: Millis;
  readonly floor: Millis | null;
  /** In the order in which rows were applied; made when they are asked for. */
  readonly blocks: readonly (() => RowBlock)[];
}

/** Bytes for all windows of a broker; chunks leave in the order in which they began. */
export interface WindowBudget {
  readonly limit: number;
  readonly used: number;
  /** @returns how to give them back before they leave. */
  took(bytes: number, leave: () => void): () => void;
}

/** @param limit may change: what is too much leaves as the next rows come. */
export function createWindowBudget(limit: () => number): WindowBudget {
  let used = 0;
  const oldestFirst: { bytes: number; leave: () => void }[] = [];
  let head = 0;
  return {
    get limit() {
      return limit();
    },
    get used() {
      return used;
    },
    took(bytes, leave) {
      used += bytes;
      const taken = { bytes, leave };
      oldestFirst.push(taken);
      // The one just begun stays, however small the limit.
      const most = limit();
      while (used > most && head < oldestFirst.length - 1) {
        const oldest = oldestFirst[head++];
        if (oldest === undefined) break;
        used -= oldest.bytes;
        oldest.bytes = 0;
        oldest.leave();
      }
      if (head > 4096) oldestFirst.splice(0, head);
      if (head > 4096) head = 0;
      return () => {
        if (taken.bytes === 0) return;
        used -= taken.bytes;
        taken.bytes = 0;
        taken.leave = () => {};
      };
    },
  };
}

export interface WritableWindow extends HotWindow {
  add(block: RowBlock): void;
  /** What is known of the host at this very time: the value of a series, NaN where there is none. Null: no such row. */
  at(host: HostId, time: Millis): ((key: string) => number) | null;
  /** All of it as it is now, whatever is added or leaves later. */
  capture(): readonly WindowHost[];
  /** Before the rows of a host that was captured. */
  begin(host: HostId, newest: Millis, floor: Millis | null): void;
  /** Takes over what another one holds, which is empty afterwards, in place of its own. */
  takeOver(other: WritableWindow): void;
  /** Gives away all that it holds. */
  empty(): Contents;
}

export function createHotWindow(budget: WindowBudget): WritableWindow {
  let contents = nothing();

  function hostOf(host: HostId): HostWindow {
    let window = contents.hosts.get(host);
    if (window === undefined) {
      window = { chunks: [], newest: Number.NEGATIVE_INFINITY, floor: null };
      contents.hosts.set(host, window);
    }
    return window;
  }

  function begin(window: HostWindow, schema: HostSchema): Chunk {
    const chunk: Chunk = {
      schema,
      times: new Float64Array(CHUNK_ROWS),
      values: new Float64Array(CHUNK_ROWS * schema.series.length),
      rows: 0,
      free: () => {},
    };
    const owner = contents;
    const size = chunk.times.byteLength + chunk.values.byteLength;
    window.chunks.push(chunk);
    owner.bytes += size;
    chunk.free = budget.took(size, () => {
      owner.bytes -= size;
      window.chunks.splice(window.chunks.indexOf(chunk), 1);
      window.floor = Math.max(window.floor ?? Number.NEGATIVE_INFINITY, lastTime(chunk));
    });
    return chunk;
  }

  return {
    get bytes() {
      return contents.bytes;
    },
    add({ schema, timestamps, values }) {
      const window = hostOf(schema.host);
      for (let r = 0; r < timestamps.length; r++) {
        const time = timestamps[r] ?? Number.NaN;
        const chunk = openChunk(window, schema, time) ?? begin(window, schema);
        chunk.times[chunk.rows] = time;
        for (let s = 0; s < schema.series.length; s++) {
          chunk.values[s * CHUNK_ROWS + chunk.rows] = values[s * timestamps.length + r] ?? Number.NaN;
        }
        chunk.rows++;
        if (time > window.newest) window.newest = time;
      }
    },
    at(host, time) {
      const window = contents.hosts.get(host);
      if (window === undefined || time > window.newest) return null;
      const found = window.chunks.flatMap((chunk) => {
        const row = rowAt(chunk, time);
        return row < 0 ? [] : [{ chunk, row }];
      });
      if (found.length === 0) return null;
      return (key) => {
        for (const { chunk, row } of found.toReversed()) {
          const value = chunk.values[keysOf(chunk.schema).indexOf(key) * CHUNK_ROWS + row];
          if (keysOf(chunk.schema).includes(key) && value !== undefined && !Number.isNaN(value)) return value;
        }
        return Number.NaN;
      };
    },
    read(host, startMs, endMs, wanted, maxRows) {
      const window = contents.hosts.get(host);
      if (window === undefined)
        return { timestamps: new Float64Array(0), columns: [], more: false, missingThroughMs: null };
      return readRows(window, startMs, endMs, wanted, maxRows);
    },
    newest(host) {
      const newest = contents.hosts.get(host)?.newest;
      return newest === undefined || newest === Number.NEGATIVE_INFINITY ? undefined : newest;
    },
    capture: () =>
      [...contents.hosts].map(([host, { chunks, newest, floor }]) => ({
        host,
        newest,
        floor,
        blocks: chunks.map((chunk) => {
          const { rows } = chunk;
          return () => blockOf(chunk, rows);
        }),
      })),
    begin(host, newest, floor) {
      Object.assign(hostOf(host), { newest, floor });
    },
    takeOver(other) {
      const theirs = other.empty();
      for (const { chunks } of contents.hosts.values()) for (const chunk of chunks) chunk.free();
      contents = theirs;
    },
    empty() {
      const all = contents;
      contents = nothing();
      return all;
    },
  };
}

/** Its first `rows` rows. */
function blockOf({ schema, times, values }: Chunk, rows: number): RowBlock {
  const packed = new Float64Array(rows * schema.series.length);
  for (let s = 0; s < schema.series.length; s++)
    packed.set(values.subarray(s * CHUNK_ROWS, s * CHUNK_ROWS + rows), s * rows);
  return { schema, timestamps: times.slice(0, rows), values: packed };
}

/** Where a row of this schema and time can go: hosts that report several schemas in turn fill a chunk for each. */
function openChunk({ chunks }: HostWindow, schema: HostSchema, time: Millis): Chunk | null {
  for (let at = chunks.length - 1; at >= Math.max(0, chunks.length - OPEN_CHUNKS); at--) {
    const chunk = chunks[at];
    if (chunk === undefined) return null;
    if (chunk.schema === schema) return chunk.rows < CHUNK_ROWS && time > lastTime(chunk) ? chunk : null;
    if (rowAt(chunk, time) >= 0 && shareSeries(chunk.schema, schema)) return null;
  }
  return null;
}

const lastTime = (chunk: Chunk): Millis => chunk.times[chunk.rows - 1] ?? Number.NEGATIVE_INFINITY;

const keys = new WeakMap<HostSchema, readonly string[]>();
function keysOf(schema: HostSchema): readonly string[] {
  let known = keys.get(schema);
  if (known === undefined) {
    known = schema.series.map(seriesKey);
    keys.set(schema, known);
  }
  return known;
}

const shared = new WeakMap<HostSchema, WeakMap<HostSchema, boolean>>();
function shareSeries(a: HostSchema, b: HostSchema): boolean {
  const known = shared.get(a) ?? new WeakMap<HostSchema, boolean>();
  shared.set(a, known);
  let share = known.get(b);
  if (share === undefined) {
    const other = new Set(keysOf(b));
    share = keysOf(a).some((key) => other.has(key));
    known.set(b, share);
  }
  return share;
}

/** The first row at or after `time`. */
function lowerBound(chunk: Chunk, time: Millis): number {
  let low = 0;
  let high = chunk.rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunk.times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rowAt(chunk: Chunk, time: Millis): number {
  const row = lowerBound(chunk, time);
  return row < chunk.rows && chunk.times[row] === time ? row : -1;
}

function readRows(
  window: HostWindow,
  startMs: Millis,
  endMs: Millis,
  wanted: (series: SeriesDefinition) => boolean,
  maxRows: number,
): WindowRead {
  const times = new Set<Millis>();
  const touched: { readonly chunk: Chunk; readonly from: number; readonly to: number }[] = [];
  for (const chunk of window.chunks) {
    if (lastTime(chunk) < startMs || (chunk.times[0] ?? 0) > endMs) continue;
    const from = lowerBound(chunk, startMs);
    let to = from;
    for (; to < chunk.rows && (chunk.times[to] ?? 0) <= endMs; to++) times.add(chunk.times[to] ?? 0);
    if (to > from) touched.push({ chunk, from, to });
  }
  const all = Float64Array.from(times).sort();
  const timestamps = all.length > maxRows ? all.slice(0, maxRows) : all;
  const lastKept = timestamps.at(-1) ?? Number.NEGATIVE_INFINITY;
  const columns = new Map<string, WindowColumn>();
  const place = new Map<Millis, number>(Array.from(timestamps, (time, at) => [time, at]));
  for (const { chunk, from, to } of touched) {
    chunk.schema.series.forEach((series, s) => {
      if (!wanted(series)) return;
      const key = keysOf(chunk.schema)[s] ?? '';
      let column = columns.get(key);
      if (column === undefined) {
        column = { series, values: new Float64Array(timestamps.length).fill(Number.NaN) };
        columns.set(key, column);
      }
      for (let r = from; r < to && (chunk.times[r] ?? 0) <= lastKept; r++) {
        const value = chunk.values[s * CHUNK_ROWS + r] ?? Number.NaN;
        const at = place.get(chunk.times[r] ?? 0);
        if (at !== undefined && !Number.isNaN(value)) column.values[at] = value;
      }
    });
  }
  const missing = window.floor !== null && startMs <= window.floor ? Math.min(window.floor, endMs) : null;
  return {
    timestamps,
    columns: [...columns.values()],
    more: all.length > timestamps.length,
    missingThroughMs: missing,
  };
}
