// Programs that are not the command line's own: benchmarks, and the simulator. They run as they were built, like the program itself: where
// TypeScript is loaded as it was written, each function that a function makes is given its name, which costs a simulation a tenth.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../actors/package-root.ts';
import { VedetteError } from '../core/errors.ts';

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** As the program itself runs (bin/vedette.mjs). */
const YOUNG_GENERATION = '--max-semi-space-size=32';

/**
 * How V8 is to work for the simulator, which is thousands of short runs of much code. With threads of its own it takes more of the
 * machine in all, and every core has a seed already. What it has compiled it throws away when no closure of it is left at a full
 * collection: there are fewer of those with more room, and what rare faults need is not flushed. A third of the time went into compiling;
 * with less inlining a fifth does.
 */
export const SIMULATOR_V8 = [
  '--single-threaded',
  '--no-flush-bytecode',
  '--initial-old-space-size=512',
  '--max-inlined-bytecode-size-cumulative=230',
];

/**
 * Runs a program of this package with this terminal, in the current directory.
 *
 * @param path of its source, from the root, without the ending
 * @param v8 how V8 is to work
 * @returns its exit code
 * @throws VedetteError FAILED_PRECONDITION: it was not built
 */
export function runProgram(path: string, args: readonly string[], v8: readonly string[]): Promise<number> {
  const program = fileURLToPath(new URL(`dist/${path}.js`, packageRoot));
  if (!existsSync(program))
    throw new VedetteError('FAILED_PRECONDITION', `${program} is missing; in a checkout of the source: npm run setup`);
  // Who ends this one ends that one; it says how it ended.
  for (const signal of ENDING) process.on(signal, () => child.kill(signal));
  const child = spawn(process.execPath, [YOUNG_GENERATION, ...v8, program, ...args], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
