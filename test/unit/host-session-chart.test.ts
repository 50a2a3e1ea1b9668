// The chart of a host's life, beat by beat. The heartbeat interval is one second, so silences can be read as intervals.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { HostState } from '../../src/core/frame.ts';
import { type HostSessionEffect, hostSessionMachine } from '../../src/machines/host-session.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { runMachine } from '../../src/streams/run-machine.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const INTERVAL = 1_000;

/** @param state what is replicated: the session begins there. */
function start(state: HostState) {
  const clock = createVirtualClock();
  let announced: HostState[] = [];
  const machine = runMachine<typeof hostSessionMachine, HostSessionEffect>(hostSessionMachine, {
    id: 'broker-1/host/h',
    kind: 'host',
    input: { state, intervalMs: INTERVAL, at: clock.monotonic() },
    clock,
    inspector: createInspector({ clock }),
    onEffect: ({ params }) => announced.push(params.state),
  });
  return {
    clock,
    state: () => machine.snapshot.value,
    announced() {
      const done = announced;
      announced = [];
      return done;
    },
    beat: ({ ageMs = 0, intervalMs = INTERVAL } = {}) =>
      machine.send({ type: 'beat', ageMs, intervalMs, at: clock.monotonic() }),
    /** Nothing happens for that long, and then it is as said. */
    turns(after: number, to: HostState) {
      const before = machine.snapshot.value;
      clock.advance(after - 1);
      assert.equal(machine.snapshot.value, before, `after ${after - 1} ms`);
      assert.deepEqual(announced, []);
      clock.advance(1);
      assert.equal(machine.snapshot.value, to, `after ${after} ms`);
      assert.deepEqual(announced, [to]);
      announced = [];
    },
  };
}

for (const state of ['unseen', 'online', 'suspect', 'offline'] as const) {
  test(`a new leader goes on from ${state}, and says nothing`, () => {
    const host = start(state);
    assert.equal(host.state(), state);
    assert.deepEqual(host.announced(), []);
  });
}

test('a new leader waits for a full timeout', () => {
  start('online').turns(1_500, 'suspect');
  start('suspect').turns(3_100, 'offline');
});

test('rows prove nothing: a host without a heartbeat is unseen for ever, and one that is offline stays it', () => {
  for (const state of ['unseen', 'offline'] as const) {
    const host = start(state);
    host.clock.advance(100 * INTERVAL);
    assert.equal(host.state(), state);
    assert.deepEqual(host.announced(), []);
  }
});

test('one and a half intervals of silence make it suspect, 3.1 make it offline', () => {
  const host = start('online');
  host.turns(1_500, 'suspect');
  host.turns(1_600, 'offline');
});

test('a heartbeat while it is online starts the silence anew', () => {
  const host = start('online');
  host.clock.advance(400);
  host.beat();
  host.turns(1_500, 'suspect');
  host.turns(1_600, 'offline');
});

test('a heartbeat counts from when it was sent, not from when it came', () => {
  for (const state of ['unseen', 'suspect', 'offline'] as const) {
    const host = start(state);
    host.clock.advance(2_000);
    host.beat({ ageMs: 600 });
    assert.equal(host.state(), 'online');
    assert.deepEqual(host.announced(), ['online']);
    host.turns(900, 'suspect');
    host.turns(1_600, 'offline');
  }
});

test('the interval is what its heartbeats say', () => {
  const host = start('unseen');
  host.beat({ intervalMs: 10_000 });
  assert.deepEqual(host.announced(), ['online']);
  host.turns(15_000, 'suspect');
  host.turns(16_000, 'offline');
});

for (const state of ['online', 'suspect', 'offline'] as const) {
  test(`${state}: a heartbeat that is no newer than the last one changes nothing`, () => {
    const host = start(state);
    host.clock.advance(1_000);
    for (const ageMs of [1_000, 1_200]) host.beat({ ageMs, intervalMs: 60_000 });
    assert.equal(host.state(), state);
    assert.deepEqual(host.announced(), []);
    if (state === 'online') host.turns(500, 'suspect');
    if (state === 'suspect') host.turns(2_100, 'offline');
  });
}

test.run();
