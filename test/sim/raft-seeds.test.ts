// The simulator over many seeds, on all cores. SIMULATOR_SEEDS=A..B runs others; of a failing one the smallest run is printed, as a file.
// (Not VEDETTE_SEEDS: that is a flag of the command's.)
// watchdog: 600s
import { availableParallelism } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzzAll } from '../../scenarios/engine/sim/fuzz-pool.ts';
import { drawOptions } from '../../scenarios/engine/sim/options.ts';
import { parseSeeds } from '../../scenarios/engine/sim/report.ts';
import { runSimulation } from '../../scenarios/engine/sim/simulation.ts';

const { first, last } = parseSeeds(process.env['SIMULATOR_SEEDS'] ?? '1..500');

test(`seeds ${first}..${last}: whole Raft groups keep every invariant under faults, and recover`, async () => {
  const began = performance.now();
  let delivered = 0;
  const failures: string[] = [];
  await fuzzAll({
    first,
    last,
    jobs: availableParallelism(),
    options: { bug: null, shrinkRuns: 200 },
    done(report) {
      delivered += report.delivered;
      const { failure, seed } = report;
      if (failure !== null) failures.push(`seed ${seed}: ${failure.message}\n${failure.scenario}`);
    },
    shrinking() {},
  });
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `\n  simulated seeds ${first}..${last} in ${seconds.toFixed(1)} s: ${delivered} messages delivered, ${Math.round(delivered / seconds)}/s`,
  );
  assert.is(failures.length, 0, failures.join('\n'));
  assert.ok(delivered > 0, 'the seeds did something');
});

test('the same seed twice: equal traces; another seed: another trace', () => {
  for (let seed = first; seed < first + 5; seed++) {
    const once = runSimulation(drawOptions(seed));
    const again = runSimulation(drawOptions(seed));
    assert.is(again.hash, once.hash, `seed ${seed}`);
    assert.is(again.delivered, once.delivered);
    assert.is.not(runSimulation(drawOptions(`${seed} in other words`)).hash, once.hash);
  }
});

test('watching a run does not change it', () => {
  const lines: string[] = [];
  const watched = runSimulation(drawOptions(first), { trace: (line) => lines.push(line) });
  assert.is(watched.hash, runSimulation(drawOptions(first)).hash);
  assert.ok(lines.length > watched.delivered, 'every delivery is a line, and more');
});

test.run();
