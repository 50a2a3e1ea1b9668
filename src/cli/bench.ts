// Benchmarks are programs of their own, in bench/: each prints, in the same run, the bound that it is to be judged by.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import { nearest } from '../core/units.ts';
import type { Command, Values } from './flags.ts';

/** Each is bench/NAME.ts, and gets the flags as they were given. */
const BENCHES: Readonly<Record<string, string>> = {
  log: '64 writers to the log store',
};

export const benchCommand: Command = {
  name: 'bench',
  summary: `measures: ${Object.entries(BENCHES)
    .map(([name, what]) => `${name} (${what})`)
    .join(', ')}`,
  words: Object.keys(BENCHES).join('|'),
  flags: {
    seconds: { value: 'S', help: 'how long each part is measured' },
    data: { value: 'DIR', help: 'where to write; made, and emptied afterwards' },
    peers: { help: 'measure others beside it' },
    json: { help: 'one line of JSON' },
  },
  run: runBench,
};

/** @throws VedetteError INVALID_ARGUMENT: no such benchmark. */
async function runBench(values: Values): Promise<number> {
  const [name = '', more] = values.words;
  if (!Object.hasOwn(BENCHES, name) || more !== undefined) {
    const names = Object.keys(BENCHES);
    const near = more === undefined ? nearest(name, names) : undefined;
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw invalidArgument('words', `vedette bench takes one of ${names.join(', ')}${hint}`);
  }
  const root = new URL('../../', import.meta.url);
  const program = fileURLToPath(new URL(`bench/${name}.ts`, root));
  if (!existsSync(program))
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${program} is missing: benchmarks run from a checkout of the source`,
    );
  const flags = Object.keys(benchCommand.flags).flatMap((flag) => {
    const value = values.optional(flag);
    return value === undefined ? [] : [`--${flag}${benchCommand.flags[flag]?.value === undefined ? '' : `=${value}`}`];
  });
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...flags], {
    cwd: fileURLToPath(root),
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
