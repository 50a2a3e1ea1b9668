// The chart of an agent's session at the broker, event by event.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import {
  type ReportSessionEffect,
  type ReportSessionEvent,
  reportSessionMachine,
} from '../../src/machines/report-session.ts';
import { createInspector, statePaths } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Type = ReportSessionEvent['type'];

function start() {
  const clock = createVirtualClock();
  const effects: string[] = [];
  const machine = runMachine<typeof reportSessionMachine, ReportSessionEffect>(reportSessionMachine, {
    id: 'broker-1/session/1',
    kind: 'session',
    input: { helloTimeoutMs: 5_000 },
    clock,
    inspector: createInspector({ clock }),
    onEffect: ({ type }) => effects.push(type),
  });
  return {
    clock,
    effects,
    state: () => statePaths(machine.snapshot.value),
    send: (...types: readonly Type[]) => types.forEach((type) => machine.send({ type, at: clock.monotonic() })),
  };
}

const EVENTS: readonly Type[] = ['hello', 'full', 'drained', 'closed'];
const WAYS = {
  greeting: [],
  'streaming.open': ['hello'],
  'streaming.congested': ['hello', 'full'],
  closed: ['closed'],
} as const satisfies Record<string, readonly Type[]>;

/** Where each event leads, and what it asks for; what is not listed changes nothing. */
const TABLE: Record<keyof typeof WAYS, Partial<Record<Type, readonly [to: string, ...effects: string[]]>>> = {
  greeting: { hello: ['streaming.open', 'greet'], closed: ['closed'] },
  'streaming.open': { full: ['streaming.congested', 'pause'], closed: ['closed'] },
  'streaming.congested': { drained: ['streaming.open', 'resume'], closed: ['closed'] },
  closed: {},
};

for (const [state, way] of Object.entries(WAYS) as [keyof typeof WAYS, readonly Type[]][]) {
  for (const event of EVENTS) {
    const [to, ...effects] = TABLE[state][event] ?? [state];
    test(`${state}, ${event} → ${to}${effects.length > 0 ? `, ${effects}` : ''}`, () => {
      const session = start();
      session.send(...way);
      assert.equal(session.state(), state);
      session.effects.length = 0;
      session.send(event);
      assert.equal(session.state(), to);
      assert.deepEqual(session.effects, effects);
    });
  }
}

test('who does not say who it is within five seconds is refused; who has said it may be silent', () => {
  const silent = start();
  silent.clock.advance(4_999);
  assert.equal(silent.state(), 'greeting');
  silent.clock.advance(1);
  assert.equal(silent.state(), 'closed');
  assert.deepEqual(silent.effects, ['refuseSilence']);

  const greeted = start();
  greeted.send('hello');
  greeted.clock.advance(60_000);
  assert.equal(greeted.state(), 'streaming.open');
});

test.run();
