// Seeds over all cores: each thread has one seed at a time, and gets the next when it is done.
import { Worker } from 'node:worker_threads';
import type { FuzzOptions, SeedReport } from './fuzz-seed.ts';
import type { WorkerMessage } from './fuzz-worker.ts';

export interface PoolPorts {
  readonly first: number;
  readonly last: number;
  readonly jobs: number;
  readonly options: FuzzOptions;
  readonly done: (report: SeedReport) => void;
  readonly shrinking: (seed: number, left: number, runs: number) => void;
}

/** Where it was not compiled, a thread has to be taught TypeScript first. */
const THREAD = import.meta.url.endsWith('.ts') ? './fuzz-thread.mjs' : './fuzz-worker.js';

/** Resolves when every seed has been run. @throws Error when a thread ends by itself. */
export async function fuzzAll({ first, last, jobs, options, done, shrinking }: PoolPorts): Promise<void> {
  let next = first;
  const runWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // What this process was started with besides is not for threads.
      const worker = new Worker(new URL(THREAD, import.meta.url), { workerData: options, execArgv: [] });
      const give = (): void => {
        if (next > last) void worker.terminate().then(() => resolve());
        else worker.postMessage(next++);
      };
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'shrinking') return shrinking(message.seed, message.left, message.runs);
        done(message.report);
        give();
      });
      worker.once('error', reject);
      give();
    });
  await Promise.all(Array.from({ length: Math.min(jobs, last - first + 1) }, runWorker));
}
