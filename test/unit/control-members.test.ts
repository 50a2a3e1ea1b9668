// Who votes in the control group: single situations, and that steps come to an end where everything is as it should be.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import type { BrokerId } from '../../src/core/ids.ts';
import { type MembersSituation, type MembersStep, nextMembersStep } from '../../src/machines/control-members.ts';
import { type Configuration, isMemberOf } from '../../src/machines/raft/membership.ts';

interface Told {
  /** Ids: a capital letter is on its way out, one behind `?` has not presented itself. */
  readonly brokers: string;
  readonly voters: string;
  readonly learners?: string;
  readonly joining?: string;
  readonly leader?: string;
  readonly away?: string;
  readonly down?: string;
  readonly replicas?: string;
  readonly turn?: number;
}

const ids = (text = '') => text.split('').map((id) => id as BrokerId);

function situation(told: Told): MembersSituation {
  const brokers = new Map<BrokerId, { leaving: boolean; known: boolean }>();
  for (const [, unknown, id = ''] of told.brokers.matchAll(/(\??)([a-zA-Z])/g))
    brokers.set(id.toLowerCase() as BrokerId, { leaving: id !== id.toLowerCase(), known: unknown === '' });
  const { voters, learners, joining, away = '', down = '', replicas = '' } = told;
  return {
    self: (told.leader ?? told.voters[0]) as BrokerId,
    brokers,
    configuration: { voters: ids(voters), outgoing: [], learners: ids(learners), joining: ids(joining) },
    link: (id) => (down.includes(id) ? 'down' : away.includes(id) ? 'away' : 'up'),
    holdsReplicas: (id) => replicas.includes(id),
    turn: told.turn ?? 0,
  };
}

function said(step: MembersStep | null): string {
  if (step === null) return '-';
  if (step.step === 'handOver') return `to ${step.to}`;
  if (step.step === 'forget') return `forget ${step.broker}`;
  const { voters, learners, joining } = step.target;
  return [voters, learners, joining].map((group) => group.join('')).join('|');
}

const TABLE: readonly (readonly [what: string, told: Told, step: string])[] = [
  ['three that all vote', { brokers: 'abc', voters: 'abc' }, '-'],
  ['a fourth learns', { brokers: 'abcd', voters: 'abc' }, 'abc|d|'],
  ['and goes on learning', { brokers: 'abcd', voters: 'abc', learners: 'd' }, '-'],
  ['with a fifth both are to vote', { brokers: 'abcde', voters: 'abc', learners: 'd' }, 'abc|de|de'],
  ['one that was never seen does not', { brokers: 'abcd?e', voters: 'abc', learners: 'd' }, 'abc|de|'],
  ['nor one that is away', { brokers: 'abcde', voters: 'abc', learners: 'de', away: 'e' }, '-'],
  [
    'but it is waited for, when it was to',
    { brokers: 'abcde', voters: 'abc', learners: 'de', joining: 'de', away: 'e' },
    '-',
  ],
  ['until it is down', { brokers: 'abcde', voters: 'abc', learners: 'de', joining: 'de', down: 'e' }, 'abc|de|'],
  ['a sixth and a seventh learn', { brokers: 'abcdefg', voters: 'abcde', learners: 'f' }, 'abcde|fg|'],
  ['four founders: one learns', { brokers: 'abcd', voters: 'abcd' }, 'abc|d|'],
  ['not the one that leads', { brokers: 'abcd', voters: 'abcd', leader: 'd' }, 'abd|c|'],
  ['rather the one that is down', { brokers: 'abcd', voters: 'abcd', down: 'b' }, 'acd|b|'],
  ['seven founders: two learn', { brokers: 'abcdefg', voters: 'abcdefg' }, 'abcde|fg|'],
  ['two both vote', { brokers: 'ab', voters: 'a', learners: 'b' }, 'a|b|b'],
  ['a leaver goes, nobody takes its place', { brokers: 'abC', voters: 'abc' }, 'ab||'],
  ['it learns on while it holds replicas', { brokers: 'abC', voters: 'abc', replicas: 'c' }, 'ab|c|'],
  ['then it is left out', { brokers: 'abC', voters: 'ab', learners: 'c' }, 'ab||'],
  ['and forgotten', { brokers: 'abC', voters: 'ab' }, 'forget c'],
  ['not while it holds replicas', { brokers: 'abC', voters: 'ab', learners: 'c', replicas: 'c' }, '-'],
  ['a learner takes its place first', { brokers: 'abCd', voters: 'abc', learners: 'd' }, 'abc|d|d'],
  ['then it goes', { brokers: 'abCd', voters: 'abcd' }, 'abd||'],
  ['of five it goes first: never six', { brokers: 'abcdEf', voters: 'abcde', learners: 'f' }, 'abcd|f|f'],
  ['a leader that leaves hands over', { brokers: 'Abc', voters: 'abc' }, 'to b'],
  ['to another one, when that failed', { brokers: 'Abc', voters: 'abc', turn: 1 }, 'to c'],
  ['to one that can be reached', { brokers: 'Abc', voters: 'abc', away: 'b' }, 'to c'],
  ['a founder alone waits for its heir', { brokers: 'Ab', voters: 'a', learners: 'b' }, 'a|b|b'],
  ['and hands over', { brokers: 'Ab', voters: 'ab' }, 'to b'],
  ['voters do not go when that would stop the group', { brokers: 'abC', voters: 'abc', down: 'b' }, '-'],
  ['a dead one goes', { brokers: 'abC', voters: 'abc', down: 'c' }, 'ab||'],
  ['a dead one is replaced first', { brokers: 'abCd', voters: 'abc', learners: 'd', down: 'c' }, 'abc|d|d'],
  [
    'of leavers those go first that cannot be reached',
    { brokers: 'ABcdeG', voters: 'abceg', leader: 'c', down: 'ab' },
    'aceg|d|d',
  ],
  ['whoever is unknown is left out', { brokers: 'abc', voters: 'abc', learners: 'x' }, 'abc||'],
];

for (const [what, told, step] of TABLE)
  test(what, () => {
    assert.equal(said(nextMembersStep(situation(told))), step);
  });

test('nothing is asked for while a change is under way', () => {
  assert.equal(nextMembersStep({ ...situation({ brokers: 'Abcd', voters: 'abc' }), configuration: null }), null);
});

const everyone = ids('abcdefgh');
const world = fc.record({
  members: fc.subarray(everyone, { minLength: 1 }),
  leaving: fc.subarray(everyone),
  unknown: fc.subarray(everyone),
  down: fc.subarray(everyone),
  voters: fc.subarray(everyone, { minLength: 1 }),
  learners: fc.subarray(everyone),
  joining: fc.subarray(everyone),
  replicas: fc.subarray(everyone),
});

test('steps come to an end, one at a time, never with more than five voters, never without a majority', () => {
  fc.assert(
    fc.property(world, (drawn) => {
      const brokers = new Map(
        drawn.members.map((id) => [id, { leaving: drawn.leaving.includes(id), known: !drawn.unknown.includes(id) }]),
      );
      const up = (id: BrokerId) => !drawn.down.includes(id);
      const voters = drawn.voters.filter((id) => brokers.get(id)?.known === true);
      const first = voters.find(up);
      fc.pre([...brokers.values()].some(({ leaving }) => !leaving) && first !== undefined);
      fc.pre(voters.filter(up).length * 2 > voters.length);
      const learners = drawn.learners.filter((id) => brokers.has(id) && !voters.includes(id));
      const joining = drawn.joining.filter((id) => learners.includes(id)).slice(0, Math.max(0, 5 - voters.length));
      let configuration: Configuration = { voters, outgoing: [], learners, joining };
      let self = first ?? voters[0] ?? everyone[0] ?? ('' as BrokerId);
      let holders = drawn.replicas;
      for (let steps = 0; ; steps++) {
        assert.ok(steps < 60, 'it comes to an end');
        const next = nextMembersStep({
          self,
          configuration,
          brokers,
          link: (id) => (up(id) ? 'up' : 'down'),
          holdsReplicas: (id) => holders.includes(id),
          turn: steps,
        });
        if (next === null) {
          // The leader's chart promotes, one after another.
          const ready = configuration.joining.find(up);
          if (ready !== undefined) {
            const others = (all: readonly BrokerId[]) => all.filter((id) => id !== ready);
            const { voters: before, learners: learning, joining: waiting } = configuration;
            configuration = {
              voters: [...before, ready].sort(),
              outgoing: [],
              learners: others(learning),
              joining: others(waiting),
            };
            assert.ok(configuration.voters.length <= Math.max(5, voters.length));
          } else if (holders.length > 0) holders = [];
          else break;
        } else if (next.step === 'forget') {
          assert.ok(brokers.get(next.broker)?.leaving === true && !holders.includes(next.broker));
          assert.ok(!isMemberOf(configuration, next.broker));
          brokers.delete(next.broker);
        } else if (next.step === 'handOver') {
          assert.ok(configuration.voters.includes(next.to) && up(next.to) && brokers.get(self)?.leaving === true);
          self = next.to;
        } else {
          const { target } = next;
          assert.ok(target.voters.length > 0 && target.joining.every((id) => target.learners.includes(id)));
          assert.ok(
            target.voters.length + target.joining.length <= Math.max(5, configuration.voters.length),
            'at most five',
          );
          assert.ok(target.voters.includes(self), 'who leads stays');
          const fewer = target.voters.length < configuration.voters.length;
          if (fewer) assert.ok(target.voters.filter(up).length * 2 > target.voters.length, 'a majority is there');
          configuration = { ...target, outgoing: [] };
        }
      }
      const staying = [...brokers].filter(([, { leaving }]) => !leaving).map(([id]) => id);
      if (!staying.every((id) => up(id) && brokers.get(id)?.known === true)) return;
      assert.deepEqual([...brokers.keys()].sort(), staying.sort(), 'who left is forgotten');
      const wanted = staying.length <= 2 ? staying.length : [0, 1, 2, 3, 3, 5, 5, 5, 5][staying.length];
      assert.equal(configuration.voters.length, wanted);
      assert.deepEqual([...configuration.voters, ...configuration.learners].sort(), staying.sort());
    }),
    { numRuns: 3_000 },
  );
});

test.run();
