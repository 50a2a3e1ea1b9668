// The program behind `vedette scenario`: fuzz --seeds A..B runs seeds on all cores, run FILE… runs scenarios from files.
//
//   0 passed   1 a seed failed, or a fault touched nothing   2 wrong usage   3 a scenario's rules were broken
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { describeError, invalidArgument, VedetteError } from '../../../src/core/errors.ts';
import { nearest, parseCount } from '../../../src/core/units.ts';
import { fuzzAll } from './fuzz-pool.ts';
import type { SeedReport } from './fuzz-seed.ts';
import { type PlantedBug, plantedBugs } from './planted.ts';
import { planText, replay, type ReplayReport, replayText } from './replay.ts';
import { parseSeeds, type Tally, tallyText } from './report.ts';
import { parseScenario, type SimScenario } from './scenario-file.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1..1000' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    out: { type: 'string', default: 'scenario-failures' },
    'shrink-runs': { type: 'string', default: '400' },
    bug: { type: 'string' },
    seed: { type: 'string' },
    report: { type: 'string' },
    'dry-run': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const isTerminal = process.stderr.isTTY === true;
const number = (value: number) => Math.round(value).toLocaleString('en');

/** Progress goes to stderr: one line that is written anew on a terminal, else a line now and then. */
const PLAIN_EVERY_MS = 10_000;
let saidAt = 0;
function progress(line: string): void {
  if (isTerminal) process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  else if (performance.now() - saidAt > PLAIN_EVERY_MS) {
    saidAt = performance.now();
    process.stderr.write(`${line}\n`);
  }
}

function clearProgress(): void {
  if (isTerminal) process.stderr.write('\r\u001b[K');
}

function knownBug(name: string | undefined): PlantedBug | null {
  if (name === undefined) return null;
  const known = Object.keys(plantedBugs);
  if (known.includes(name)) return name as PlantedBug;
  const near = nearest(name, known);
  throw invalidArgument(
    'bug',
    `--bug: there is no planted bug ${name}; ${near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`}`,
  );
}

// ---------------------------------------------------------------- fuzz

async function fuzz(): Promise<number> {
  const { first, last } = parseSeeds(values.seeds);
  const jobs = parseCount(values.jobs, 'jobs', 1, 256);
  const shrinkRuns = parseCount(values['shrink-runs'], 'shrink-runs', 0, 100_000);
  const bug = knownBug(values.bug);
  const began = performance.now();
  const totals = new Map<string, Tally>();
  const failures: object[] = [];
  let seeds = 0;
  let delivered = 0;
  const rates = () => {
    const seconds = (performance.now() - began) / 1000;
    return { seconds, runsPerSecond: seeds / seconds, messagesPerSecond: delivered / seconds };
  };
  const summary = () => {
    const { runsPerSecond, messagesPerSecond } = rates();
    return `${seeds} of ${last - first + 1} seeds, ${failures.length} failed; ${runsPerSecond.toFixed(1)} runs/s, ${number(messagesPerSecond)} messages/s`;
  };

  function done(report: SeedReport): void {
    seeds++;
    delivered += report.delivered;
    for (const [label, { brought, effective }] of report.faults) {
      const total = totals.get(label) ?? { brought: 0, effective: 0 };
      totals.set(label, { brought: total.brought + brought, effective: total.effective + effective });
    }
    if (report.failure !== null) failures.push(keep(report.seed, report.failure));
    progress(summary());
  }

  function keep(seed: number, { scenario, ...failure }: NonNullable<SeedReport['failure']>): object {
    const file = join(values.out, `seed-${seed}.yaml`);
    mkdirSync(values.out, { recursive: true });
    writeFileSync(file, scenario);
    clearProgress();
    if (!values.json) {
      console.log(`seed ${seed}: ${failure.message}`);
      console.log(`  ${failure.left} of ${failure.drawn} faults are left after ${failure.runs} runs: ${file}`);
      console.log(scenario.replaceAll(/^(?!#)/gm, '  ').trimEnd());
      console.log(`  again: vedette scenario run ${file}${bug === null ? '' : ` --bug ${bug}`}`);
    }
    return { seed, file, ...failure };
  }

  await fuzzAll({
    first,
    last,
    jobs,
    options: { bug, shrinkRuns },
    done,
    shrinking: (seed, left, runs) => progress(`seed ${seed} failed: ${left} faults are left after ${runs} runs`),
  });
  clearProgress();
  const untouched = [...totals].filter(([, { effective }]) => effective === 0).map(([label]) => label);
  const json = JSON.stringify({
    ...{ first, last, seeds, failures, delivered, ...rates() },
    faults: Object.fromEntries(totals),
  });
  if (values.report !== undefined) writeFileSync(values.report, `${json}\n`);
  if (values.json) console.log(json);
  else {
    console.log(`faults that touched something: ${tallyText(totals)}`);
    if (untouched.length > 0) console.log(`these touched nothing at all: ${untouched.join(', ')}`);
    console.log(`${summary()}, in ${rates().seconds.toFixed(1)} s on ${jobs} ${jobs === 1 ? 'core' : 'cores'}`);
  }
  return failures.length === 0 ? 0 : 1;
}

// ---------------------------------------------------------------- run

function load(file: string): SimScenario {
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    throw invalidArgument('file', `${file}: ${describeError(error)}`);
  }
  const scenario = parseScenario(source, file);
  return values.seed === undefined ? scenario : { ...scenario, options: { ...scenario.options, seed: values.seed } };
}

function run(files: readonly string[]): number {
  if (files.length === 0)
    throw invalidArgument('words', 'vedette scenario run needs a file: vedette scenario run FILE');
  const bug = knownBug(values.bug);
  const scenarios = files.map(load);
  if (values['dry-run']) {
    console.log(scenarios.map(planText).join('\n\n'));
    return 0;
  }
  const reports = scenarios.map((scenario) => {
    const report = replay(scenario, bug);
    if (!values.json) console.log(replayText(report));
    return report;
  });
  const json = JSON.stringify(reports.length === 1 ? reports[0] : reports);
  if (values.json) console.log(json);
  if (values.report !== undefined) writeFileSync(values.report, `${json}\n`);
  return exitCodeOf(reports);
}

function exitCodeOf(reports: readonly ReplayReport[]): number {
  if (reports.some(({ verdict }) => verdict === 'failed')) return 3;
  return reports.some(({ verdict }) => verdict === 'invalid') ? 1 : 0;
}

/** @throws VedetteError INVALID_ARGUMENT when nothing could be written there: hours later would be too late to say so. */
function checkReport(path: string): void {
  const isNew = !existsSync(path);
  try {
    closeSync(openSync(path, 'a'));
    if (isNew) rmSync(path);
  } catch (error) {
    throw invalidArgument('report', `--report ${path}: ${describeError(error)}`);
  }
}

/** The same for the directory of kept runs, which is made only when there is one to keep. @throws VedetteError INVALID_ARGUMENT */
function checkOut(path: string): void {
  let at = resolve(path);
  while (!existsSync(at)) at = dirname(at);
  try {
    if (!statSync(at).isDirectory()) throw new Error(`${at} is not a directory`);
    accessSync(at, constants.W_OK);
  } catch (error) {
    throw invalidArgument('out', `--out ${path}: ${describeError(error)}`);
  }
}

const [word = '', ...files] = positionals;
try {
  if (values.report !== undefined) checkReport(values.report);
  if (word === 'fuzz') checkOut(values.out);
  process.exitCode = word === 'fuzz' ? await fuzz() : run(files);
} catch (error) {
  if (!(error instanceof VedetteError)) throw error;
  process.stderr.write(`vedette: ${error.message}\n`);
  process.exitCode = error.code === 'INVALID_ARGUMENT' ? 2 : 1;
}
