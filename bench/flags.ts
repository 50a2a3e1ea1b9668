// What `vedette bench` hands to each benchmark.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface BenchFlags {
  /** Of each part. */
  readonly seconds: number;
  readonly peers: boolean;
  readonly json: boolean;
  /** A directory of its own, removed when the process ends. */
  readonly directory: string;
}

export function benchFlags(name: string, defaults: { readonly seconds: number }): BenchFlags {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      data: { type: 'string' },
      peers: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds ?? defaults.seconds);
  if (!(seconds > 0)) throw new RangeError(`--seconds must be above 0, not ${values.seconds}`);
  if (values.data !== undefined) mkdirSync(values.data, { recursive: true });
  const directory = mkdtempSync(join(values.data ?? tmpdir(), `vedette-bench-${name}-`));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  // An end by a signal is one, too, and leaves as little.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));
  return { seconds, peers: values.peers, json: values.json, directory };
}

export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  return ascending[Math.floor(ascending.length / 2)] ?? Number.NaN;
}

export function percentile(values: readonly number[], share: number): number {
  const ascending = values.toSorted((a, b) => a - b);
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN;
}
