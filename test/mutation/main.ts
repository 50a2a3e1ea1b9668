// `npm run mutate`: takes each transition, guard and action out of each chart, one at a time, and asks whether any test notices (law 2
// of docs/architecture.md). What no test can notice has no business in a chart: it gets a test, or goes.
//
//   --chart WORD   charts whose file contains the word          --tests WORD   only tests whose path contains the word
//   --only A..B    mutants of these numbers; of one alone, also what the test that noticed it said
//   --jobs N       so many test files at once (2)               --json         one object at the end, nothing else
//
// Exit code 1 when a mutant was not noticed, or none was tried. test/mutation/trial.ts says how mutants are tried.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Chart, findCharts, lineOf } from './charts.ts';
import { openMemory } from './memory.ts';
import { describe, type Mutant, mutantsOf } from './mutants.ts';
import { createTestFinder } from './test-files.ts';
import { endAllTrials, tryMutants, type Verdict } from './trial.ts';

interface Subject extends Mutant {
  readonly number: number;
  readonly place: string;
  /** Without its line, which changes with every edit. */
  readonly name: string;
}

interface Noticed {
  readonly test: string;
  readonly verdict: Verdict;
}

interface Row {
  readonly chart: string;
  readonly mutants: number;
  readonly unnoticed: readonly { readonly number: number; readonly place: string }[];
  /** By a process that hung or ended, rather than by a test that failed. */
  readonly roughly: readonly string[];
}

/** A process of its own has to be worth its start. */
const WORTH_A_PROCESS = 4;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values: flags } = parseArgs({
  options: {
    chart: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    only: { type: 'string', default: '1..' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const only = rangeOf(flags.only);
const jobs = Math.max(1, Number(flags.jobs) || 1);
const began = Date.now();
const memory = openMemory(join(root, 'node_modules/.cache/vedette/mutation.json'));
const testsOf = createTestFinder(root, memory.msOf);

const isTerminal = process.stdout.isTTY === true && !flags.json;
let tried = 0;
let wanted = 0;

function say(line: string): void {
  if (!flags.json) process.stdout.write(`${isTerminal ? '\r\u001b[K' : ''}${line}\n`);
}

function progress(where: string): void {
  const width = process.stdout.columns ?? 80;
  if (isTerminal) process.stdout.write(`\r\u001b[K${`${tried} of ${wanted}  ${where}`.slice(0, width - 1)}`);
}

function partsOf<T>(values: readonly T[]): T[][] {
  if (values.length < WORTH_A_PROCESS) return [[...values]];
  return Array.from({ length: jobs }, (_, part) => values.filter((_value, at) => at % jobs === part));
}

/** The quick files are asked before the slow ones: a sweep for those that take no longer than this, and so on. */
const SWEEPS_MS = [500, 2_000, Number.POSITIVE_INFINITY];

/** Tries a chart's mutants on one test file after the other, until each is noticed or no file is left. */
async function tryChart(chart: Chart, subjects: readonly Subject[]): Promise<Map<Subject, Noticed>> {
  const noticed = new Map<Subject, Noticed>();
  const asked = new Set<string>();
  const tests = testsOf(chart.file).filter((test) => test.includes(flags.tests));

  async function ask(test: string, all: readonly Subject[], patienceMs: number): Promise<void> {
    if (memory.msOf(test) > patienceMs) return;
    const left = all.filter((subject) => !noticed.has(subject) && !asked.has(`${test} ${subject.number}`));
    if (left.length === 0) return;
    const judged = (subject: Subject, verdict: Verdict) => {
      asked.add(`${test} ${subject.number}`);
      if (verdict.noticedBy === null) return;
      tried++;
      noticed.set(subject, { test, verdict });
      memory.remember(subject.name, test);
      progress(test);
      if (!isTerminal) say(`✔ ${subject.number}  ${subject.place}  ← ${test}`);
      if (only.first === only.last) say(verdict.words);
    };
    progress(test);
    await Promise.all(
      partsOf(left).map((part) =>
        tryMutants(chart, test, part, patienceMs, { judged, took: (ms) => memory.took(test, ms) }),
      ),
    );
  }

  for (const test of tests)
    await ask(
      test,
      subjects.filter(({ name }) => memory.noticedBy(name) === test),
      Number.POSITIVE_INFINITY,
    );
  for (const patienceMs of SWEEPS_MS) for (const test of tests) await ask(test, subjects, patienceMs);
  for (const subject of subjects) {
    if (noticed.has(subject)) continue;
    tried++;
    say(`✘ ${subject.number}  ${subject.place}: no test notices`);
  }
  return noticed;
}

function rowOf(chart: Chart, subjects: readonly Subject[], noticed: ReadonlyMap<Subject, Noticed>): Row {
  const roughly = [...noticed].filter(([, { verdict }]) => verdict.noticedBy !== 'a failed test');
  return {
    chart: chart.name,
    mutants: subjects.length,
    unnoticed: subjects.filter((subject) => !noticed.has(subject)).map(({ number, place }) => ({ number, place })),
    roughly: roughly.map(([{ place }, { verdict, test }]) => `${place}  ← ${verdict.noticedBy}, ${test}`),
  };
}

interface Sum {
  readonly mutants: number;
  readonly noticed: number;
  readonly seconds: number;
  readonly charts: readonly Row[];
}

function sumOf(charts: readonly Row[]): Sum {
  const mutants = charts.reduce((sum, row) => sum + row.mutants, 0);
  const unnoticed = charts.reduce((sum, row) => sum + row.unnoticed.length, 0);
  return { mutants, noticed: mutants - unnoticed, seconds: Math.round((Date.now() - began) / 1_000), charts };
}

function table(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(({ chart }) => chart.length), 'chart'.length);
  const line = (...[chart, ...figures]: readonly string[]) =>
    say(`${(chart ?? '').padEnd(width)} ${figures.map((figure) => figure.padStart(10)).join('')}`);
  say('');
  line('chart', 'mutants', 'noticed', 'unnoticed');
  for (const { chart, mutants, unnoticed } of rows)
    line(chart, String(mutants), String(mutants - unnoticed.length), String(unnoticed.length));
  for (const row of rows) for (const rough of row.roughly) say(`noticed roughly: ${rough}`);
  for (const row of rows) for (const { number, place } of row.unnoticed) say(`not noticed: ${number}  ${place}`);
}

/** `A..B`, `A..`, `..B` or `A`. */
function rangeOf(text: string): { readonly first: number; readonly last: number } {
  const [first = '', last = first] = text.split('..');
  return { first: Number(first), last: last === '' ? Number.POSITIVE_INFINITY : Number(last) };
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    endAllTrials();
    memory.save();
    say(`stopped at ${tried} of ${wanted}`);
    process.exit(130);
  });

const charts = await findCharts(root);
let number = 0;
const chosen: (readonly [Chart, readonly Subject[]])[] = charts.map((chart) => {
  const subjects = mutantsOf(chart.config).map((mutant) => {
    const description = describe(mutant);
    const place = `${chart.file}:${lineOf(root, chart, mutant)}  ${description}`;
    return { ...mutant, number: ++number, place, name: `${chart.name} ${description}` };
  });
  const isChosen = (subject: Subject) => subject.number >= only.first && subject.number <= only.last;
  return [chart, chart.file.includes(flags.chart) ? subjects.filter(isChosen) : []];
});
wanted = chosen.reduce((sum, [, subjects]) => sum + subjects.length, 0);

const rows: Row[] = [];
try {
  for (const [chart, subjects] of chosen)
    if (subjects.length > 0) rows.push(rowOf(chart, subjects, await tryChart(chart, subjects)));
} finally {
  endAllTrials();
  memory.save();
}
const sum = sumOf(rows);
const { mutants, noticed, seconds } = sum;
if (rows.length > 0) table(rows);
say(mutants === 0 ? 'no such mutant' : `\n${noticed} of ${mutants} noticed, in ${seconds} s`);
if (flags.json) process.stdout.write(`${JSON.stringify(sum, null, 2)}\n`);
process.exit(mutants > 0 && noticed === mutants ? 0 : 1);
