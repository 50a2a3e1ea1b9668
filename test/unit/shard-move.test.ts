// How a shard's group comes to lie as the layout says: each step in a table, and all of them together against a model of the group.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import type { BrokerId } from '../../src/core/ids.ts';
import { afterJoint, changeTo, type Configuration, isJoint, promoted } from '../../src/machines/raft/membership.ts';
import { nextShardStep, type ShardSituation, type ShardStep } from '../../src/machines/shard-move.ts';

const ids = (names: string) => Array.from(names) as BrokerId[];

/** 'abc+d+e?': three voters, d learns and is to vote, e only learns. */
function configurationOf(text: string): Configuration {
  const [voters = '', ...learners] = text.split('+');
  return {
    voters: ids(voters),
    outgoing: [],
    learners: learners.map((name) => name.charAt(0) as BrokerId),
    joining: learners.filter((name) => !name.endsWith('?')).map((name) => name.charAt(0) as BrokerId),
  };
}

function told(step: ShardStep | null): string {
  if (step === null) return '–';
  if (step.step === 'handOver') return `→${step.to}`;
  const { voters, learners, joining } = step.target;
  return `${step.step} ${voters.join('')}${learners.map((id) => `+${id}${joining.includes(id) ? '' : '?'}`).join('')}`;
}

interface Case {
  readonly self?: string;
  readonly down?: string;
  readonly behind?: string;
  readonly quiet?: boolean;
}

function situation(configuration: Configuration | null, wanted: string, facts: Case): ShardSituation {
  const { self = 'a', down = '', behind = '', quiet = false } = facts;
  return {
    self: self as BrokerId,
    configuration,
    wanted: ids(wanted),
    isLinked: (id) => id !== self && !down.includes(id),
    keepsUp: (id) => id !== self && !behind.includes(id),
    isQuiet: quiet,
  };
}

const TABLE: readonly (readonly [what: string, now: string, wanted: string, facts: Case, step: string])[] = [
  ['all is as it should be', 'abc', 'abc', { quiet: true }, '–'],
  ['one is missing: it learns', 'abc', 'bcd', {}, 'add abc+d'],
  ['it cannot be reached: nothing moves', 'abc', 'bcd', { down: 'd' }, '–'],
  ['it catches up', 'abc+d', 'bcd', {}, '–'],
  ['it has taken its place: the one that is not wanted goes, after handing over', 'abcd', 'bcd', {}, '→b'],
  ['to one that can be reached', 'abcd', 'bcd', { down: 'b' }, '→c'],
  ['and keeps up', 'abcd', 'bcd', { behind: 'bc' }, '→d'],
  ['nobody is there to lead', 'abcd', 'bcd', { down: 'bcd' }, '–'],
  ['who is wanted leads, and leaves the other out', 'abcd', 'bcd', { self: 'b' }, 'change bcd'],
  ['not while a majority of the rest is gone', 'abcd', 'bcd', { self: 'b', down: 'cd' }, '–'],
  ['or far behind', 'abcd', 'bcd', { self: 'b', behind: 'cd' }, '–'],
  ['of two, who is gone goes first', 'abcd', 'cde', { self: 'c', down: 'b' }, 'change acd'],
  ['of two, who leads goes last', 'abcd', 'cde', { self: 'a' }, 'change acd'],
  ['one at a time', 'abc', 'def', {}, 'add abc+d'],
  ['not a second one meanwhile', 'abc+d', 'def', {}, '–'],
  ['unless the first is away: in its place', 'abc+d', 'def', { down: 'd' }, 'add abc+e'],
  ['a learner that is not wanted any more is let go', 'abc+d', 'abc', {}, 'change abc'],
  ['one that only learns is to vote', 'abc+d?', 'bcd', {}, 'change abc+d'],
  ['fewer are wanted', 'abc', 'ab', {}, 'change ab'],
  ['more are wanted', 'ab', 'abc', {}, 'add ab+c'],
  ['more are wanted, and one goes', 'ab', 'bcd', {}, 'add ab+c'],
  ['… first the missing ones', 'abc', 'bcde', {}, 'add abc+d'],
  ['a single one hands its shard over', 'a', 'b', {}, 'add a+b'],
  ['… and goes', 'ab', 'b', {}, '→b'],
  ['whose turn it is leads, after a while', 'abc', 'bac', { quiet: true }, '→b'],
  ['not at once', 'abc', 'bac', {}, '–'],
  ['not when it is away', 'abc', 'bac', { quiet: true, down: 'b' }, '–'],
  ['or behind', 'abc', 'bac', { quiet: true, behind: 'b' }, '–'],
  ['or has still to come', 'abc+d', 'dab', { quiet: true }, '–'],
  ['nobody is wanted: the layout is not known', 'abc', '', { quiet: true }, '–'],
];

test('each step', () => {
  for (const [what, now, wanted, facts, step] of TABLE)
    assert.equal(told(nextShardStep(situation(configurationOf(now), wanted, facts))), step, what);
  assert.equal(nextShardStep(situation(null, 'bcd', {})), null, 'a change is under way');
});

test('whatever lies where, and whoever is down meanwhile: it comes to lie as wanted, and never stops by itself', () => {
  const some = (min: number) => fc.subarray(ids('abcdefg'), { minLength: min, maxLength: 4 });
  fc.assert(
    fc.property(some(1), some(1), fc.array(fc.subarray(ids('abcdefg')), { maxLength: 12 }), (from, wanted, outages) => {
      let current: Configuration = { voters: from.toSorted(), outgoing: [], learners: [], joining: [] };
      let leader = from[0] as BrokerId;
      const most = Math.max(from.length, wanted.length) + 1;
      for (let round = 0; round < 60; round++) {
        const down = (outages[round] ?? []).filter((id) => id !== leader);
        const isUp = (id: BrokerId) => !down.includes(id);
        const step = nextShardStep({
          self: leader,
          configuration: current,
          wanted,
          isLinked: isUp,
          keepsUp: (id) => isUp(id) && current.voters.includes(id),
          isQuiet: true,
        });
        if (step?.step === 'handOver') {
          assert.ok(current.voters.includes(step.to) && isUp(step.to) && step.to !== leader);
          leader = step.to;
        } else if (step !== null) {
          const changed = changeTo(current, step.target);
          assert.ok(typeof changed !== 'string', 'it can be done');
          const gone = current.voters.filter((id) => !changed.voters.includes(id));
          assert.ok(gone.length <= 1 && !gone.includes(leader), 'one at a time, and never who leads');
          assert.ok(!gone.some((id) => wanted.includes(id)), 'who is wanted stays');
          if (gone.length > 0)
            assert.ok(changed.voters.filter(isUp).length > changed.voters.length / 2, 'a majority is there');
          current = isJoint(changed) ? afterJoint(changed) : changed;
        }
        const ready = current.joining.find(isUp);
        if (ready !== undefined && current.voters.filter(isUp).length > current.voters.length / 2)
          current = afterJoint(promoted(current, ready));
        assert.ok(current.voters.length <= most, `${current.voters.length} voters`);
      }
      assert.deepEqual(current.voters, wanted.toSorted());
      assert.deepEqual(current.learners, []);
      assert.equal(leader, wanted[0]);
    }),
    { numRuns: 3_000 },
  );
});

test.run();
