// The chart of an agent's link to the cluster, event by event.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { type AgentContext, type AgentEffect, type AgentEvent, agentMachine } from '../../src/machines/agent.ts';
import { createInspector, statePaths } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

type Untimed = AgentEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

const accepted = (window: number, backlog: boolean, heartbeatMs = 60_000): Untimed => ({
  type: 'accepted',
  window,
  backlog,
  heartbeatMs,
});
const answered = (acked: number, window = 2): Untimed => ({ type: 'answered', acked, window });
const sent = (batches: number, backlog: boolean): Untimed => ({ type: 'sent', batches, backlog });
const RECORDED: Untimed = { type: 'recorded' };
const LOST: Untimed = { type: 'lost' };
const MOVED: Untimed = { type: 'moved' };
const RETRY: Untimed = { type: 'retry.due' };
const STOP: Untimed = { type: 'stop' };

function start() {
  const clock = createVirtualClock();
  let effects: string[] = [];
  const machine = runMachine<typeof agentMachine, AgentEffect>(agentMachine, {
    id: 'agent/h',
    kind: 'agent',
    input: { connectTimeoutMs: 5_000, ackTimeoutMs: 10_000, heartbeatMs: 60_000 },
    clock,
    inspector: createInspector({ clock }),
    onEffect: (effect) => {
      if (effect.type === 'send') effects.push(`send ${effect.params.batches}`);
      else effects.push(effect.type === 'scheduleRetry' ? `retry ${effect.params.attempt}` : effect.type);
    },
  });
  return {
    clock,
    /** Of delivery, while it streams: liveness has one state. */
    state: () => statePaths(machine.snapshot.value).replace(/^streaming\.delivery\.(\w+),.*/, '$1'),
    context: (): AgentContext => machine.snapshot.context,
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
  readonly before: readonly Untimed[];
  readonly event: Untimed;
  readonly to: string;
  readonly effects: readonly string[];
  readonly context?: Partial<AgentContext>;
}

/** Everything is acknowledged, nothing is queued. */
const CLEAR = [accepted(2, false)];
/** One of two batches is under way, nothing else is queued. */
const AWAITING = [accepted(2, true), sent(1, false)];
/** The window is full, and more is queued. */
const FULL = [accepted(2, true), sent(2, true)];
const STOPPED = [STOP];
const LEFT = { inflight: 0, window: 0, unanswered: 0, attempt: 1 };

const table: readonly Row[] = [
  // connecting
  {
    before: [],
    event: accepted(3, true, 700),
    to: 'clear',
    effects: ['send 3', 'heartbeat'],
    context: { attempt: 0, window: 3, heartbeatMs: 700, inflight: 0, backlog: true, unanswered: 1 },
  },
  { before: [], event: accepted(2, false), to: 'clear', effects: ['send 0', 'heartbeat'], context: { backlog: false } },
  { before: [], event: LOST, to: 'backingOff', effects: ['retry 1'], context: LEFT },
  { before: [], event: STOP, to: 'stopped', effects: ['disconnect'] },
  ...[RECORDED, MOVED, RETRY, answered(1), sent(1, true)].map((event) => ({
    before: [],
    event,
    to: 'connecting',
    effects: [],
    context: { window: 0, inflight: 0, backlog: false },
  })),
  // streaming, clear
  { before: CLEAR, event: RECORDED, to: 'clear', effects: ['send 2'], context: { backlog: true } },
  {
    before: [accepted(2, true)],
    event: sent(1, true),
    to: 'awaiting',
    effects: [],
    context: { inflight: 1, backlog: true },
  },
  {
    before: [accepted(2, true)],
    event: sent(2, false),
    to: 'awaiting',
    effects: [],
    context: { inflight: 2, backlog: false },
  },
  // The rows that were queued are of no use to anybody (a schema that every broker refuses): nothing went, and nothing is left.
  {
    before: [accepted(2, true)],
    event: sent(0, false),
    to: 'clear',
    effects: [],
    context: { inflight: 0, backlog: false },
  },
  {
    before: [accepted(1, true)],
    event: answered(0, 3),
    to: 'clear',
    effects: ['send 3'],
    context: { window: 3, unanswered: 0 },
  },
  { before: CLEAR, event: LOST, to: 'backingOff', effects: ['retry 1'], context: LEFT },
  { before: CLEAR, event: MOVED, to: 'connecting', effects: ['disconnect', 'connect'] },
  { before: CLEAR, event: STOP, to: 'stopped', effects: ['disconnect'] },
  { before: CLEAR, event: RETRY, to: 'clear', effects: [] },
  { before: CLEAR, event: accepted(9, true), to: 'clear', effects: [], context: { window: 2, backlog: false } },
  // streaming, awaiting
  { before: AWAITING, event: RECORDED, to: 'awaiting', effects: ['send 1'], context: { backlog: true } },
  { before: AWAITING, event: sent(1, false), to: 'awaiting', effects: [], context: { inflight: 2 } },
  { before: AWAITING, event: answered(1), to: 'clear', effects: ['send 0'], context: { inflight: 0, unanswered: 0 } },
  { before: FULL, event: RECORDED, to: 'awaiting', effects: ['send 0'], context: { backlog: true } },
  {
    before: FULL,
    event: answered(2),
    to: 'clear',
    effects: ['send 2'],
    context: { inflight: 0, window: 2, unanswered: 0 },
  },
  { before: FULL, event: answered(3), to: 'clear', effects: ['send 2'], context: { inflight: 0 } },
  { before: FULL, event: answered(1), to: 'awaiting', effects: ['send 1'], context: { inflight: 1, unanswered: 0 } },
  {
    before: FULL,
    event: answered(0, 4),
    to: 'awaiting',
    effects: ['send 2'],
    context: { inflight: 2, window: 4, unanswered: 0 },
  },
  { before: FULL, event: answered(0, 1), to: 'awaiting', effects: ['send 0'], context: { inflight: 2, window: 1 } },
  { before: FULL, event: LOST, to: 'backingOff', effects: ['retry 1'], context: LEFT },
  { before: FULL, event: MOVED, to: 'connecting', effects: ['disconnect', 'connect'] },
  { before: FULL, event: STOP, to: 'stopped', effects: ['disconnect'] },
  // What was in flight is queued again: the next session begins with an empty window of its own.
  {
    before: [...FULL, MOVED],
    event: accepted(2, true),
    to: 'clear',
    effects: ['send 2', 'heartbeat'],
    context: { inflight: 0 },
  },
  // backingOff
  { before: [LOST], event: RETRY, to: 'connecting', effects: ['connect'] },
  { before: [LOST], event: STOP, to: 'stopped', effects: ['disconnect'] },
  ...[LOST, MOVED, RECORDED, accepted(2, true)].map((event) => ({
    before: [LOST],
    event,
    to: 'backingOff',
    effects: [],
  })),
  // Failures in a row are counted, until a session stands.
  { before: [LOST, RETRY, LOST, RETRY], event: LOST, to: 'backingOff', effects: ['retry 3'] },
  { before: [LOST, RETRY, LOST, RETRY, ...CLEAR], event: LOST, to: 'backingOff', effects: ['retry 1'] },
  // stopped
  ...[STOP, LOST, MOVED, RETRY, RECORDED, accepted(2, true)].map((event) => ({
    before: STOPPED,
    event,
    to: 'stopped',
    effects: [],
  })),
];

const worded = (event: Untimed): string => Object.values(event).join(' ');
for (const { before, event, to, effects, context = {} } of table) {
  test(`${[...before, event].map(worded).join(', ')} → ${to}`, () => {
    const agent = start();
    agent.send(...before);
    agent.effects();
    agent.send(event);
    assert.equal(agent.state(), to);
    assert.deepEqual(agent.effects(), effects);
    assert.deepEqual({ ...agent.context(), ...context }, agent.context());
  });
}

test('it begins by connecting', () => {
  assert.deepEqual(start().effects(), ['connect']);
});

/** Up to then nothing happens, and then it leaves the broker. */
function leavesAfter(agent: ReturnType<typeof start>, ms: number): void {
  agent.effects();
  const state = agent.state();
  agent.clock.advance(ms - 1);
  assert.equal(agent.state(), state);
  agent.clock.advance(1);
  assert.equal(agent.state(), 'backingOff');
  assert.deepEqual(agent.effects(), ['disconnect', 'retry 1']);
}

test('a broker that does not answer the Hello within five seconds is left', () => {
  leavesAfter(start(), 5_000);
});

test('a broker that acknowledges nothing for ten seconds is left; what it acknowledges starts them anew, other answers do not', () => {
  const silent = start();
  silent.send(...FULL);
  leavesAfter(silent, 10_000);

  const slow = start();
  slow.send(...FULL);
  slow.clock.advance(9_000);
  slow.send(answered(1));
  slow.clock.advance(9_000);
  slow.send(answered(0), RECORDED, sent(1, true));
  leavesAfter(slow, 1_000);
});

test('nothing is awaited while everything is acknowledged', () => {
  const agent = start();
  agent.send(...AWAITING, answered(1));
  agent.effects();
  agent.clock.advance(59_999);
  assert.equal(agent.state(), 'clear');
  assert.deepEqual(agent.effects(), []);
});

test('a heartbeat at once, then one every interval; a broker that leaves two unanswered is left after the second interval', () => {
  const agent = start();
  agent.send(accepted(2, false, 1_000));
  assert.deepEqual(agent.effects(), ['connect', 'send 0', 'heartbeat']);
  agent.clock.advance(999);
  assert.deepEqual(agent.effects(), []);
  agent.clock.advance(1);
  assert.deepEqual(agent.effects(), ['heartbeat']);
  leavesAfter(agent, 1_000);
});

test('a broker that answers its heartbeats is kept', () => {
  const agent = start();
  agent.send(accepted(2, false, 1_000));
  agent.effects();
  for (let beats = 0; beats < 20; beats++) {
    agent.send(answered(0));
    agent.clock.advance(1_000);
    assert.deepEqual(agent.effects(), ['send 0', 'heartbeat']);
  }
});

test.run();
