// The simulator must be able to fail: each planted bug is found within a few seeds, by what comes of it where that is possible, and
// by the broken promise itself at once.
// watchdog: 200s
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawOptions } from '../../scenarios/engine/sim/options.ts';
import { type PlantedBug, plantedBugs } from '../../scenarios/engine/sim/planted.ts';
import { runSimulation, type SimResult } from '../../scenarios/engine/sim/simulation.ts';

interface Expectation {
  /** The rules that may notice it. */
  readonly rules: readonly string[];
  /** A seed that is known to find it, and how many may be needed from there on when the seeds change their meaning. */
  readonly from: number;
  readonly within: number;
}

const durability = ['commit on a durable quorum', 'what was synced survives', 'no member fails', 'leader completeness'];

/** Without the checks of promises: only what a broken promise leads to counts. */
const byOutcome: Record<PlantedBug, Expectation> = {
  replyBeforeSync: { rules: durability, from: 1, within: 50 },
  voteNotPersisted: { rules: ['one vote per term', 'one leader per term', 'no member fails'], from: 60, within: 600 },
  commitByCountOfOlderTerm: {
    rules: ['commit of the own term only', 'log matching on what is committed'],
    from: 1,
    within: 100,
  },
  voteForStaleLog: {
    rules: ['leader completeness', 'what is committed is never cut', 'no member fails'],
    from: 1,
    within: 50,
  },
  readWithoutQuorum: { rules: ['reads see what was acknowledged before'], from: 1, within: 200 },
  timeoutTakenForFailure: { rules: ['notApplied is final', 'notApplied is true'], from: 1, within: 50 },
  proposedTwice: { rules: ['a proposal is applied once'], from: 1, within: 50 },
};

function find(
  bug: PlantedBug,
  promises: boolean,
  { from, within }: Pick<Expectation, 'from' | 'within'>,
): SimResult | undefined {
  for (let seed = from; seed < from + within; seed++) {
    const options = drawOptions(seed);
    const result = runSimulation(options, { planted: plantedBugs[bug](options), promises });
    if (result.failure !== null) return result;
  }
  return undefined;
}

for (const [bug, expected] of Object.entries(byOutcome) as [PlantedBug, Expectation][]) {
  test(`${bug} is found by its consequences`, () => {
    const found = find(bug, false, expected);
    assert.ok(found?.failure, `not found within seeds ${expected.from}..${expected.from + expected.within - 1}`);
    const { failure, options, tail } = found;
    assert.ok(
      expected.rules.includes(failure?.rule ?? ''),
      `seed ${options.seed} found it by another rule: ${failure?.message}`,
    );
    assert.ok(tail.length > 10, 'with the events that led there');
    console.log(`  ${bug}: seed ${options.seed}, ${failure?.message.split('\n')[0]}`);
  });
}

test('a broken promise is noticed at once, before a crash makes it matter', () => {
  for (const [bug, name] of [
    ['replyBeforeSync', 'a vote is durable before it is said'],
    ['voteNotPersisted', 'a vote is durable before it is said'],
  ] as const) {
    assert.is(find(bug, true, { from: 1, within: 1 })?.failure?.rule, name, bug);
  }
});

test.run();
