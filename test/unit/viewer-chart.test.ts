// The chart of a browser's subscription, event by event.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ViewerEffect,
  type ViewerEvent,
  viewerSubscriptionMachine,
} from '../../src/machines/viewer-subscription.ts';
import { createInspector, statePaths } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('viewer chart');

type Type = ViewerEvent['type'];
const EVENTS = [
  'upstream.answered',
  'upstream.lost',
  'refused',
  'viewer.full',
  'viewer.drained',
  'retry.due',
  'changed',
  'unsubscribed',
] as const satisfies readonly Type[];

const WAYS: Record<string, readonly Type[]> = {
  opening: [],
  live: ['upstream.answered'],
  lagging: ['upstream.answered', 'viewer.full'],
  'resuming.waiting': ['upstream.lost'],
  'resuming.asking': ['upstream.lost', 'retry.due'],
  closed: ['unsubscribed'],
};

const anywhere = {
  'upstream.lost': ['resuming.waiting', 'scheduleRetry'],
  refused: ['closed', 'closeUpstream'],
  unsubscribed: ['closed', 'closeUpstream'],
} as const;
/** Where each event leads, and what it asks for; what is not listed changes nothing. */
const TABLE: Record<string, Partial<Record<Type, readonly [to: string, ...effects: string[]]>>> = {
  opening: { ...anywhere, 'upstream.answered': ['live'], changed: ['opening', 'closeUpstream', 'openUpstream'] },
  live: { ...anywhere, 'viewer.full': ['lagging', 'holdUpstream'], changed: ['live', 'closeUpstream', 'openUpstream'] },
  lagging: {
    ...anywhere,
    'viewer.drained': ['live', 'releaseUpstream'],
    changed: ['lagging', 'closeUpstream', 'openUpstream', 'holdUpstream'],
  },
  'resuming.waiting': { ...anywhere, 'retry.due': ['resuming.asking', 'openUpstream'] },
  'resuming.asking': {
    ...anywhere,
    'upstream.answered': ['live'],
    changed: ['resuming.asking', 'closeUpstream', 'openUpstream'],
  },
  closed: {},
};

function chart() {
  const clock = createVirtualClock();
  const effects: ViewerEffect[] = [];
  const machine = runMachine<typeof viewerSubscriptionMachine, ViewerEffect>(viewerSubscriptionMachine, {
    id: 's',
    kind: 'subscription',
    input: { answerPatienceMs: 1_000 },
    clock,
    inspector: createInspector({ clock }),
    onEffect: (effect) => effects.push(effect),
  });
  const state = () => statePaths(machine.snapshot.value);
  return { clock, effects, state, send: (...types: Type[]) => types.forEach((type) => machine.send({ type, at: 0 })) };
}

for (const [state, way] of Object.entries(WAYS)) {
  for (const event of EVENTS) {
    const [to, ...effects] = TABLE[state]?.[event] ?? [state];
    test(`${state}, ${event} → ${to}${effects.length > 0 ? `, ${effects}` : ''}`, () => {
      const viewer = chart();
      viewer.send(...way);
      assert.is(viewer.state(), state);
      viewer.effects.length = 0;
      viewer.send(event);
      assert.is(viewer.state(), to);
      assert.equal(
        viewer.effects.map(({ type }) => type),
        effects,
      );
    });
  }
}

test('a broker that says nothing when it is asked is left for the next; one that has answered may be silent', () => {
  const viewer = chart();
  const passed = (ms: number) => {
    viewer.effects.length = 0;
    viewer.clock.advance(ms);
    return [viewer.state(), ...viewer.effects.map(({ type }) => type)];
  };
  assert.equal(passed(999), ['opening']);
  assert.equal(passed(1), ['resuming.waiting', 'closeUpstream', 'scheduleRetry']);
  viewer.send('retry.due');
  assert.equal(passed(1_000), ['resuming.waiting', 'closeUpstream', 'scheduleRetry']);
  viewer.send('retry.due', 'upstream.answered');
  assert.equal(passed(60_000), ['live']);
});

test('streams that are lost in a row are counted, until one answers', () => {
  const viewer = chart();
  const lose = (): number => {
    viewer.effects.length = 0;
    viewer.send('upstream.lost');
    const [effect] = viewer.effects;
    return effect?.type === 'scheduleRetry' ? effect.params.attempt : 0;
  };
  assert.equal([lose(), lose(), lose()], [1, 2, 3]);
  viewer.send('retry.due', 'upstream.answered');
  assert.is(lose(), 1);
});

test.run();
