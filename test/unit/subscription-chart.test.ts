// The chart of a subscription at a broker, event by event.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import {
  type SubscriptionEffect,
  type SubscriptionEvent,
  subscriptionMachine,
} from '../../src/machines/subscription.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Untimed = SubscriptionEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

const OPENED: Untimed = { type: 'opened', behind: false };
const BEHIND: Untimed = { type: 'opened', behind: true };
const WHOLE: Untimed = { type: 'caughtUp', missing: false };
const IN_PART: Untimed = { type: 'caughtUp', missing: true };
const FULL: Untimed = { type: 'sink.full' };
const DRAINED: Untimed = { type: 'sink.drained' };
const OVERFLOW: Untimed = { type: 'overflow' };
const BROKEN: Untimed = { type: 'feed.broken' };
const ANSWERED: Untimed = { type: 'feed.answered' };
const RETRY: Untimed = { type: 'retry.due' };
const CLOSED: Untimed = { type: 'closed' };

function start({ latest = false, resumes = false } = {}) {
  const clock = createVirtualClock();
  const inspector = createInspector({ clock });
  let effects: string[] = [];
  const machine = runMachine<typeof subscriptionMachine, SubscriptionEffect>(subscriptionMachine, {
    id: 'broker-1/subscription/1',
    kind: 'subscription',
    input: { latest, resumes, openPatienceMs: 1_000, catchUpPatienceMs: 10_000 },
    clock,
    inspector,
    onEffect: (effect) => {
      effects.push(effect.type === 'scheduleRetry' ? `retry ${effect.params.attempt}` : effect.type);
    },
  });
  return {
    clock,
    machine,
    state: () => String(machine.snapshot.value),
    held: () => machine.snapshot.context.held,
    effects() {
      const done = effects;
      effects = [];
      return done;
    },
    send(...events: Untimed[]) {
      for (const event of events) machine.send({ ...event, at: clock.monotonic() });
    },
  };
}

interface Case {
  readonly name: string;
  readonly input?: { latest?: boolean; resumes?: boolean };
  readonly before: readonly Untimed[];
  readonly event: Untimed;
  readonly state: string;
  readonly effects: readonly string[];
  readonly held?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'nothing to catch up with', before: [], event: OPENED, state: 'live', effects: ['feed'] },
  { name: 'a backfill', before: [], event: BEHIND, state: 'backfilling', effects: ['feed'] },
  {
    name: 'a cursor that is behind',
    input: { resumes: true },
    before: [],
    event: BEHIND,
    state: 'resuming',
    effects: ['feed'],
  },
  {
    name: 'a cursor that is not behind',
    input: { resumes: true },
    before: [],
    event: OPENED,
    state: 'live',
    effects: ['feed'],
  },
  { name: 'not open yet', before: [], event: WHOLE, state: 'opening', effects: [] },
  { name: 'a feed breaks while opening', before: [], event: BROKEN, state: 'opening', effects: ['retry 1'] },
  { name: 'opening once more', before: [BROKEN], event: RETRY, state: 'opening', effects: ['openFeeds'] },
  { name: 'the backfill is done', before: [BEHIND], event: WHOLE, state: 'live', effects: ['feed'] },
  {
    name: 'the backfill is done, a part missing',
    before: [BEHIND],
    event: IN_PART,
    state: 'resuming',
    effects: ['feed'],
  },
  { name: 'full while backfilling', before: [BEHIND], event: FULL, state: 'backfilling', effects: [], held: true },
  {
    name: 'not caught up while full',
    before: [BEHIND, FULL],
    event: WHOLE,
    state: 'backfilling',
    effects: [],
    held: true,
  },
  { name: 'nor in part', before: [BEHIND, FULL], event: IN_PART, state: 'backfilling', effects: [], held: true },
  {
    name: 'room while backfilling',
    before: [BEHIND, FULL],
    event: DRAINED,
    state: 'backfilling',
    effects: ['feed'],
    held: false,
  },
  { name: 'full while resuming', before: [OPENED, BROKEN], event: FULL, state: 'resuming', effects: [], held: true },
  {
    name: 'room while resuming',
    before: [OPENED, BROKEN, FULL],
    event: DRAINED,
    state: 'resuming',
    effects: ['feed'],
    held: false,
  },
  { name: 'full while lagging', before: [OPENED, OVERFLOW], event: FULL, state: 'lagging', effects: [], held: true },
  { name: 'full while live', before: [OPENED], event: FULL, state: 'lagging', effects: ['feed'], held: true },
  { name: 'overrun while live', before: [OPENED], event: OVERFLOW, state: 'lagging', effects: ['feed'], held: false },
  {
    name: 'a feed breaks while live',
    before: [OPENED],
    event: BROKEN,
    state: 'resuming',
    effects: ['retry 1', 'feed'],
  },
  {
    name: 'room while lagging',
    before: [OPENED, FULL],
    event: DRAINED,
    state: 'lagging',
    effects: ['feed'],
    held: false,
  },
  { name: 'lagging no more', before: [OPENED, FULL, DRAINED], event: WHOLE, state: 'live', effects: ['feed'] },
  { name: 'lagging and full', before: [OPENED, FULL], event: WHOLE, state: 'lagging', effects: [], held: true },
  {
    name: 'lagging no more, a part missing',
    before: [OPENED, OVERFLOW],
    event: IN_PART,
    state: 'resuming',
    effects: ['feed'],
  },
  {
    name: 'a feed breaks while lagging',
    before: [OPENED, OVERFLOW],
    event: BROKEN,
    state: 'lagging',
    effects: ['retry 1'],
  },
  {
    name: 'breaks in a row are counted',
    before: [OPENED, BROKEN, BROKEN],
    event: BROKEN,
    state: 'resuming',
    effects: ['retry 3'],
  },
  {
    name: 'an answer ends the row',
    before: [OPENED, BROKEN, BROKEN, ANSWERED],
    event: BROKEN,
    state: 'resuming',
    effects: ['retry 1'],
  },
  { name: 'time to try again', before: [OPENED, BROKEN], event: RETRY, state: 'resuming', effects: ['openFeeds'] },
  { name: 'whole again', before: [OPENED, BROKEN], event: WHOLE, state: 'live', effects: ['feed'] },
  { name: 'a part is still missing', before: [OPENED, BROKEN], event: IN_PART, state: 'resuming', effects: [] },
  { name: 'closed while opening', before: [], event: CLOSED, state: 'closed', effects: ['endStream'] },
  { name: 'closed while lagging', before: [OPENED, FULL], event: CLOSED, state: 'closed', effects: ['endStream'] },
  { name: 'closed for good', before: [CLOSED], event: OPENED, state: 'closed', effects: [] },
];

for (const { name, input, before, event, state, effects, held } of CASES) {
  test(`${name}: ${event.type} → ${state}`, () => {
    const chart = start(input);
    chart.send(...before);
    chart.effects();
    chart.send(event);
    assert.equal(chart.state(), state);
    assert.deepEqual(chart.effects(), effects);
    if (held !== undefined) assert.equal(chart.held(), held);
  });
}

/** Each after a feed that broke. */
const STATES = {
  opening: [BROKEN],
  backfilling: [BEHIND, BROKEN],
  resuming: [OPENED, BROKEN],
  live: [OPENED, BROKEN, WHOLE],
  lagging: [OPENED, OVERFLOW, BROKEN],
} as const satisfies Record<string, readonly Untimed[]>;
for (const [state, way] of Object.entries(STATES)) {
  const after = (event: Untimed) => {
    const chart = start();
    chart.send(...way);
    chart.effects();
    chart.send(event);
    const { held, failures } = chart.machine.snapshot.context;
    return { state: chart.state(), effects: chart.effects(), held, failures };
  };

  test(`${state}: feeds are tried again, answer and break, and it can be closed`, () => {
    const here = { state, held: false, failures: 1 };
    assert.deepEqual(after(RETRY), { ...here, effects: ['openFeeds'] });
    assert.deepEqual(after(ANSWERED), { ...here, effects: [], failures: 0 });
    const broken = state === 'live' ? { state: 'resuming', effects: ['retry 2', 'feed'] } : { effects: ['retry 2'] };
    assert.deepEqual(after(BROKEN), { ...here, ...broken, failures: 2 });
    assert.deepEqual(after(CLOSED), { ...here, state: 'closed', effects: ['endStream'] });
  });
}

test('the subscriber has room before anything was delivered, and while it is live', () => {
  for (const way of [[], [OPENED]]) {
    const chart = start();
    chart.send(...way);
    chart.effects();
    chart.send(DRAINED);
    assert.deepEqual(chart.effects(), []);
  }
  const opening = start();
  opening.send(FULL);
  assert.equal(opening.held(), false);
});

test('closed is the end', () => {
  const chart = start();
  chart.send(CLOSED);
  assert.equal(chart.machine.snapshot.status, 'done');
});

test('it begins by opening its feeds', () => {
  assert.deepEqual(start().effects(), ['openFeeds']);
});

test('patience with brokers that do not answer ends after openPatience, not before', () => {
  const chart = start();
  chart.effects();
  chart.clock.advance(999);
  assert.equal(chart.state(), 'opening');
  chart.clock.advance(1);
  assert.equal(chart.state(), 'resuming');
  assert.deepEqual(chart.effects(), ['feed']);
});

for (const [state, input] of [
  ['backfilling', {}],
  ['resuming', { resumes: true }],
] as const) {
  test(`${state}: a LATEST subscriber that is held at the end of its patience gets the newest rows`, () => {
    const chart = start({ ...input, latest: true });
    chart.send(BEHIND);
    chart.clock.advance(15_000);
    assert.equal(chart.state(), state, 'it is not held: it may take its time');
    chart.send(FULL);
    chart.clock.advance(4_999);
    assert.equal(chart.state(), state);
    chart.clock.advance(1);
    assert.equal(chart.state(), 'lagging');
  });

  test(`${state}: an EVERY subscriber may be held for as long as it likes`, () => {
    const chart = start(input);
    chart.send(BEHIND, FULL);
    chart.clock.advance(60_000);
    assert.equal(chart.state(), state);
  });
}

test.run();
