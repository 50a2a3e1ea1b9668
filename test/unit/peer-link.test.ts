// The chart of the link to another broker, event by event.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { type PeerLinkEffect, type PeerLinkEvent, peerLinkMachine } from '../../src/machines/peer-link.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Untimed = PeerLinkEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

const ESTABLISHED: Untimed = { type: 'established' };
const LOST: Untimed = { type: 'lost' };
const FAILED: Untimed = { type: 'failed' };
const RETRY: Untimed = { type: 'retry.due' };
const KNOCKED: Untimed = { type: 'knocked' };
const HEARD: Untimed = { type: 'tick', silentMs: 2_999 };
const SILENT: Untimed = { type: 'tick', silentMs: 3_000 };
const STILL_SILENT: Untimed = { type: 'tick', silentMs: 9_999 };
const LONG_SILENT: Untimed = { type: 'tick', silentMs: 10_000 };
const NO_STREAM: Untimed = { type: 'tick', silentMs: Number.POSITIVE_INFINITY };

function start(dials = true) {
  const clock = createVirtualClock();
  let effects: string[] = [];
  const machine = runMachine<typeof peerLinkMachine, PeerLinkEffect>(peerLinkMachine, {
    id: 'broker-1/peer/broker-2',
    kind: 'peer',
    input: { dials, suspectAfterMs: 3_000, downAfterMs: 10_000, steadyAfterMs: 2_000 },
    clock,
    inspector: createInspector({ clock }),
    onEffect: (effect) => {
      effects.push(effect.type === 'scheduleRetry' ? `retry after ${effect.params.failures}` : effect.type);
    },
  });
  return {
    clock,
    state: () => String(machine.snapshot.value),
    effects() {
      const done = effects;
      effects = [];
      return done;
    },
    send(...events: readonly Untimed[]) {
      for (const event of events) machine.send({ ...event, at: clock.monotonic() });
    },
  };
}

interface Row {
  readonly dials?: boolean;
  readonly before: readonly Untimed[];
  readonly event: Untimed;
  readonly to: string;
  readonly effects: readonly string[];
}

const UP = [ESTABLISHED];
const SUSPECT = [ESTABLISHED, SILENT];
const DOWN_SILENT = [ESTABLISHED, SILENT, LONG_SILENT];

const table: readonly Row[] = [
  // connecting
  { before: [], event: RETRY, to: 'connecting', effects: ['dial'] },
  { dials: false, before: [], event: RETRY, to: 'connecting', effects: ['knock'] },
  { before: [], event: FAILED, to: 'connecting', effects: ['retry after 1'] },
  { before: [FAILED], event: FAILED, to: 'connecting', effects: ['retry after 2'] },
  { before: [], event: KNOCKED, to: 'connecting', effects: ['dial'] },
  { dials: false, before: [], event: KNOCKED, to: 'connecting', effects: [] },
  { before: [], event: NO_STREAM, to: 'connecting', effects: [] },
  { before: [], event: LOST, to: 'connecting', effects: [] },
  { before: [], event: ESTABLISHED, to: 'up', effects: ['announceOpened'] },
  { dials: false, before: [FAILED], event: ESTABLISHED, to: 'up', effects: ['announceOpened'] },
  // up
  { before: UP, event: HEARD, to: 'up', effects: [] },
  { before: UP, event: SILENT, to: 'suspect', effects: [] },
  { before: UP, event: LOST, to: 'connecting', effects: ['announceClosed', 'retry after 1'] },
  { before: UP, event: RETRY, to: 'up', effects: [] },
  { dials: false, before: UP, event: RETRY, to: 'up', effects: [] },
  { before: UP, event: KNOCKED, to: 'up', effects: [] },
  { before: UP, event: FAILED, to: 'up', effects: [] },
  // suspect
  { before: SUSPECT, event: HEARD, to: 'up', effects: [] },
  { before: SUSPECT, event: STILL_SILENT, to: 'suspect', effects: [] },
  { before: SUSPECT, event: LONG_SILENT, to: 'down', effects: [] },
  { before: SUSPECT, event: LOST, to: 'connecting', effects: ['announceClosed', 'retry after 1'] },
  { before: SUSPECT, event: RETRY, to: 'suspect', effects: [] },
  { before: SUSPECT, event: KNOCKED, to: 'suspect', effects: [] },
  { before: SUSPECT, event: FAILED, to: 'suspect', effects: [] },
  // down, the stream stands
  { before: DOWN_SILENT, event: HEARD, to: 'up', effects: [] },
  { before: DOWN_SILENT, event: SILENT, to: 'down', effects: [] },
  { before: DOWN_SILENT, event: LOST, to: 'down', effects: ['announceClosed', 'retry after 1'] },
  // down, without a stream
  { before: [...DOWN_SILENT, LOST], event: NO_STREAM, to: 'down', effects: [] },
  { before: [...DOWN_SILENT, LOST], event: RETRY, to: 'down', effects: ['dial'] },
  { dials: false, before: [...DOWN_SILENT, LOST], event: RETRY, to: 'down', effects: ['knock'] },
  { before: [...DOWN_SILENT, LOST], event: FAILED, to: 'down', effects: ['retry after 2'] },
  { before: [...DOWN_SILENT, LOST], event: KNOCKED, to: 'down', effects: ['dial'] },
  { dials: false, before: [...DOWN_SILENT, LOST], event: KNOCKED, to: 'down', effects: [] },
  { before: [...DOWN_SILENT, LOST], event: ESTABLISHED, to: 'up', effects: ['announceOpened'] },
];

for (const { dials, before, event, to, effects } of table) {
  const way = [...before, event].map((step) => (step.type === 'tick' ? `${step.silentMs} ms silent` : step.type));
  test(`${dials === false ? 'dialled' : 'dialling'}: ${way.join(', ')} → ${to}`, () => {
    const link = start(dials);
    link.send(...before);
    link.effects();
    link.send(event);
    assert.equal(link.state(), to);
    assert.deepEqual(link.effects(), effects);
  });
}

test('the first attempt is made at once', () => {
  assert.deepEqual(start().effects(), ['retry after 0']);
});

test('without a stream for 10 s it is down, and still tried', () => {
  const link = start();
  link.clock.advance(9_999);
  assert.equal(link.state(), 'connecting');
  link.clock.advance(1);
  assert.equal(link.state(), 'down');
  link.effects();
  link.send(RETRY, FAILED);
  assert.deepEqual(link.effects(), ['dial', 'retry after 1']);
});

test('up for two seconds: failures are forgotten; a link that breaks at once is tried later and later', () => {
  const link = start();
  link.send(FAILED, FAILED, ESTABLISHED);
  link.clock.advance(1_999);
  link.effects();
  link.send(LOST);
  assert.deepEqual(link.effects(), ['announceClosed', 'retry after 3']);
  link.send(ESTABLISHED);
  link.clock.advance(2_000);
  link.effects();
  link.send(LOST);
  assert.deepEqual(link.effects(), ['announceClosed', 'retry after 1']);
});

test.run();
