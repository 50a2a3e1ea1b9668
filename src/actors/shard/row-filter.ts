// Takes out of a proposal what is stored or on its way already, so that an entry of the log holds only what is new: this is what
// "each row, once" means to a subscriber.
//
//   a time not known yet                     the whole row is new
//   known, all values equal                  nothing is new
//   known, other values or further series    a row of that time with only those; another value is counted as a conflict
import type { HostId, Millis } from '../../core/ids.ts';
import { seriesKey } from '../../core/names.ts';
import type { WritableWindow } from './hot-window.ts';
import type { ProposedRows } from './row-proposal.ts';

/** An entry on its way, and the rows in it. */
export interface InflightRows<Entry> {
  add(entry: Entry, rows: ProposedRows): void;
  /** The entry has ended, one way or the other. */
  remove(entry: Entry): void;
  at(host: HostId, time: Millis): { readonly entry: Entry; readonly value: (key: string) => number }[];
  clear(): void;
}

export function createInflightRows<Entry>(): InflightRows<Entry> {
  const byTime = new Map<HostId, Map<Millis, { readonly entry: Entry; readonly value: (key: string) => number }[]>>();
  const placesOf = new Map<Entry, { readonly host: HostId; readonly time: Millis }[]>();
  return {
    add(entry, { host, series, timestamps, values }) {
      const keys = series.map(seriesKey);
      const times =
        byTime.get(host) ?? new Map<Millis, { readonly entry: Entry; readonly value: (key: string) => number }[]>();
      byTime.set(host, times);
      const places = placesOf.get(entry) ?? [];
      placesOf.set(entry, places);
      timestamps.forEach((time, r) => {
        const value = (key: string) => {
          const s = keys.indexOf(key);
          return s < 0 ? Number.NaN : (values[s * timestamps.length + r] ?? Number.NaN);
        };
        const here = times.get(time) ?? [];
        here.push({ entry, value });
        times.set(time, here);
        places.push({ host, time });
      });
    },
    remove(entry) {
      for (const { host, time } of placesOf.get(entry) ?? []) {
        const times = byTime.get(host);
        const left = (times?.get(time) ?? []).filter((other) => other.entry !== entry);
        if (left.length > 0) times?.set(time, left);
        else times?.delete(time);
        if (times?.size === 0) byTime.delete(host);
      }
      placesOf.delete(entry);
    },
    at: (host, time) => byTime.get(host)?.get(time) ?? [],
    clear() {
      byTime.clear();
      placesOf.clear();
    },
  };
}

export interface Filtered<Entry> {
  /** What is new; null: nothing. */
  readonly rows: ProposedRows | null;
  /** Entries on their way that hold what was taken out. */
  readonly waitsFor: ReadonlySet<Entry>;
  readonly duplicates: number;
  readonly conflicts: number;
}

export function filterRows<Entry>(
  proposed: ProposedRows,
  window: WritableWindow,
  inflight: InflightRows<Entry>,
): Filtered<Entry> {
  const { host, series, timestamps, values } = proposed;
  const count = timestamps.length;
  const waitsFor = new Set<Entry>();
  const kept: number[] = [];
  let masked: Float64Array | null = null;
  let keys: readonly string[] | null = null;
  let duplicates = 0;
  let conflicts = 0;
  timestamps.forEach((time, r) => {
    const stored = window.at(host, time);
    const moving = inflight.at(host, time);
    if (stored === null && moving.length === 0) {
      kept.push(r);
      return;
    }
    keys ??= series.map(seriesKey);
    masked ??= values.slice();
    let news = 0;
    for (let s = 0; s < series.length; s++) {
      const at = s * count + r;
      const value = values[at] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const known = newestKnown(keys[s] ?? '', stored, moving);
      if (known !== value) news++;
      else masked[at] = Number.NaN;
      if (known !== value && !Number.isNaN(known)) conflicts++;
    }
    for (const { entry } of moving) waitsFor.add(entry);
    if (news > 0) kept.push(r);
    else duplicates++;
  });
  const source = masked ?? values;
  const rows =
    kept.length === 0
      ? null
      : kept.length === count
        ? { ...proposed, values: source }
        : {
            host,
            series,
            timestamps: Float64Array.from(kept, (r) => timestamps[r] ?? 0),
            values: selectRows(source, series.length, count, kept),
          };
  return { rows, waitsFor, duplicates, conflicts };
}

function newestKnown(
  key: string,
  stored: ((key: string) => number) | null,
  moving: readonly { readonly value: (key: string) => number }[],
): number {
  for (const { value } of moving.toReversed()) {
    const found = value(key);
    if (!Number.isNaN(found)) return found;
  }
  return stored?.(key) ?? Number.NaN;
}

function selectRows(values: Float64Array, series: number, count: number, kept: readonly number[]): Float64Array {
  const selected = new Float64Array(series * kept.length);
  for (let s = 0; s < series; s++)
    kept.forEach((r, at) => (selected[s * kept.length + at] = values[s * count + r] ?? Number.NaN));
  return selected;
}
