// The chart of a broker's life, event by event.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { type BrokerEffect, type BrokerEvent, brokerMachine } from '../../src/machines/broker.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Type = BrokerEvent['type'];

function start() {
  const clock = createVirtualClock();
  const effects: string[] = [];
  const machine = runMachine<typeof brokerMachine, BrokerEffect>(brokerMachine, {
    id: 'broker-1/broker',
    kind: 'broker',
    input: undefined,
    clock,
    inspector: createInspector({ clock }),
    onEffect: ({ type }) => effects.push(type),
  });
  return { machine, effects, send: (...types: Type[]) => types.forEach((type) => machine.send({ type, at: 0 })) };
}

const EVENTS: readonly Type[] = ['ready', 'notReady', 'stop', 'drained', 'failed'];
const WAYS = {
  joining: [],
  serving: ['ready'],
  stopping: ['stop'],
  stopped: ['stop', 'drained'],
  failed: ['failed'],
} as const satisfies Record<string, readonly Type[]>;

/** Where each event leads, and what it asks for; what is not listed changes nothing. */
const TABLE: Record<keyof typeof WAYS, Partial<Record<Type, readonly [to: string, ...effects: string[]]>>> = {
  joining: { ready: ['serving', 'announceReady'], stop: ['stopping', 'drain'], failed: ['failed', 'halt'] },
  serving: {
    notReady: ['joining', 'announceNotReady'],
    stop: ['stopping', 'announceNotReady', 'drain'],
    failed: ['failed', 'announceNotReady', 'halt'],
  },
  stopping: { drained: ['stopped'], failed: ['failed', 'halt'] },
  stopped: {},
  failed: {},
};

for (const [state, way] of Object.entries(WAYS) as [keyof typeof WAYS, readonly Type[]][]) {
  for (const event of EVENTS) {
    const [to, ...effects] = TABLE[state][event] ?? [state];
    test(`${state}, ${event} → ${to}${effects.length > 0 ? `, ${effects}` : ''}`, () => {
      const broker = start();
      broker.send(...way);
      assert.equal(broker.machine.snapshot.value, state);
      broker.effects.length = 0;
      broker.send(event);
      assert.equal(broker.machine.snapshot.value, to);
      assert.deepEqual(broker.effects, effects);
    });
  }
}

test.run();
