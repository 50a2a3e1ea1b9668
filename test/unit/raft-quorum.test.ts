// Majorities against counting by hand.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import type { BrokerId } from '../../src/core/ids.ts';
import { majorityOf, reachedByMajority, tally } from '../../src/machines/raft/quorum.ts';
import { id } from '../support/raft-charts.ts';

test('a majority is more than half', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majorityOf), [1, 2, 2, 3, 3, 4, 4]);
});

test('what a majority has reached, by table', () => {
  const cases: [number[], number][] = [
    [[], 0],
    [[7], 7],
    [[7, 9], 7],
    [[7, 9, 0], 7],
    [[5, 5, 5], 5],
    [[1, 2, 3, 4], 2],
    [[1, 2, 3, 4, 5], 3],
    [[100, 10, 9], 10],
  ];
  for (const [values, reached] of cases) assert.equal(reachedByMajority(values), reached, `${values}`);
});

test('what a majority has reached is the largest value that more than half have or exceed', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 9 }), (values) => {
      const reached = reachedByMajority(values);
      const having = (index: number) => values.filter((value) => value >= index).length;
      assert.ok(having(reached) * 2 > values.length);
      assert.ok(values.every((value) => value <= reached || having(value) * 2 <= values.length));
    }),
  );
});

test('the values are left as they were', () => {
  const values = [1, 3, 2];
  reachedByMajority(values);
  assert.deepEqual(values, [1, 3, 2]);
});

test('an election is won by more than half, lost when that can no longer be, open between; strangers do not count', () => {
  const vote = fc.constantFrom<boolean | null>(true, false, null);
  fc.assert(
    fc.property(
      fc.array(vote, { minLength: 1, maxLength: 9 }),
      fc.dictionary(fc.constantFrom('x1', 'x2', 'x3'), fc.boolean()),
      (cast, strangers) => {
        const voters: BrokerId[] = cast.map((_, at) => id(`v${at}`));
        const votes: Record<string, boolean> = { ...strangers };
        cast.forEach((granted, at) => {
          if (granted !== null) votes[`v${at}`] = granted;
        });
        const granted = cast.filter((one) => one === true).length;
        const open = cast.filter((one) => one === null).length;
        const outcome = granted * 2 > cast.length ? 'won' : (granted + open) * 2 > cast.length ? 'open' : 'lost';
        assert.equal(tally(voters, votes), outcome);
      },
    ),
  );
});

test.run();
