// `npm run mutate`: takes each transition, guard and action out of each chart, one at a time, and asks whether any test notices (law 2
// of docs/architecture.md). What no test can notice has no business in a chart: it gets a test, or goes.
//
//   --chart WORD   charts whose file contains the word          --tests WORD   only tests whose path contains the word
//   --only N       the mutant of this number, and what the test that noticed it said
//   --json         one object at the end, nothing else
//
// Exit code 1 when a mutant was not noticed. test/mutation/trial.ts says how mutants are tried.
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

const AT_ONCE = 2;
/** A process of its own has to be worth its start. */
const WORTH_A_PROCESS = 4;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { values: flags } = parseArgs({
  options: {
    chart: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
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

function halves<T>(values: readonly T[]): T[][] {
  if (values.length < WORTH_A_PROCESS) return [[...values]];
  return Array.from({ length: AT_ONCE }, (_, part) => values.filter((_value, at) => at % AT_ONCE === part));
}

/** Tries a chart's mutants on one test file after the other, until each is noticed or no file is left. */
async function tryChart(chart: Chart, subjects: readonly Subject[]): Promise<Map<Subject, Noticed>> {
  const noticed = new Map<Subject, Noticed>();
  const asked = new Set<string>();
  const tests = testsOf(chart.file).filter((test) => test.includes(flags.tests));

  async function ask(test: string, all: readonly Subject[]): Promise<void> {
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
      if (flags.only !== undefined) say(verdict.words);
    };
    progress(test);
    await Promise.all(
      halves(left).map((part) => tryMutants(chart, test, part, { judged, took: (ms) => memory.took(test, ms) })),
    );
  }

  for (const test of tests)
    await ask(
      test,
      subjects.filter(({ name }) => memory.noticedBy(name) === test),
    );
  for (const test of tests) await ask(test, subjects);
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

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    endAllTrials();
    memory.save();
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
  const isChosen = (subject: Subject) => flags.only === undefined || Number(flags.only) === subject.number;
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
if (flags.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else if (rows.length > 0) table(rows);
else say('no such mutant');
process.exit(rows.length > 0 && rows.every(({ unnoticed }) => unnoticed.length === 0) ? 0 : 1);
