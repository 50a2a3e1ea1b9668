// watchdog: 180s
// A failing run becomes a small one that fails in the same way.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawSchedule } from '../../scenarios/engine/sim/draw-schedule.ts';
import { fuzzSeed } from '../../scenarios/engine/sim/fuzz-seed.ts';
import { drawOptions } from '../../scenarios/engine/sim/options.ts';
import { replay } from '../../scenarios/engine/sim/replay.ts';
import { parseScenario } from '../../scenarios/engine/sim/scenario-file.ts';
import type { Step } from '../../scenarios/engine/sim/schedule.ts';
import { type Candidate, shrink } from '../../scenarios/engine/sim/shrink.ts';

function large(): Candidate {
  const options = drawOptions(3);
  const { ending } = drawSchedule(options);
  const steps = Array.from(
    { length: 40 },
    (_, n): Step => ({
      fault: n % 7 === 3 ? 'pause' : 'crash',
      atMs: 10 * n,
      targets: [
        { type: 'member', member: n % 3 },
        { type: 'member', member: (n + 1) % 3 },
      ],
      moment: 'now',
      forMs: 100,
    }),
  );
  return { options, schedule: { steps, ending } };
}

/** Broken by two faults of the forty, together, if the second lasts. */
const needsTwo = ({ schedule: { steps } }: Candidate): string | null => {
  const first = steps.some(({ atMs }) => atMs === 70);
  const second = steps.some(({ atMs, forMs }) => atMs === 310 && forMs >= 20);
  return first && second ? 'a rule' : steps.length === 1 ? 'another rule' : null;
};

test('what does not matter is left out, and what does is made short', () => {
  const told: number[] = [];
  const { schedule, options, runs } = shrink(large(), 'a rule', {
    broken: needsTwo,
    runsMax: 400,
    progress: ({ schedule: { steps } }) => told.push(steps.length),
  });
  assert.equal(
    schedule.steps.map(({ atMs, forMs }) => [atMs, forMs]),
    [
      [70, 1],
      [310, 25],
    ],
  );
  assert.ok(schedule.steps.every((step) => 'targets' in step && step.targets.length === 1));
  assert.ok(schedule.ending.others.every((affliction) => affliction === 'well'));
  assert.is(options.snapshots, null);
  assert.is(options.workload.clientsPerGroup, 1);
  assert.ok(runs < 200, `${runs} runs`);
  assert.equal(
    told,
    told.toSorted((a, b) => b - a),
    'each is smaller than the one before',
  );
});

test('it takes no more runs than it may, and still gives a run that fails', () => {
  const { schedule, runs } = shrink(large(), 'a rule', { broken: needsTwo, runsMax: 5 });
  assert.is(runs, 5);
  assert.is(needsTwo({ options: drawOptions(3), schedule }), 'a rule');
});

test('an end at some place comes earlier and once, and a clock that is wrong is less so, as far as that still breaks the rule', () => {
  const { options, schedule } = large();
  const common = { atMs: 10, targets: [{ type: 'member', member: 0 }], forMs: 1 } as const;
  const steps: Step[] = [
    { ...common, fault: 'crash-at', of: 'sync', nth: 37, times: 3, restart: true },
    { ...common, fault: 'clock', driftPpm: 5000, skewMs: -9000, jumpMs: 64, leapMs: 1000 },
  ];
  const broken = ({ schedule: { steps: left } }: Candidate): string | null => {
    const isCrash = left.some((step) => step.fault === 'crash-at' && step.nth >= 5);
    const isBehind = left.some((step) => step.fault === 'clock' && step.skewMs <= -1000);
    return isCrash && isBehind ? 'a rule' : null;
  };
  const { schedule: smallest } = shrink({ options, schedule: { ...schedule, steps } }, 'a rule', {
    broken,
    runsMax: 400,
  });
  assert.equal(smallest.steps, [
    { ...common, fault: 'crash-at', of: 'sync', nth: 5, times: 1, restart: false },
    { ...common, fault: 'clock', driftPpm: 0, skewMs: -1125, jumpMs: 0, leapMs: 0 },
  ]);
});

test('a planted bug ends in a small schedule, whose file breaks the same rule; without the bug nothing is broken', () => {
  const { failure } = fuzzSeed(1, { bug: 'replyBeforeSync', shrinkRuns: 60 });
  assert.ok(failure !== null, 'it is found');
  assert.ok(failure.left <= 2, `${failure.left} of ${failure.drawn} faults are left`);
  const scenario = parseScenario(failure.scenario, 'found.yaml');
  const again = replay(scenario, 'replyBeforeSync');
  assert.is(again.verdict, 'failed');
  assert.is(again.violation?.rule, failure.rule);
  assert.is(again.traceHash, replay(scenario, 'replyBeforeSync').traceHash);
  assert.is(replay(scenario).violation, null, 'without the bug nothing is broken');
});

test.run();
