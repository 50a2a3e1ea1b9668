// Benchmarks are programs of their own, in bench/: each prints, in the same run, the bound that it is to be judged by.
import { invalidArgument } from '../core/errors.ts';
import { nearest } from '../core/units.ts';
import type { Command, Values } from './flags.ts';
import { runProgram, SIMULATOR_V8 } from './programs.ts';

/** Each is bench/NAME.ts, and gets the flags as they were given. */
const BENCHES: Readonly<Record<string, string>> = {
  log: '64 writers to the log store',
  raft: 'proposals to three members on disk',
  failover: 'a leader lost under load',
  steadiness: 'a leader among busy processes',
  sim: 'messages that the simulator delivers, with all invariants checked',
};

/** Those that are no brokers. */
const V8: Readonly<Record<string, readonly string[]>> = { sim: SIMULATOR_V8 };

export const benchCommand: Command = {
  name: 'bench',
  summary: `measures: ${Object.entries(BENCHES)
    .map(([name, what]) => `${name} (${what})`)
    .join(', ')}`,
  words: '[NAME…]',
  flags: {
    seconds: { value: 'S', help: 'how long each part is measured' },
    data: { value: 'DIR', help: 'where to write; made, and emptied afterwards' },
    peers: { help: 'measure others beside it' },
    json: { help: 'one line of JSON' },
  },
  run: runBench,
};

/** All of them, one after another, or those that are named. @throws VedetteError INVALID_ARGUMENT: no such benchmark. */
async function runBench(values: Values): Promise<number> {
  const names = Object.keys(BENCHES);
  for (const word of values.words) {
    if (names.includes(word)) continue;
    const near = nearest(word, names);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw invalidArgument(
      'words',
      `there is no benchmark ${JSON.stringify(word)}; there are ${names.join(', ')}${hint}`,
    );
  }
  for (const name of values.words.length > 0 ? values.words : names) {
    const code = await runOne(name, values);
    if (code !== 0) return code;
  }
  return 0;
}

function runOne(name: string, values: Values): Promise<number> {
  const flags = Object.keys(benchCommand.flags).flatMap((flag) => {
    const value = values.optional(flag);
    return value === undefined ? [] : [`--${flag}${benchCommand.flags[flag]?.value === undefined ? '' : `=${value}`}`];
  });
  return runProgram(`bench/${name}`, flags, V8[name] ?? []);
}
