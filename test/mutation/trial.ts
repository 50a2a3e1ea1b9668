// One test file against several mutants of one chart.
//
// Invariants
//   1. A mutant is noticed when a test fails with it, and the file passes without it: before, and again afterwards.
//   2. One process runs the file for many mutants. When it ends by itself, hangs, or fails afterwards, an earlier mutant may be to
//      blame: then the mutant is tried again in a process of its own, and what happens there counts.
//   3. A file in which an event never reaches a state cannot notice what that state makes of the event: it is not run.
import { type ChildProcess, spawn } from 'node:child_process';
import type { ChartPlace } from './charts.ts';
import { canMatter, describe, type Mutant } from './mutants.ts';
import type { Order, Outcome } from './worker.ts';

export interface Verdict {
  /** Null: the file passes, whatever the chart lacks. */
  readonly noticedBy: 'a failed test' | 'a hanging process' | 'a process that ended' | null;
  /** What the test says. */
  readonly words: string;
}

/** For loading everything, and for a file's first run, on a busy machine. */
const START_LIMIT_MS = 180_000;
/** Beside ten times what it took without a mutant. */
const RUN_LIMIT_MS = 5_000;
/** A mutant may fill the memory before it reaches its time limit. */
const MEMORY_LIMIT_MB = 1_024;
const NOTHING: Verdict = { noticedBy: null, words: '' };

const running = new Set<ChildProcess>();

export function endAllTrials(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** The end of a process, when it is not what was waited for. */
type End = 'hung' | 'ended';

interface Worker {
  run(order: Order, limitMs: number): Promise<Outcome | End>;
  end(): void;
}

function startWorker({ file, exported }: ChartPlace, test: string): Worker {
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${MEMORY_LIMIT_MB}`, '--import', 'tsx', 'test/mutation/worker.ts', file, exported, test],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
  );
  running.add(child);
  child.on('exit', () => running.delete(child));
  return {
    run: (order, limitMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => settle('hung'), limitMs);
        const settle = (result: Outcome | End) => {
          clearTimeout(timer);
          child.off('message', settle).off('exit', ended);
          if (result === 'hung') child.kill('SIGKILL');
          resolve(result);
        };
        const ended = () => settle('ended');
        child.on('message', settle).on('exit', ended);
        child.send(order, (error) => {
          if (error !== null) ended();
        });
      }),
    end: () => void child.kill('SIGKILL'),
  };
}

export interface Watcher<M extends Mutant> {
  /** A mutant's fate is known. */
  judged(mutant: M, verdict: Verdict): void;
  /** How long the file takes by itself. */
  took(ms: number): void;
}

/**
 * @param patienceMs a file that takes longer by itself is left alone: no mutant is judged.
 * @throws Error when the file fails without any mutant, or when a mutant is no chart.
 */
export async function tryMutants<M extends Mutant>(
  chart: ChartPlace,
  test: string,
  mutants: readonly M[],
  patienceMs: number,
  watcher: Watcher<M>,
): Promise<void> {
  let left = mutants;
  while (left.length > 0) left = await tryInOneProcess(chart, test, left, patienceMs, watcher);
}

/** @returns those that need a new process, the first of them one of its own. */
async function tryInOneProcess<M extends Mutant>(
  chart: ChartPlace,
  test: string,
  mutants: readonly M[],
  patienceMs: number,
  { judged, took }: Watcher<M>,
): Promise<readonly M[]> {
  const worker = startWorker(chart, test);
  try {
    const baseline = await worker.run({ mutant: null }, START_LIMIT_MS);
    if (typeof baseline === 'string') throw new Error(`${test} ${baseline} before any mutant`);
    if (baseline.failure !== null) throw new Error(`${test} fails without any mutant: ${baseline.failure}`);
    took(baseline.ms);
    if (baseline.ms > patienceMs) return [];
    const limitMs = 10 * baseline.ms + RUN_LIMIT_MS;
    const heard = new Set(baseline.heard);
    let isFresh = true;
    for (const [position, mutant] of mutants.entries()) {
      if (!canMatter(mutant, heard)) {
        judged(mutant, NOTHING);
        continue;
      }
      const outcome = await worker.run({ mutant }, limitMs);
      if (typeof outcome !== 'string' && outcome.unfit !== null)
        throw new Error(`${describe(mutant)}: ${outcome.unfit}`);
      if (typeof outcome !== 'string' && outcome.failure === null) {
        judged(mutant, NOTHING);
        isFresh = false;
        continue;
      }
      const after = typeof outcome === 'string' ? outcome : await worker.run({ mutant: null }, limitMs);
      const isClean = typeof after !== 'string' && after.failure === null;
      if (!isClean && !isFresh) return mutants.slice(position);
      judged(mutant, verdictOf(outcome));
      isFresh = false;
      if (!isClean) return mutants.slice(position + 1);
    }
    return [];
  } finally {
    worker.end();
  }
}

function verdictOf(outcome: Outcome | End): Verdict {
  if (outcome === 'hung') return { noticedBy: 'a hanging process', words: '' };
  if (outcome === 'ended') return { noticedBy: 'a process that ended', words: '' };
  return { noticedBy: 'a failed test', words: outcome.failure ?? '' };
}
