// The log store under 64 writers of 4 KB, each of which waits for its write to be durable before the next, beside its bound from the
// same run: the same bytes by bare writev + fdatasync, 64 at a time, into a file that grows and into one that was written ahead; the
// faster of the two counts. The parts take turns, so that what else the machine does falls on all of them; each round begins with another
// one; and what a part has written is gone, and the disk at rest, before the next one begins.
//
// In the store's figure, beside the bytes: the checksum and the record of each write, the head of each batch, which lets batches begin
// anywhere in a page, and a file that grows and is followed by another. While the loop is at these the disk rests, and a disk that has
// rested takes longer for the next sync: a third of the time that it rested (here). A writer is told by a callback, as a group's member in
// a broker is, and writes again from there.
//
//   vedette bench log [--seconds=2] [--data=DIR] [--json] [--peers]      --peers: the same in C
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernels } from '../src/actors/kernels.ts';
import { packageRoot } from '../src/actors/package-root.ts';
import { openLog } from '../src/actors/stores/log-store.ts';
import { createNodeDisk } from '../src/actors/stores/node-disk.ts';
import { shardGroup } from '../src/core/ids.ts';
import { createRandom } from '../src/streams/random.ts';
import { createRealClock } from '../src/streams/real-clock.ts';
import { type BenchFlags, benchFlags, median, percentile } from './flags.ts';

const WRITERS = 64;
const BYTES = 4096;
const ROUNDS = 5;
const WARM_UP = 3;
const AIM = 0.7;

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

const flags = benchFlags('log', { seconds: 2 });
const payload = new Uint8Array(BYTES).map((_, at) => (at * 31) % 251);

function measuredFrom(latencies: readonly number[], ms: number): Measured {
  const perSecond = latencies.length / (ms / 1000);
  return { perSecond, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

/** The log store, as a broker uses it: one group for each writer. */
async function measureStore(directory: string, seconds: number): Promise<Measured> {
  const log = openLog({
    disk: createNodeDisk(),
    directory,
    clock: createRealClock(),
    random: createRandom('bench'),
    kernels,
    warn: (message) => process.stderr.write(`${message}\n`),
    failed: (error) => {
      throw error;
    },
  });
  const latencies: number[] = [];
  const begin = performance.now();
  const until = begin + seconds * 1000;
  const writing = Array.from({ length: WRITERS }, (_, writer) => {
    const group = shardGroup(writer);
    return new Promise<void>((done) => {
      let index = 0;
      let start = performance.now();
      const next = (): void => {
        index++;
        log.write({ group, entries: [{ index, term: 1, kind: 'data', payload }] }, synced);
      };
      const synced = (): void => {
        const now = performance.now();
        latencies.push(now - start);
        start = now;
        if (now < until) next();
        else done();
      };
      next();
    });
  });
  await Promise.all(writing);
  const ms = performance.now() - begin;
  await new Promise<void>((closed) => log.close(closed));
  return measuredFrom(latencies, ms);
}

/** @param ahead bytes of zeros that are there already, written over in turn; 0: the file grows. */
async function measureBare(path: string, seconds: number, ahead: number): Promise<Measured> {
  const file = fs.openSync(path, 'w');
  if (ahead > 0) fs.writeSync(file, new Uint8Array(ahead), 0);
  fs.fsyncSync(file);
  const chunks = Array.from({ length: WRITERS }, () => payload);
  const latencies: number[] = [];
  const begin = performance.now();
  let now = begin;
  for (let at = 0; now - begin < seconds * 1000; at += WRITERS * BYTES) {
    const position = ahead > 0 ? at % ahead : at;
    await new Promise<void>((done, failed) => {
      fs.writev(file, chunks, position, (error, written) => {
        if (error !== null || written !== WRITERS * BYTES) failed(error ?? new Error(`${written} bytes were written`));
        else fs.fdatasync(file, (syncError) => (syncError === null ? done() : failed(syncError)));
      });
    });
    const after = performance.now();
    for (let writer = 0; writer < WRITERS; writer++) latencies.push(after - now);
    now = after;
  }
  fs.closeSync(file);
  return measuredFrom(latencies, now - begin);
}

/** The same in C, which knows no event loop. */
function measureC(directory: string, seconds: number): Measured {
  const program = join(directory, 'disk');
  if (!fs.existsSync(program))
    execFileSync('cc', ['-O2', '-o', program, fileURLToPath(new URL('bench/peers/disk.c', packageRoot))]);
  const words = [join(directory, 'c'), String(WRITERS * BYTES), String(seconds), 'ahead'];
  const { ops, p50, p99 } = JSON.parse(execFileSync(program, words, { encoding: 'utf8' })) as Record<string, number>;
  return { perSecond: (ops ?? Number.NaN) * WRITERS, p50: p50 ?? Number.NaN, p99: p99 ?? Number.NaN };
}

/**
 * Removes what the last part has written. Its blocks are given back to the device when the file system's journal is next committed, and
 * whoever syncs first would wait for that: so here, twice, as one commit does it after it has answered.
 */
function settle(directory: string): void {
  for (const name of fs.readdirSync(directory))
    if (name !== 'disk') fs.rmSync(join(directory, name), { recursive: true });
  for (let commit = 0; commit < 2; commit++) {
    const file = fs.openSync(join(directory, `settle-${commit}`), 'w');
    fs.fsyncSync(file);
    fs.closeSync(file);
  }
}

async function measureAll({ directory, seconds, peers }: BenchFlags): Promise<ReadonlyMap<string, Measured>> {
  const rounds = new Map<string, Measured[]>();
  const parts: [string, () => Measured | Promise<Measured>][] = [
    ['store', () => measureStore(join(directory, 'log'), seconds)],
    ['bare, growing', () => measureBare(join(directory, 'growing'), seconds, 0)],
    ['bare, ahead', () => measureBare(join(directory, 'ahead'), seconds, 64 << 20)],
  ];
  if (peers) parts.push(['bare in C, ahead', () => measureC(directory, seconds)]);
  for (const [what] of parts) rounds.set(what, []);
  // What runs for days is compiled.
  await measureStore(join(directory, 'warm'), WARM_UP * seconds);
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % parts.length;
    for (const [what, measure] of [...parts.slice(first), ...parts.slice(0, first)]) {
      settle(directory);
      rounds.get(what)?.push(await measure());
    }
  }
  return new Map(
    [...rounds].map(([what, all]) => {
      const of = (key: keyof Measured) => median(all.map((measured) => measured[key]));
      return [what, { perSecond: of('perSecond'), p50: of('p50'), p99: of('p99') }];
    }),
  );
}

const results = await measureAll(flags);
const rateOf = (what: string) => results.get(what)?.perSecond ?? 0;
const bound = Math.max(rateOf('bare, growing'), rateOf('bare, ahead'));
const share = rateOf('store') / bound;

if (flags.json) {
  process.stdout.write(`${JSON.stringify({ bench: 'log', share, aim: AIM, parts: Object.fromEntries(results) })}\n`);
} else {
  process.stdout.write(`${WRITERS} writers of ${BYTES} bytes; native checksums: ${kernels.native}\n`);
  for (const [what, { perSecond, p50, p99 }] of results) {
    const mb = ((perSecond * BYTES) / 1e6).toFixed(0);
    process.stdout.write(
      `  ${what.padEnd(18)} ${perSecond.toFixed(0).padStart(8)} writes/s  ${mb.padStart(5)} MB/s   p50 ${p50.toFixed(2)} ms  p99 ${p99.toFixed(2)} ms\n`,
    );
  }
  process.stdout.write(`  the store reaches ${(share * 100).toFixed(0)} % of its bound (aim: ${AIM * 100} %)\n`);
}
