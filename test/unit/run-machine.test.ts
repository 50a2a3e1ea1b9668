import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { setup } from 'xstate';
import { createInspector, statePaths } from '../../src/streams/inspector.ts';
import type { Inspection } from '../../src/streams/inspection.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Event = { at: number } & (
  | { type: 'start' }
  | { type: 'stop' }
  | { type: 'count'; left: number }
  | { type: 'fail' }
  | { type: 'stamp' }
  | { type: 'odd' }
);
interface Context {
  readonly name: string;
  readonly timedOutAt: number;
}
type Effect =
  | { readonly type: 'note'; readonly params: { readonly text: string } }
  | { readonly type: 'again'; readonly params: { readonly left: number } };

const lamp = setup({
  types: { context: {} as Context, events: {} as Event, input: {} as { name: string } },
  actions: {
    note: (_, _params: { readonly text: string }) => {},
    again: (_, _params: { readonly left: number }) => {},
  },
  guards: {
    fails: ({ event }) => {
      if (event.type === 'fail') throw new Error('the bulb is broken');
      return false;
    },
  },
  delays: { patience: 100 },
})
  .extend({ actions: {} })
  .createMachine({
    id: 'lamp',
    description: 'A lamp that goes out by itself.',
    context: ({ input }) => ({ name: input.name, timedOutAt: 0 }),
    initial: 'off',
    on: {
      count: { actions: { type: 'again', params: ({ event }) => ({ left: event.left }) } },
      fail: { guard: 'fails', target: '.off' },
    },
    states: {
      off: {
        entry: { type: 'note', params: ({ context }) => ({ text: `${context.name} is off` }) },
        on: { start: 'on' },
      },
      on: {
        initial: 'bright',
        entry: { type: 'note', params: ({ event }) => ({ text: `on at ${event.at}` }) },
        exit: { type: 'note', params: ({ event }) => ({ text: `${event.type} at ${event.at}` }) },
        on: { stop: 'off' },
        after: { patience: 'off' },
        states: { bright: { after: { 40: 'dim' } }, dim: {} },
      },
    },
  });

function run(over: { onNote?: (text: string) => void; onAgain?: (left: number) => void; onStep?: () => void } = {}) {
  const clock = createVirtualClock();
  const inspector = createInspector({ clock });
  const notes: string[] = [];
  const running = runMachine<typeof lamp, Effect>(lamp, {
    id: 'lamps/one',
    kind: 'lamp',
    input: { name: 'one' },
    clock,
    inspector,
    onEffect(effect) {
      if (effect.type === 'note') {
        notes.push(effect.params.text);
        over.onNote?.(effect.params.text);
      } else over.onAgain?.(effect.params.left);
    },
    onStep: () => over.onStep?.(),
  });
  const send = (type: 'start' | 'stop' | 'fail' | 'stamp') => running.send({ type, at: clock.monotonic() });
  return { clock, inspector, notes, running, send };
}

test('entry effects of the initial state are carried out when it begins', () => {
  let steps = 0;
  const { notes } = run({ onStep: () => steps++ });
  assert.equal(notes, ['one is off']);
  assert.is(steps, 1);
});

test('`after` becomes a timer of the clock, whose event carries `at`; leaving the state cancels it', () => {
  const { clock, notes, running, send } = run();
  send('start');
  clock.advance(40);
  assert.equal(running.snapshot.value, { on: 'dim' });
  clock.advance(60);
  assert.is(running.snapshot.value, 'off');
  assert.match(notes.at(-2) ?? '', /^xstate\.after\.patience\.lamp\.on at 100$/);

  send('start');
  clock.advance(99);
  send('stop');
  send('start');
  clock.advance(99);
  assert.equal(running.snapshot.value, { on: 'dim' }, 'the timer of the first visit does not end the second');
  clock.advance(1);
  assert.is(running.snapshot.value, 'off');
  assert.is(clock.pending, 0, 'no timer stays behind');
});

test('run to completion: what is sent by an effect waits until all effects of the step were carried out', () => {
  const order: string[] = [];
  const lamp_ = run({
    onNote(text) {
      order.push(text);
      if (text.startsWith('on at')) {
        lamp_.send('stop');
        order.push('sent');
      }
    },
    onStep: () => order.push('step'),
  });
  lamp_.send('start');
  assert.equal(order, ['one is off', 'step', 'on at 0', 'sent', 'step', 'stop at 0', 'one is off', 'step']);
});

test('a machine that feeds itself needs no deep stack, and without end it is an error that names it', () => {
  let counted = 0;
  const one = run({
    onAgain(left) {
      counted++;
      if (left > 0) one.running.send({ type: 'count', left: left - 1, at: 0 });
    },
  });
  one.running.send({ type: 'count', left: 50_000, at: 0 });
  assert.is(counted, 50_001);

  const endless = run({ onAgain: () => endless.running.send({ type: 'count', left: 0, at: 0 }) });
  assert.throws(() => endless.running.send({ type: 'count', left: 0, at: 0 }), /lamps\/one: 100000 events wait/);
});

test('stop(): timers are cancelled, later events ignored, and no further effect of the same step is asked for', () => {
  const one = run();
  one.send('start');
  one.running.stop();
  one.running.stop();
  assert.is(one.clock.pending, 0);
  one.send('stop');
  assert.equal(one.notes, ['one is off', 'on at 0']);
  assert.equal(one.inspector.machines(), []);

  const within = run({
    onNote(text) {
      if (text === 'stop at 0') within.running.stop();
    },
  });
  within.send('start');
  within.send('stop');
  assert.equal(
    within.notes,
    ['one is off', 'on at 0', 'stop at 0'],
    'the entry effect that would follow is not carried out',
  );
});

test('a chart at its end hears nothing more, whatever stands at its root', () => {
  const flow = setup({ types: { events: {} as { type: 'go' | 'stop'; at: number } }, actions: { note: () => {} } });
  const chart = flow.createMachine({
    id: 'flow',
    initial: 'running',
    on: { go: { target: '.running', actions: 'note' }, stop: '.over' },
    states: { running: {}, over: { type: 'final' } },
  });
  const clock = createVirtualClock();
  const inspector = createInspector({ clock });
  const effects: string[] = [];
  const machine = runMachine(chart, {
    id: 'flow',
    kind: 'flow',
    input: undefined,
    clock,
    inspector,
    onEffect: ({ type }) => effects.push(type),
  });
  for (const type of ['go', 'stop', 'go', 'stop'] as const) machine.send({ type, at: 0 });
  assert.is(machine.snapshot.value, 'over');
  assert.equal(effects, ['note']);
});

test('a throw of a guard names the machine, its state and the event, and the machine can go on', () => {
  const { running, send } = run();
  send('start');
  assert.throws(() => send('fail'), /lamps\/one in on\.bright, on fail: .*the bulb is broken/s);
  assert.equal(running.snapshot.value, { on: 'bright' });
  send('stop');
  assert.is(running.snapshot.value, 'off');
});

test('an effect without a name, and built-in actions that need a live actor, are errors that name them', () => {
  const build = (entry: never) => setup({}).createMachine({ id: 'odd', initial: 'one', states: { one: { entry } } });
  const start = (entry: unknown) => {
    const clock = createVirtualClock();
    runMachine(build(entry as never), {
      id: 'odd/1',
      kind: 'odd',
      input: undefined,
      clock,
      inspector: createInspector({ clock }),
      onEffect() {},
    });
  };
  assert.throws(() => start(() => {}), /odd\/1: the chart has an inline action/);
  assert.throws(() => start(function inlined() {}), /inline action \(inlined\)/);
});

// ---------------------------------------------------------------- inspector

test('the registry: sorted, filtered by kind, state, ancestor and text; with details', () => {
  const { clock, inspector, send } = run();
  runMachine<typeof lamp, Effect>(lamp, {
    id: 'lamps/another',
    kind: 'spare',
    input: { name: 'a' },
    clock,
    inspector,
    onEffect() {},
  });
  clock.advance(10);
  send('start');
  assert.equal(
    inspector.machines().map(({ id }) => id),
    ['lamps/another', 'lamps/one'],
  );
  assert.equal(
    inspector.machines({ state: 'on' }).map(({ id, state }) => [id, state]),
    [['lamps/one', 'on.bright']],
  );
  assert.is(inspector.machines({ state: 'bright' }).length, 1);
  assert.is(inspector.machines({ state: 'on.bright' }).length, 1);
  assert.is(inspector.machines({ state: 'o' }).length, 0, 'states match by whole names');
  assert.is(inspector.machines({ kind: 'spare' }).length, 1);
  assert.is(inspector.machines({ q: 'anoth' }).length, 1);
  assert.is(inspector.machines({ kind: 'spare', q: 'one' }).length, 0);
  assert.is(inspector.machine('nobody'), undefined);

  const detail = inspector.machine('lamps/one');
  assert.is(detail?.since, clock.now());
  assert.is(detail?.machine, 'lamp');
  assert.equal(detail?.context, { name: 'one', timedOutAt: 0 });
  assert.equal(detail?.transitions, [{ at: clock.now(), event: 'start', from: 'off', to: 'on.bright' }]);
  const definition = detail?.definition as { id: string; description: string; states: Record<string, unknown> };
  assert.is(definition.id, 'lamp');
  assert.equal(Object.keys(definition.states), ['off', 'on']);
  assert.is(definition, inspector.machine('lamps/another')?.definition, 'one chart, one definition');
  assert.equal(JSON.parse(JSON.stringify(definition)), definition);
});

test('only the most recent transitions are kept, oldest first; events that change no state leave only a count', () => {
  const { inspector, send } = run();
  for (let n = 0; n < 50; n++) {
    send('start');
    send('stop');
    send('stamp');
  }
  const detail = inspector.machine('lamps/one');
  assert.is(detail?.transitions.length, 32);
  assert.is(detail?.transitions.at(-1)?.event, 'stop');
  assert.is(detail?.transitions[0]?.event, 'start');
  assert.is(detail?.events, 150);
});

test('the stream tells each chart once, then actors, transitions and effects, numbered; nothing once unsubscribed', () => {
  const { clock, inspector, send } = run();
  const seen: Inspection[] = [];
  const subscription = inspector.stream.subscribe((inspection) => seen.push(inspection));
  const second = runMachine<typeof lamp, Effect>(lamp, {
    id: 'lamps/two',
    kind: 'lamp',
    input: { name: 'two' },
    clock,
    inspector,
    onEffect() {},
  });
  send('start');
  send('stamp');
  clock.advance(40);
  second.stop();
  assert.equal(
    seen.map((inspection) => `${inspection.type} ${inspection.id}`),
    [
      '@vedette.definition lamp',
      '@xstate.actor lamps/one',
      '@xstate.actor lamps/two',
      '@xstate.transition lamps/one',
      '@xstate.transition lamps/one',
      '@xstate.transition lamps/one',
      '@vedette.stopped lamps/two',
    ],
  );
  assert.equal(
    seen.flatMap((one) =>
      one.type === '@xstate.transition' ? [[one.event, one.from, one.to, one.effects.join()]] : [],
    ),
    [
      ['start', 'off', 'on.bright', 'note,xstate.raise,xstate.raise'],
      ['stamp', 'on.bright', 'on.bright', ''],
      ['xstate.after.40.lamp.on.bright', 'on.bright', 'on.dim', 'xstate.cancel'],
    ],
  );
  assert.equal(
    seen.map(({ seq }) => seq),
    [0, 1, 2, 3, 4, 5, 6],
  );

  subscription.unsubscribe();
  send('stop');
  assert.is(seen.length, 7);

  const late: string[] = [];
  inspector.stream.subscribe(({ type, id }) => late.push(`${type} ${id}`));
  assert.equal(
    late,
    ['@vedette.definition lamp', '@xstate.actor lamps/one'],
    'a later watcher begins with what is there',
  );
});

test('an actor that was restarted under its id stays when the old one stops', () => {
  const { clock, inspector, running } = run();
  runMachine<typeof lamp, Effect>(lamp, {
    id: 'lamps/one',
    kind: 'lamp',
    input: { name: 'again' },
    clock,
    inspector,
    onEffect() {},
  });
  running.stop();
  assert.equal(inspector.machine('lamps/one')?.context, { name: 'again', timedOutAt: 0 });
});

test('states as paths', () => {
  assert.is(statePaths('idle'), 'idle');
  assert.is(statePaths({ a: { b: 'c', d: 'e' } }), 'a.b.c,a.d.e');
  assert.is(statePaths({ a: {}, b: 'c' }), 'a,b.c');
  assert.is(statePaths(undefined), '');
});

test.run();
