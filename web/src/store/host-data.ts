// One host's rows in the page: a shared column of times and one column of values per series, oldest first, bounded by time.
import type { Rows, Series } from '../stream/decode.ts';

export interface Column {
  readonly series: Series;
  /** As many as there are times; NaN: no sample. */
  readonly values: number[];
}

export interface HostData {
  /** Seconds since 1970. */
  readonly times: number[];
  readonly columns: ReadonlyMap<string, Column>;
  add(rows: Rows): void;
  /** The newest value of a series; NaN when there is none. */
  newest(key: string): number;
}

/** `name` or `name{key=value,…}`. */
function seriesKey({ metric, labels }: Series): string {
  const pairs = Object.entries(labels);
  return pairs.length === 0 ? metric : `${metric}{${pairs.map(([key, value]) => `${key}=${value}`).join(',')}}`;
}

export function createHostData(keepSeconds: number): HostData {
  const times: number[] = [];
  const columns = new Map<string, Column>();
  const keys = new WeakMap<readonly Series[], string[]>();

  function keysOf(series: readonly Series[]): string[] {
    let known = keys.get(series);
    if (known === undefined) {
      known = series.map(seriesKey);
      keys.set(series, known);
    }
    return known;
  }

  /** Where a row of this time is, or is put: rows come in order but for those that were held up somewhere. */
  function place(time: number): number {
    let at = times.length;
    while (at > 0 && (times[at - 1] ?? 0) > time) at--;
    if (at > 0 && times[at - 1] === time) return at - 1;
    times.splice(at, 0, time);
    for (const { values } of columns.values()) values.splice(at, 0, Number.NaN);
    return at;
  }

  function trim(): void {
    const floor = (times.at(-1) ?? 0) - keepSeconds;
    let drop = 0;
    while (drop < times.length && (times[drop] ?? 0) < floor) drop++;
    // Dropping a few at a time would move every array at every row.
    if (drop < 60) return;
    times.splice(0, drop);
    for (const { values } of columns.values()) values.splice(0, drop);
  }

  return {
    times,
    columns,
    add(rows) {
      const rowKeys = keysOf(rows.series);
      rows.timestamps.forEach((timestamp, r) => {
        const at = place(timestamp / 1000);
        rowKeys.forEach((key, s) => {
          const series = rows.series[s];
          if (series === undefined) return;
          let column = columns.get(key);
          if (column === undefined) {
            column = { series, values: new Array<number>(times.length).fill(Number.NaN) };
            columns.set(key, column);
          }
          column.values[at] = rows.value(s, r);
        });
      });
      trim();
    },
    newest(key) {
      return columns.get(key)?.values.at(-1) ?? Number.NaN;
    },
  };
}
