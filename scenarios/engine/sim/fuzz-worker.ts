// A thread that runs seeds as it is told to, one after another (fuzz-pool.ts).
import { parentPort, workerData } from 'node:worker_threads';
import { type FuzzOptions, fuzzSeed, type SeedReport } from './fuzz-seed.ts';

/** What it says: how far it has got with making a failure small, and what came of a seed. */
export type WorkerMessage =
  | { readonly type: 'shrinking'; readonly seed: number; readonly left: number; readonly runs: number }
  | { readonly type: 'done'; readonly report: SeedReport };

const say = (message: WorkerMessage) => parentPort?.postMessage(message);

parentPort?.on('message', (seed: number) => {
  const report = fuzzSeed(seed, workerData as FuzzOptions, (left, runs) =>
    say({ type: 'shrinking', seed, left, runs }),
  );
  say({ type: 'done', report });
});
