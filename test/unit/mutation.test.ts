// The mutation of charts (`npm run mutate`), on small charts: every kind of part is found and taken out, and what a test says of it is
// reported as it is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findCharts, lineOf } from '../mutation/charts.ts';
import {
  canMatter,
  describe,
  heardBy,
  type Mutant,
  mutantsOf,
  mutated,
  type StateConfig,
} from '../mutation/mutants.ts';
import { createTestFinder } from '../mutation/test-files.ts';
import { tryMutants, type Verdict, type Watcher } from '../mutation/trial.ts';

const test = suite('mutation of charts');

const shared = { guard: 'may', target: 'b', actions: ['x', { type: 'y', params: {} }] } as const;
const chart: StateConfig = {
  on: { stop: '.end', note: { actions: 'x' }, ignored: {} },
  states: {
    a: {
      entry: ['x', { type: 'y' }],
      exit: 'z',
      always: { guard: { type: 'alone' }, target: 'b' },
      after: {
        patience: [
          { guard: 'may', actions: 'x' },
          { target: 'b', actions: 'x' },
        ],
      },
      on: { go: shared },
      onDone: 'b',
    },
    b: { on: { go: shared }, states: { inner: { on: { back: { guard: () => true, target: '#a' } } } } },
  },
};

test('every transition, guard and action is found, in its place', () => {
  assert.equal(mutantsOf(chart).map(describe), [
    'root, on stop: transition to .end left out',
    'root, on note: transition that does x left out',
    'root, on ignored: transition left out',
    'a, entry: entry action x left out',
    'a, entry [2]: entry action y left out',
    'a, exit: exit action z left out',
    'a, always: transition to b left out',
    'a, always: guard alone always true',
    'a, onDone: transition to b left out',
    'a, after patience: transition that does x left out',
    'a, after patience: guard may always true',
    'a, after patience [2]: transition to b left out',
    'a, after patience [2]: action x left out',
    ...['a', 'b'].flatMap((state) => [
      `${state}, on go: transition to b left out`,
      `${state}, on go: guard may always true`,
      `${state}, on go: action x left out`,
      `${state}, on go: action y left out`,
    ]),
    'b.inner, on back: transition to #a left out',
    'b.inner, on back: guard inline always true',
  ]);
});

/** What is different in the state that a mutant changes. */
function after(description: string): unknown {
  const mutant = mutantsOf(chart).find((each) => describe(each) === description);
  if (mutant === undefined) throw new RangeError(description);
  let state: StateConfig | undefined = mutated(chart, mutant);
  for (const name of mutant.path) state = state?.states?.[name];
  const part = state?.[mutant.slot];
  return mutant.key === null ? part : (part as Readonly<Record<string, unknown>>)[mutant.key];
}

test('what is taken out is gone, and nothing else', () => {
  assert.is(after('root, on stop: transition to .end left out'), undefined);
  assert.is(after('a, onDone: transition to b left out'), undefined);
  assert.equal(after('a, entry: entry action x left out'), [{ type: 'y' }]);
  assert.equal(after('a, exit: exit action z left out'), []);
  assert.equal(after('a, always: guard alone always true'), [{ target: 'b' }]);
  assert.equal(after('a, after patience: transition that does x left out'), [{ target: 'b', actions: 'x' }]);
  assert.equal(after('a, after patience [2]: action x left out'), [
    { guard: 'may', actions: 'x' },
    { target: 'b', actions: [] },
  ]);
  assert.equal(after('b, on go: action x left out'), [{ ...shared, actions: [{ type: 'y', params: {} }] }]);
});

test('a mutant changes one state, and the chart itself stays as it is', () => {
  const before = JSON.stringify(chart);
  for (const mutant of mutantsOf(chart)) {
    const [name] = mutant.path;
    const changed = mutated(chart, mutant);
    assert.is.not(JSON.stringify(changed), before, describe(mutant));
    for (const other of ['a', 'b']) if (other !== name) assert.is(changed.states?.[other], chart.states?.[other]);
  }
  assert.is(JSON.stringify(chart), before);
});

test('a place that is not there is a mistake, and no mutant', () => {
  const nowhere: Mutant = { path: ['a'], slot: 'on', key: 'gone', index: 0, change: 'leaveOut', what: '' };
  assert.throws(() => mutated(chart, nowhere), RangeError);
  assert.throws(() => mutated(chart, { ...nowhere, path: ['c'] }), RangeError);
  assert.throws(() => mutated(chart, { ...nowhere, slot: 'entry', key: null, index: 2 }), RangeError);
});

test('the charts of this house are found, each with tests of its own, and their parts with their lines', async () => {
  const charts = await findCharts('.');
  const names = charts.map(({ name }) => name);
  for (const name of ['agent', 'broker', 'raft-machine', 'subscription']) assert.ok(names.includes(name), name);
  const testsOf = createTestFinder('.', () => 0);
  for (const found of charts) assert.ok(testsOf(found.file)[0]?.startsWith('test/unit/'), found.file);
  assert.is(testsOf('src/machines/broker.ts')[0], 'test/unit/broker-chart.test.ts');

  const directory = mkdtempSync(join('dist', 'mutation-'));
  try {
    const file = join(directory, 'chart.ts');
    const text = [
      'x.createMachine({',
      '  on: { go: 1 },',
      '  states: {',
      '    a: {',
      '      on: {',
      "        'b.c': 1,",
    ];
    writeFileSync(file, text.join('\n'));
    const place = { file, exported: '' };
    const at = { path: ['a'], slot: 'on', key: 'b.c', index: 0, change: 'leaveOut', what: '' } as const;
    assert.is(lineOf('.', place, at), 6);
    assert.is(lineOf('.', place, { ...at, key: 'd' }), 5, 'not written out: the nearest above it');
    assert.is(lineOf('.', place, { ...at, path: [], key: 'go' }), 2);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a mutant can only matter where its event reaches its state', () => {
  const heard = new Set([heardBy(['a'], 'go'), heardBy([], 'note')]);
  const silent = mutantsOf(chart).filter((mutant) => !canMatter(mutant, heard));
  const places = new Set(silent.map(({ path, key }) => `${path.join('.')} ${key}`));
  assert.equal([...places], [' stop', ' ignored', 'b go', 'b.inner back']);
});

const LAMP = `import { setup } from 'xstate';
export const lamp = setup({ guards: { never: () => false } }).createMachine({
  id: 'lamp', initial: 'off',
  states: {
    off: { on: { start: 'on', unused: 'on', loop: { guard: 'never', target: 'spin' }, crash: 'on' } },
    on: {},
    spin: { always: 'spun' },
    spun: { always: 'spin' },
  },
});`;
const TESTS = `import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initialTransition, transition } from 'xstate';
import { lamp } from './lamp.ts';
const after = (type) => transition(lamp, initialTransition(lamp)[0], { type })[0].value;
test('start', () => assert.is(after('start'), 'on'));
test('loop', () => assert.is(after('loop'), 'off'));
if (after('crash') !== 'on') process.exit(7);
test.run();`;

test('what notices a mutant: a failed test, a chart that never comes to rest, a process that ends; or nothing', async () => {
  const directory = mkdtempSync(join('dist', 'mutation-'));
  try {
    writeFileSync(join(directory, 'lamp.ts'), LAMP);
    writeFileSync(join(directory, 'lamp.test.ts'), TESTS);
    const on = { start: 'on', unused: 'on', loop: { guard: 'never', target: 'spin' }, crash: 'on' };
    const mutants = mutantsOf({ states: { off: { on } } });
    const verdicts = new Map<string, Verdict>();
    const place = { file: join(directory, 'lamp.ts'), exported: 'lamp' };
    const watcher: Watcher<Mutant> = {
      judged: (mutant, verdict) => void verdicts.set(describe(mutant), verdict),
      took: () => {},
    };
    await tryMutants(place, join(directory, 'lamp.test.ts'), mutants, -1, watcher);
    assert.is(verdicts.size, 0, 'a file that takes too long is left for later');
    await tryMutants(place, join(directory, 'lamp.test.ts'), mutants, Number.POSITIVE_INFINITY, watcher);
    const noticedBy = [...verdicts].map(([what, verdict]) => [what, verdict.noticedBy]);
    assert.equal(noticedBy, [
      ['off, on start: transition to on left out', 'a failed test'],
      ['off, on unused: transition to on left out', null],
      ['off, on loop: transition to spin left out', null],
      ['off, on loop: guard never always true', 'a failed test'],
      ['off, on crash: transition to on left out', 'a process that ended'],
    ]);
    assert.match(verdicts.get('off, on start: transition to on left out')?.words ?? '', /FAIL.*"start"/);
    assert.match(verdicts.get('off, on loop: guard never always true')?.words ?? '', /[Ii]nfinite loop/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();
