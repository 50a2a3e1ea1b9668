// The simulator must be able to fail: each planted bug is found in the run that is recorded for it, by what comes of it where that
// is possible, and by the broken promise itself at once. Without the bug the same run passes.
// watchdog: 200s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawOptions } from '../../scenarios/engine/sim/options.ts';
import { type PlantedBug, plantedBugs } from '../../scenarios/engine/sim/planted.ts';
import { replay } from '../../scenarios/engine/sim/replay.ts';
import { parseScenario } from '../../scenarios/engine/sim/scenario-file.ts';
import { runSimulation, type SimResult } from '../../scenarios/engine/sim/simulation.ts';

interface Expectation {
  /** The rules that may notice it. */
  readonly rules: readonly string[];
  /** The seed that is known to find it (`npm run sim:planted` tells it). When seeds have changed their meaning, those behind it do. */
  readonly seed: number;
}

/** Runs from the recorded seed on. */
const WITHIN = 60;

const durability = ['commit on a durable quorum', 'what was synced survives', 'no member fails', 'leader completeness'];
const reads = ['reads see what was acknowledged before'];

/** Without the checks of promises: only what a broken promise leads to counts. */
const byOutcome: Record<Exclude<PlantedBug, 'wallClockMeasures'>, Expectation> = {
  replyBeforeSync: { rules: durability, seed: 5 },
  voteNotPersisted: { rules: ['one vote per term', 'one leader per term', 'no member fails'], seed: 254 },
  commitByCountOfOlderTerm: {
    rules: ['commit of the own term only', 'log matching on what is committed'],
    seed: 3,
  },
  commitWithoutOldHalf: { rules: ['commit on a durable quorum'], seed: 108 },
  learnerCounted: { rules: ['commit on a durable quorum'], seed: 230 },
  voteForStaleLog: {
    rules: ['leader completeness', 'what is committed is never cut', 'no member fails'],
    seed: 5,
  },
  cutsMatchingSuffix: { rules: [...durability, 'what is committed stays on a quorum'], seed: 3 },
  tornEntryTaken: { rules: ['log matching'], seed: 2 },
  snapshotLosesMembership: { rules: durability, seed: 301 },
  snapshotRenamedUnsynced: { rules: ['no member fails', 'a snapshot that was whole survives'], seed: 1 },
  voteFromAmnesia: { rules: durability, seed: 4 },
  readWithoutQuorum: { rules: reads, seed: 36 },
  readBeforeNoop: { rules: reads, seed: 56 },
  timeoutTakenForFailure: { rules: ['notApplied is final', 'notApplied is true'], seed: 7 },
  proposedTwice: { rules: ['a proposal is applied once'], seed: 1 },
};

function find(bug: PlantedBug, promises: boolean, from: number, within: number): SimResult | undefined {
  for (let seed = from; seed < from + within; seed++) {
    const options = drawOptions(seed);
    const result = runSimulation(options, { planted: plantedBugs[bug](options), promises });
    if (result.failure !== null) return result;
  }
  return undefined;
}

for (const [bug, expected] of Object.entries(byOutcome) as [PlantedBug, Expectation][]) {
  test(`${bug} is found by its consequences`, () => {
    const found = find(bug, false, expected.seed, WITHIN);
    assert.ok(found?.failure, `not found within seeds ${expected.seed}..${expected.seed + WITHIN - 1}`);
    const { failure, options, tail } = found;
    assert.ok(
      expected.rules.includes(failure?.rule ?? ''),
      `seed ${options.seed} found it by another rule: ${failure?.message}`,
    );
    assert.ok(tail.length > 10, 'with the events that led there');
    assert.is(runSimulation(options, { promises: false }).failure, null, `seed ${options.seed} fails without it, too`);
    console.log(`  ${bug}: seed ${options.seed}, ${failure?.message.split('\n')[0]}`);
  });
}

// It shows where just those are left to agree whose clocks were set back: seldom by chance, so it has a schedule of its own.
test('a wall clock that is set back matters to those who measure by it, and to nobody else', () => {
  const scenario = parseScenario(
    `version: 1
name: the wall clocks of two are set back an hour, and their leader goes for good
seed: 1
cluster: { closed-connection-hint: false }
network: { close-noticed: 0 }
for: 4s
steps:
  - { at: 2500ms, fault: membership, kind: transfer, target: broker-3 }
  - { at: 3900ms, fault: clock, jump: -1h, target: [broker-1, broker-2] }
ending: { core: [broker-1, broker-2, broker-3], others: [down, down, down] }
`,
    'set-back.yaml',
  );
  // Where one of the two had given up on its leader by then, they find another.
  const withSeed = (seed: number) => ({ ...scenario, options: { ...scenario.options, seed: String(seed) } });
  const seeds = Array.from({ length: 20 }, (_, at) => at + 1);
  const found = seeds.find((seed) => replay(withSeed(seed), 'wallClockMeasures').violation?.rule === 'liveness');
  assert.ok(found !== undefined, `not found within seeds 1..${seeds.length}`);
  assert.is(replay(withSeed(found)).verdict, 'passed');
});

test('a broken promise is noticed at once, before a crash makes it matter', () => {
  for (const [bug, name] of [
    ['replyBeforeSync', 'a vote is durable before it is said'],
    ['voteNotPersisted', 'a vote is durable before it is said'],
  ] as const) {
    assert.is(find(bug, true, 1, 1)?.failure?.rule, name, bug);
  }
});

test.run();
