// A run as a file: what is written is read back as it was, and what is wrong is named.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawSchedule } from '../../scenarios/engine/sim/draw-schedule.ts';
import { drawOptions } from '../../scenarios/engine/sim/options.ts';
import { parseScenario, printScenario } from '../../scenarios/engine/sim/scenario-file.ts';
import type { Step } from '../../scenarios/engine/sim/schedule.ts';
import { runSimulation } from '../../scenarios/engine/sim/simulation.ts';
import { VedetteError } from '../../src/core/errors.ts';

test('every drawn run is read back as it was written', () => {
  for (let seed = 1; seed <= 25; seed++) {
    const drawn = drawOptions(seed);
    const options = { ...drawn, faults: { intervalMeanMs: 0, durationMeanMs: 0, weights: {} } };
    const scenario = { name: `seed ${seed}`, options, schedule: drawSchedule(drawn) };
    assert.equal(parseScenario(printScenario(scenario, ['a comment']), 'x.yaml'), scenario, `seed ${seed}`);
  }
});

test('a run from its file leaves the trace that it leaves from its seed', () => {
  for (let seed = 1; seed <= 3; seed++) {
    const options = drawOptions(seed);
    const text = printScenario({ name: 'x', options, schedule: drawSchedule(options) });
    const read = parseScenario(text, 'x.yaml');
    assert.is(runSimulation(read.options, { schedule: read.schedule }).hash, runSimulation(options).hash);
  }
});

const HEAD = 'version: 1\nname: a leader dies\nseed: 17\n';

test('ten lines are enough; JSON is as good', () => {
  const short = `${HEAD}for: 2s\nsteps:\n  - { at: 1s, fault: crash, target: leader, for: 500ms }\n`;
  const scenario = parseScenario(short, 'short.yaml');
  assert.is(scenario.options.members, 3);
  assert.equal(scenario.schedule.steps, [
    { fault: 'crash', atMs: 1000, targets: [{ type: 'leader', group: 0 }], moment: 'now', forMs: 500 },
  ]);
  const json = JSON.stringify({
    version: 1,
    name: 'a leader dies',
    seed: 17,
    for: '2s',
    steps: [{ at: '1s', fault: 'crash', target: 'leader', for: '500ms' }],
  });
  assert.equal(parseScenario(json, 'short.json'), scenario);
  const { failure, brought } = runSimulation(scenario.options, { schedule: scenario.schedule });
  assert.is(failure, null);
  assert.equal(
    brought.map(({ touched }) => touched),
    [1],
  );
});

test('what is wrong with clocks, files and places is read as it is written, and what is left out is as usual', () => {
  const steps = [
    '{ at: 1s, fault: crash-at, await: rename, nth: 3, times: 2, restart: true, target: leader, for: 1s }',
    '{ at: 1s, fault: crash-at, target: leader, for: 1s }',
    '{ at: 1s, fault: stop, target: follower, for: 1s }',
    '{ at: 1s, fault: clock, skew: -30s, target: leader, for: 1s }',
    '{ at: 1s, fault: clock, jump: 1500ms, target: leader }',
    '{ at: 1s, fault: clock, leap: 2s, target: leader }',
    '{ at: 1s, fault: disk, kind: corrupt, files: snapshots, target: leader, for: 0ms }',
    '{ at: 1s, fault: disk, kind: corrupt, group: control, target: leader, for: 0ms }',
  ];
  const text = `${HEAD}steps:\n${steps.map((each) => `  - ${each}\n`).join('')}`;
  const read = parseScenario(text, 'x.yaml');
  const common = { atMs: 1000, targets: [{ type: 'leader', group: 0 }], forMs: 1000 } as const;
  const right = { driftPpm: 0, skewMs: 0, jumpMs: 0, leapMs: 0 };
  const disk = { kind: 'corrupt', files: 'log', group: null, factor: 10, forMs: 0 } as const;
  const expected: Step[] = [
    { ...common, fault: 'crash-at', of: 'rename', nth: 3, times: 2, restart: true },
    { ...common, fault: 'crash-at', of: 'any', nth: 1, times: 1, restart: false },
    { ...common, fault: 'stop', targets: [{ type: 'follower' }] },
    { ...common, fault: 'clock', ...right, skewMs: -30_000 },
    { ...common, fault: 'clock', ...right, jumpMs: 1500, forMs: 0 },
    { ...common, fault: 'clock', ...right, leapMs: 2000, forMs: 0 },
    { ...common, fault: 'disk', ...disk, files: 'snapshots' },
    { ...common, fault: 'disk', ...disk, group: 0 },
  ];
  assert.equal(read.schedule.steps, expected);
  assert.equal(parseScenario(printScenario(read), 'y.yaml'), read);
});

function refusal(text: string): VedetteError {
  try {
    parseScenario(text, 'x.yaml');
  } catch (error) {
    if (error instanceof VedetteError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

test('what is wrong is named: line, field, and the nearest right thing', () => {
  const wrong: [string, RegExp][] = [
    ['', /x\.yaml.*names and values are expected/],
    ['version: [', /x\.yaml: .*line 1/],
    ['version: 2\nname: x\nseed: 1', /x\.yaml:1: version 2 is newer than this program, which reads 1/],
    ['version: 1\nname: x', /x\.yaml:1: seed is missing/],
    [`${HEAD}setps: []`, /setps unknown name; did you mean steps\?/],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: crsh, target: leader }`,
      /x\.yaml:5: steps\[0\]\.fault "crsh" is no fault; did you mean crash\?/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: crash, target: laeder, for: 1s }`,
      /target "laeder" is no target; did you mean leader\?/,
    ],
    [`${HEAD}steps:\n  - { at: 1s, fault: crash, target: leader }`, /x\.yaml:5: steps\[0\]\.for is missing/],
    [
      `${HEAD}steps:\n  - { at: 1, fault: crash, target: leader, for: 1s }`,
      /at a duration such as 500ms or 2s is expected, not 1/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: crash, target: broker-4, for: 1s }`,
      /there is no broker-4; the last one is broker-3/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: crash, target: "shard:3/leader", for: 1s }`,
      /there is no shard-3; the last group is control/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: partition, groups: [[broker-1], [broker-9]], for: 1s }`,
      /groups there is no broker-9/,
    ],
    [`${HEAD}steps:\n  - { at: 1s, fault: network, target: broker-1, for: 1s }`, /write broker-1->broker-2/],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: network, target: "broker-1->broker-2", loss: 3, for: 1s }`,
      /loss a number from 0 to 1 is expected, not 3/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: crash-at, await: wirte, target: leader, for: 1s }`,
      /await "wirte" is no await; did you mean write\?/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: clock, skew: -3, target: leader, for: 1s }`,
      /skew a duration such as 500ms or 2s is expected, not -3/,
    ],
    [
      `${HEAD}steps:\n  - { at: 1s, fault: disk, kind: corrupt, group: shard-7, target: leader, for: 1s }`,
      /there is no shard-7; the last group is control/,
    ],
    [`${HEAD}steps: 3`, /steps a list is expected, not 3/],
    [`${HEAD}cluster: { brokers: 2.5 }`, /cluster\.brokers a whole number is expected, not 2\.5/],
    [`${HEAD}cluster: { borkers: 3 }`, /cluster\.borkers unknown name; did you mean brokers\?/],
    [`${HEAD}ending: { core: [broker-1], others: [] }`, /ending\.core names each of the 3 brokers once/],
  ];
  for (const [text, expected] of wrong) assert.match(refusal(text).message, expected);
});

test.run();
