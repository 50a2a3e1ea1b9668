// What a benchmark says: numbers with the machine they were taken on.
import { cpus, loadavg } from 'node:os';
import { type BenchFlags, percentile } from '../flags.ts';

export const now = (): number => performance.now();

export interface Spread {
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
  readonly count: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    worst: percentile(values, 1),
    count: values.length,
  };
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
export const perSecond = (value: number): string => `${Math.round(value).toLocaleString('en')}/s`;

/** Begins a report: rows for people as they come, or one line of JSON at the end. */
export function createReport(name: string, { json }: Pick<BenchFlags, 'json'>) {
  const figures: Record<string, unknown> = {
    bench: name,
    node: process.version,
    cores: cpus().length,
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
  if (!json)
    process.stdout.write(`\n${name}   (${cpus().length} cores, load ${figures['load']}, ${process.version})\n`);
  return {
    row(what: string, figure: string, value: unknown): void {
      figures[what] = value;
      if (!json) process.stdout.write(`  ${what.padEnd(46)} ${figure}\n`);
    },
    /** What goes on, where it takes longer than a moment; on stderr. */
    progress(text: string): void {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K  ${text}`);
    },
    end(): void {
      if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
      if (json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    },
  };
}

export type Report = ReturnType<typeof createReport>;
