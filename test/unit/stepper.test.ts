import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { initialTransition, setup, transition } from 'xstate';
import { createStepper } from '../../src/streams/stepper.ts';

type Event =
  | { type: 'go'; by: number }
  | { type: 'flip' }
  | { type: 'burst'; count: number }
  | { type: 'boom' }
  | { type: 'quiet' }
  | { type: 'echo'; text: string };

interface Context {
  readonly total: number;
  readonly name: string;
}

const base = setup({
  types: { context: {} as Context, events: {} as Event, input: {} as { name: string } },
  actions: {
    say: (_, _params: { readonly text: string }) => {},
    log: (_, _params: { readonly total: number }) => {},
  },
  guards: {
    large: ({ context }) => context.total >= 10,
    booms: ({ event }) => {
      if (event.type === 'boom') throw new Error('a guard that throws');
      return false;
    },
  },
  delays: { patience: ({ context }) => 100 + context.total },
});

/** Nesting, parallel regions, `after`, raise, `always` and enqueueActions: what charts here use. */
const chart = base
  .extend({
    actions: {
      add: base.assign({ total: ({ context, event }) => context.total + (event.type === 'go' ? event.by : 0) }),
      again: base.raise({ type: 'flip' }),
      burst: base.enqueueActions(({ context, event, enqueue }) => {
        if (event.type !== 'burst') return;
        for (let n = 0; n < event.count; n++) {
          enqueue.assign({ total: context.total + n + 1 });
          enqueue({ type: 'say', params: { text: `${context.name} ${n}` } });
        }
      }),
    },
  })
  .createMachine({
    id: 'everything',
    context: ({ input }) => ({ total: 0, name: input.name }),
    type: 'parallel',
    states: {
      work: {
        initial: 'idle',
        entry: { type: 'say', params: { text: 'hello' } },
        states: {
          idle: {
            after: { patience: 'busy.hard' },
            on: {
              go: { target: 'busy', actions: ['add', 'again'] },
              burst: { actions: 'burst' },
              boom: { guard: 'booms', target: 'busy' },
            },
          },
          busy: {
            initial: 'light',
            exit: { type: 'say', params: { text: 'bye' } },
            always: { guard: 'large', target: 'done' },
            states: {
              light: { after: { 50: 'hard' }, on: { go: { actions: 'add', target: 'light', reenter: true } } },
              hard: {
                entry: { type: 'log', params: ({ context }) => ({ total: context.total }) },
                on: { go: { actions: 'add' } },
              },
            },
          },
          done: { on: { flip: 'idle' } },
        },
      },
      lamp: {
        initial: 'off',
        states: { off: { on: { flip: 'on' } }, on: { on: { flip: 'off' } } },
      },
    },
  });

const SCRIPT: Event[] = [
  { type: 'quiet' },
  { type: 'burst', count: 3 },
  { type: 'go', by: 2 },
  { type: 'go', by: 1 },
  { type: 'flip' },
  { type: 'echo', text: 'nobody handles this' },
  { type: 'go', by: 20 },
  { type: 'flip' },
  { type: 'burst', count: 0 },
  { type: 'go', by: 0 },
];

const plain = (actions: readonly { readonly type: string; readonly params?: unknown }[]) =>
  actions.map(({ type, params }) => ({ type, params: JSON.parse(JSON.stringify(params ?? null)) as unknown }));

test('steps as xstate’s own transition() does: states, contexts and effects alike', () => {
  const stepper = createStepper(chart, { name: 'n' });
  const first = stepper.initial();
  const [expectedFirst, expectedActions] = initialTransition(chart, { name: 'n' });
  assert.equal(first.snapshot.value, expectedFirst.value);
  assert.equal(first.snapshot.context, expectedFirst.context);
  assert.equal(plain(first.actions), plain(expectedActions));
  assert.ok(
    first.actions.some(({ type }) => type === 'say'),
    'entry actions of the initial state are among the first effects',
  );

  let snapshot = first.snapshot;
  for (const event of SCRIPT) {
    const [expected, actions] = transition(chart, snapshot, event);
    const stepped = stepper.step(snapshot, event);
    assert.equal(stepped.snapshot.value, expected.value, `value after ${event.type}`);
    assert.equal(stepped.snapshot.context, expected.context, `context after ${event.type}`);
    assert.equal(plain(stepped.actions), plain(actions), `effects of ${event.type}`);
    snapshot = stepped.snapshot;
  }
});

test('an earlier snapshot can be stepped again, with the same result', () => {
  const stepper = createStepper(chart, { name: 'n' });
  const { snapshot } = stepper.initial();
  const once = stepper.step(snapshot, { type: 'go', by: 1 });
  stepper.step(once.snapshot, { type: 'flip' });
  const twice = stepper.step(snapshot, { type: 'go', by: 1 });
  assert.equal(twice.snapshot.value, once.snapshot.value);
  assert.equal(plain(twice.actions), plain(once.actions));
});

test('a throw leaves no effects behind for the next step', () => {
  const stepper = createStepper(chart, { name: 'n' });
  const { snapshot } = stepper.initial();
  assert.throws(() => stepper.step(snapshot, { type: 'boom' }), /a guard that throws/);
  assert.equal(plain(stepper.step(snapshot, { type: 'quiet' }).actions), []);
});

test.run();
