// From what is stored to what a chart draws.
import type { Column, HostData } from './host-data.ts';

/** null: nothing is drawn there. */
export type Points = (number | null)[];

/** Per second, from a counter's readings. A reset (the counter went back) and a missing reading draw nothing. */
export function rate(times: readonly number[], values: readonly number[]): Points {
  return values.map((value, at) => {
    if (at === 0) return null;
    const elapsed = (times[at] ?? 0) - (times[at - 1] ?? 0);
    const grown = value - (values[at - 1] ?? Number.NaN);
    return elapsed > 0 && grown >= 0 ? grown / elapsed : null;
  });
}

export function plain(values: readonly number[]): Points {
  return values.map((value) => (Number.isNaN(value) ? null : value));
}

/** Point by point; null only where all are. */
export function sum(parts: readonly Points[]): Points {
  const [first = []] = parts;
  return first.map((_, at) => {
    let total: number | null = null;
    for (const part of parts) {
      const value = part[at];
      if (value !== null && value !== undefined) total = (total ?? 0) + value;
    }
    return total;
  });
}

export function negate(points: Points): Points {
  return points.map((value) => (value === null ? null : -value));
}

export function scale(points: Points, factor: number): Points {
  return points.map((value) => (value === null ? null : value * factor));
}

/** Each line on the sum of those before it. */
export function stack(parts: readonly Points[]): Points[] {
  return parts.map((_, at) => sum(parts.slice(0, at + 1)));
}

/** The columns of one metric, in order of their labels. */
export function columnsOf(
  data: HostData,
  metric: string,
  wanted: (labels: Readonly<Record<string, string>>) => boolean = () => true,
): Column[] {
  return [...data.columns.values()].filter(({ series }) => series.metric === metric && wanted(series.labels));
}

/**
 * Where rows are missing the line must break: a row of nothing is put into every hole wider than two and a half times the usual
 * step.
 */
export function breakAtGaps(times: readonly number[], lines: readonly Points[]): { times: number[]; lines: Points[] } {
  const step = usualStep(times);
  const outTimes: number[] = [];
  const outLines: Points[] = lines.map(() => []);
  times.forEach((time, at) => {
    const before = times[at - 1];
    if (before !== undefined && time - before > 2.5 * step) {
      outTimes.push(before + step);
      for (const line of outLines) line.push(null);
    }
    outTimes.push(time);
    outLines.forEach((line, l) => line.push(lines[l]?.[at] ?? null));
  });
  return { times: outTimes, lines: outLines };
}

/** The median distance of the last rows, at least a tenth of a second. */
function usualStep(times: readonly number[]): number {
  const steps: number[] = [];
  for (let at = Math.max(1, times.length - 60); at < times.length; at++)
    steps.push((times[at] ?? 0) - (times[at - 1] ?? 0));
  steps.sort((a, b) => a - b);
  return Math.max(0.1, steps[steps.length >> 1] ?? 1);
}
