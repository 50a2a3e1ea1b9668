// Scenarios run under the simulator, which is a program of its own in scenarios/: it gets the flags as they were given.
import { invalidArgument } from '../core/errors.ts';
import { nearest } from '../core/units.ts';
import type { Command, Flags, Values } from './flags.ts';
import { runProgram, SIMULATOR_V8 } from './programs.ts';

const FUZZ: Flags = {
  seeds: { value: 'A..B', help: 'fuzz: these seeds (1..1000)' },
  jobs: { value: 'N', help: 'fuzz: on so many cores (all of them)' },
  out: { value: 'DIR', help: 'fuzz: where the smallest run of each failing seed is kept (scenario-failures)' },
  'shrink-runs': { value: 'N', help: 'fuzz: how often a failing run may be tried again to make it smaller (400)' },
};
/** Reserved: they come with later releases. */
const LATER: Flags = {
  attach: { value: 'ADDR,…', help: 'run: on a cluster that there is; not in this release' },
  junit: { value: 'FILE', help: 'run: write what came of it there, for CI; not in this release' },
  record: { value: 'FILE', help: 'run: keep it for vedette inspect; not in this release' },
};
const RUN: Flags = {
  seed: { value: 'N', help: "run: another seed than the file's" },
  'dry-run': { help: 'run: print the plan, and run nothing' },
};
const BOTH: Flags = {
  bug: { value: 'NAME', help: 'put a known bug in, to see it found' },
  report: { value: 'FILE', help: 'write what came of it there, as JSON' },
  json: { help: 'one line of JSON' },
};
const BY_WORD: Readonly<Record<string, Flags>> = { fuzz: FUZZ, run: RUN };

export const scenarioCommand: Command = {
  name: 'scenario',
  summary:
    'runs failures: fuzz draws them from seeds, run takes them from files; under the simulator, the same every time',
  words: 'fuzz | run FILE…',
  flags: {
    ...FUZZ,
    ...RUN,
    mode: { value: 'sim', help: 'what to run on: sim, the simulator', default: 'sim' },
    ...BOTH,
    ...LATER,
  },
  run: runScenario,
};

/** @throws VedetteError INVALID_ARGUMENT */
async function runScenario(values: Values): Promise<number> {
  const [word, ...files] = values.words;
  const words = Object.keys(BY_WORD);
  if (word === undefined || !words.includes(word)) {
    const near = nearest(word ?? '', words);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw invalidArgument(
      'words',
      `vedette scenario takes ${words.join(' or ')}, not ${JSON.stringify(word ?? '')}${hint}`,
    );
  }
  if (word === 'fuzz' && files.length > 0)
    throw invalidArgument(
      'words',
      `vedette scenario fuzz takes no ${JSON.stringify(files[0])}: vedette scenario run does`,
    );
  const mode = values.text('mode');
  if (mode !== 'sim')
    throw invalidArgument('mode', `--mode ${mode}: ${mode === 'live' ? 'it is not in this release' : 'there is sim'}`);
  for (const flag of Object.keys(LATER))
    if (values.optional(flag) !== undefined) throw invalidArgument(flag, `--${flag}: it is not in this release`);
  for (const [other, flags] of Object.entries(BY_WORD))
    for (const flag of Object.keys(flags))
      if (other !== word && values.optional(flag) !== undefined)
        throw invalidArgument(flag, `--${flag} belongs to vedette scenario ${other}`);
  return runProgram('scenarios/engine/sim/scenario-main', [word, ...files, ...flagsOf(values)], SIMULATOR_V8);
}

const flagsOf = (values: Values): string[] =>
  Object.entries({ ...FUZZ, ...RUN, ...BOTH }).flatMap(([name, flag]) => {
    if (flag.value === undefined) return values.switch(name) ? [`--${name}`] : [];
    const value = values.optional(name);
    return value === undefined ? [] : [`--${name}=${value}`];
  });
