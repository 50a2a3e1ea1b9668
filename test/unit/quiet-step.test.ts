// The compiled step against xstate's own: on the chart that is stepped most, by events drawn at random, and on a chart made of what
// the compiled step must leave to xstate.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  and,
  fromCallback,
  type EventObject,
  initialTransition,
  setup,
  transition,
} from 'xstate';
import type { RaftEvent } from '../../src/machines/raft/events.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { RaftInput } from '../../src/machines/raft/context.ts';
import { foundedBy } from '../../src/machines/raft/membership.ts';
import { raftMachine } from '../../src/machines/raft/raft-machine.ts';
import { createQuietStep } from '../../src/streams/quiet-step.ts';
import { createRandom, type Random } from '../../src/streams/random.ts';

const plain = (actions: readonly { readonly type: string; readonly params?: unknown }[]) =>
  actions.map(({ type, params }) => ({ type, params }));

function caught<T>(run: () => T): { readonly value: T } | { readonly error: string } {
  try {
    return { value: run() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

// ---------------------------------------------------------------- the Raft chart

const input = {
  self: 'a',
  configurations: foundedBy(['a', 'b', 'c'] as BrokerId[]),
  options: {
    heartbeatMs: 50,
    electionMinMs: 200,
    electionMaxMs: 400,
    closedConnectionHint: true,
    leaseReads: false,
    diskPatienceMs: 2_000,
    boot: 1,
    inflightMax: 8,
    inflightBytesMax: 1e6,
    uncommittedBytesMax: 1e6,
  },
  term: 0,
  votedFor: null,
  log: { firstIndex: 1, previousTerm: 0, lastIndex: 0, runs: [] },
  seed: 7,
  at: 0,
} as unknown as RaftInput;

interface Situation {
  readonly term: number;
  readonly commit: number;
  readonly durable: number;
  readonly log: { readonly lastIndex: number };
}

/** Something that might happen to this member, more or less. */
function anyEvent(random: Random, { term, commit, durable, log }: Situation, at: number): EventObject {
  const from = random.next() < 0.5 ? 'b' : 'c';
  const around = (value: number) => Math.max(0, value + random.integer(-1, 1));
  const message = { from, to: 'a', term: random.next() < 0.9 ? term : around(term), at };
  const granted = random.next() < 0.7;
  const { lastIndex } = log;
  const prevIndex = Math.min(lastIndex, commit + random.integer(0, 2));
  const last = prevIndex + 1;
  const all: (EventObject & Record<string, unknown>)[] = [
    { type: 'preVote', ...message, term: term + 1, lastIndex: around(lastIndex), lastTerm: term },
    { type: 'preVoteReply', ...message, term: term + 1, granted },
    { type: 'vote', ...message, term: term + 1, lastIndex: around(lastIndex), lastTerm: term },
    { type: 'voteReply', ...message, granted },
    {
      type: 'append',
      ...message,
      prevIndex,
      prevTerm: term,
      lastIndex: last,
      runs: [{ first: last, term }],
      commit: around(commit),
      bytes: 9,
    },
    { type: 'appendReply', ...message, rejected: !granted, index: around(lastIndex), hintIndex: 0, hintTerm: 0 },
    { type: 'heartbeat', ...message, commit: around(commit), round: random.integer(0, 3) },
    { type: 'heartbeatReply', ...message, round: random.integer(0, 3) },
    { type: 'propose', ticket: 1, count: 2, bytes: 30, at },
    { type: 'log.synced', index: around(durable + 1), term, at },
    { type: 'applied', index: commit, at },
    { type: 'beat', at },
    { type: 'read', read: 1, at },
    { type: 'readIndex', ...message, read: 2 },
    { type: 'readIndexReply', ...message, read: 3, index: granted ? commit : null },
    { type: 'timeoutNow', ...message },
    { type: 'transfer', to: from, at },
    { type: 'vouch', ...message, boot: 1, index: durable },
    {
      type: 'changeMembership',
      ticket: 2,
      seen: 0,
      target: { voters: ['a', from], learners: granted ? ['d'] : [], joining: [] },
      at,
    },
    { type: 'peer.closed', peer: from, at },
    { type: 'peer.opened', peer: from, at },
    { type: 'append.sent', peer: from, term, lastIndex, bytes: 4000, at },
    { type: 'xstate.after.electionTimeout.raft.follower', at },
    { type: 'xstate.after.electionTimeout.raft.candidate', at },
    { type: 'nobody.knows.this', at },
  ];
  return all[random.integer(0, all.length - 1)] ?? { type: 'beat' };
}

test('the Raft chart: the same snapshots and effects, or the step is left to xstate', () => {
  const quiet = createQuietStep(raftMachine);
  const random = createRandom('quiet steps');
  const states = new Set<string>();
  let quietSteps = 0;
  let steps = 0;
  for (let run = 0; run < 60; run++) {
    let [snapshot] = initialTransition(raftMachine, input);
    for (let n = 0; n < 120; n++) {
      const at = run * 1000 + n * random.integer(1, 40);
      const event = anyEvent(random, snapshot.context, at) as RaftEvent;
      const expected = caught(() => transition(raftMachine, snapshot, event));
      const stepped = quiet(snapshot, event);
      steps++;
      states.add(JSON.stringify(snapshot.value));
      if ('error' in expected) {
        assert.is(stepped, null, `xstate says what is wrong: ${expected.error}`);
        continue;
      }
      const [next, actions] = expected.value;
      if (stepped !== null) {
        quietSteps++;
        assert.equal(stepped.snapshot.context, next.context, event.type);
        assert.equal(stepped.snapshot.value, next.value, event.type);
        assert.is(stepped.snapshot.status, next.status);
        assert.equal(plain(stepped.actions), plain(actions), event.type);
        snapshot = stepped.snapshot as typeof snapshot;
      } else snapshot = next;
    }
  }
  assert.ok(states.has('"follower"') && states.has('"preCandidate"') && states.size >= 3, [...states].join(' '));
  assert.ok(quietSteps > steps / 2, `${quietSteps} of ${steps} steps were quiet`);
});

// ---------------------------------------------------------------- everything else

type Event = { type: 'e'; by: number } | { type: 'go' };
const base = setup({
  types: { context: {} as { readonly n: number }, events: {} as Event },
  actions: {
    say: (_, _params: { readonly n: number }) => {},
  },
  delays: { nTimes: ({ context }) => context.n * 10 },
  guards: { odd: ({ context }) => context.n % 2 === 1, many: ({ context }) => context.n >= 5 },
});
const counting = base.extend({
  actions: { count: base.assign({ n: ({ context, event }) => context.n + (event.type === 'e' ? event.by : 0) }) },
});
const parts = counting.extend({
  actions: {
    become: base.assign(({ event }) => ({ n: event.type === 'e' ? event.by : 0 })),
    again: base.raise({ type: 'go' }),
    several: counting.enqueueActions(({ enqueue }) => {
      enqueue.assign({ n: 5 });
      enqueue.assign({ n: ({ context }) => context.n + 1 });
      enqueue('count');
      enqueue({ type: 'say', params: ({ context }) => ({ n: context.n }) });
    }),
    checks: base.enqueueActions(({ enqueue, check }) => {
      if (check('odd')) enqueue.assign({ n: 0 });
    }),
    raises: base.enqueueActions(({ enqueue }) => {
      enqueue.raise({ type: 'go' });
      enqueue.assign({ n: 9 });
    }),
  },
});

type OnE = NonNullable<NonNullable<Parameters<typeof parts.createMachine>[0]['on']>['e']>;

function chartWith(e: OnE, inner: object = {}): AnyStateMachine {
  return parts.createMachine({
    id: 'parts',
    context: { n: 1 },
    initial: 'here',
    states: { here: { on: { e, go: 'there' }, ...inner }, there: {} },
  });
}

/** [what, chart, is it quiet?] */
const cases: [string, AnyStateMachine, boolean][] = [
  [
    'nothing that the state knows',
    parts.createMachine({ context: { n: 1 }, initial: 'here', states: { here: {} } }),
    true,
  ],
  ['an assign by properties', chartWith({ actions: 'count' }), true],
  ['an assign by a function', chartWith({ actions: 'become' }), true],
  ['several enqueued', chartWith({ actions: 'several' }), true],
  [
    'an effect with params that are made',
    chartWith({ actions: { type: 'say', params: ({ context }) => context } }),
    true,
  ],
  ['a guard that refuses', chartWith({ guard: ({ context }) => context.n > 100, actions: 'count' }), false],
  ['a named guard', chartWith([{ guard: 'odd', actions: 'count' }, { actions: 'become' }]), true],
  ['a composed guard', chartWith({ guard: and(['odd', 'many']), actions: 'count' }), false],
  ['a raised event', chartWith({ actions: ['count', 'again'] }), false],
  ['one raised among others', chartWith({ actions: ['raises'] }), false],
  ['a check within', chartWith({ actions: 'checks' }), false],
  ['a target', chartWith({ target: 'there', actions: 'count' }), false],
  ['the own state, entered again', chartWith({ target: 'here', reenter: true, actions: 'count' }), true],
  [
    'timers that start anew, by the context that is new',
    chartWith({ target: 'here', reenter: true, actions: 'count' }, { after: { nTimes: 'there', 70: 'there' } }),
    true,
  ],
  [
    'what is done at its exit and entry',
    chartWith(
      { target: 'here', reenter: true, actions: 'count' },
      {
        entry: { type: 'say', params: ({ context }: { context: object }) => context },
        exit: 'become',
        after: { nTimes: 'there' },
      },
    ),
    true,
  ],
  [
    'the own state, not entered again',
    chartWith({ target: 'here', actions: 'count' }, { after: { nTimes: 'there' } }),
    false,
  ],
  [
    'the own state with another actor in it',
    chartWith({ target: 'here', reenter: true }, { invoke: { src: fromCallback(() => {}) } }),
    false,
  ],
  ['a forbidden event', chartWith({}), true],
  ['always', chartWith({ actions: 'count' }, { always: { guard: 'many', target: 'there' } }), false],
  ['a wildcard', chartWith({ actions: 'count' }, { on: { '*': { actions: 'become' } } }), false],
  [
    'regions',
    parts.createMachine({
      context: { n: 1 },
      type: 'parallel',
      states: { a: { on: { e: { actions: 'count' } } }, b: { on: { e: { actions: 'count' } } } },
    }),
    false,
  ],
];

for (const [what, chart, isQuiet] of cases) {
  test(`${what}: ${isQuiet ? 'compiled, with xstate’s result' : 'left to xstate'}`, () => {
    const [snapshot] = initialTransition(chart);
    const event = { type: 'e', by: 4 } as const;
    const stepped = createQuietStep(chart)(snapshot as AnyMachineSnapshot, event);
    assert.is(stepped !== null, isQuiet);
    if (stepped === null) return;
    const [expected, actions] = transition(chart, snapshot, event);
    assert.equal(stepped.snapshot.context, expected.context);
    assert.equal(stepped.snapshot.value, expected.value);
    assert.equal(plain(stepped.actions), plain(actions));
  });
}

test.run();
