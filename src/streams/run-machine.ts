// Steps a statechart in the world: the only way that charts run here.
//
//   send(event) ─▶ step (pure) ─▶ effects, in order ─▶ onEffect
//                     │
//                     └▶ `after` transitions ─▶ clock timers ─▶ send
//
// Invariants
//   1. Run to completion: an event that is sent while another is handled, by its effects too, waits until that one is done.
//   2. After stop() nothing is stepped, no timer fires and no effect is asked for: a crashed actor's past cannot speak. Nor is
//      anything stepped once the chart has come to its end (to xstate itself, a transition at the root leads out of there again).
//   3. Timers are the clock's. Their events carry `at`, as all events do.
import type { AnyEventObject, AnyMachineSnapshot, AnyStateMachine, EventFrom, InputFrom, SnapshotFrom } from 'xstate';
import { AssertionError, assert } from '../core/assert.ts';
import type { Clock, Timer } from './clock.ts';
import { type Inspector, statePaths } from './inspector.ts';
import { createStepper, type SteppedAction } from './stepper.ts';

/** Machines define their own unions of these. */
export interface Effect {
  readonly type: string;
  readonly params?: unknown;
}

export interface RunOptions<TMachine extends AnyStateMachine, TEffect extends Effect> {
  /** Of this actor, e.g. `broker-1/raft/control`. */
  readonly id: string;
  /** broker raft host subscription storage peer rebalance agent … */
  readonly kind: string;
  readonly input: InputFrom<TMachine>;
  readonly clock: Clock;
  readonly inspector: Inspector;
  /** Called for each effect in order, after the step of `event` (null: the initial one). May call `send`. */
  readonly onEffect: (effect: TEffect, event: EventFrom<TMachine> | null) => void;
  /** Called after all effects of a step, the initial one too. */
  readonly onStep?: (snapshot: SnapshotFrom<TMachine>, event: EventFrom<TMachine> | null) => void;
  /** What the events of timers carry beside `at`: what only the actor knows at that moment. */
  readonly timerFacts?: () => object;
}

export interface Running<TSnapshot, TEvent> {
  send(event: TEvent): void;
  readonly snapshot: TSnapshot;
  stop(): void;
}

/** Events that wait for the one being handled. More than this means that a machine feeds itself without end. */
const WAITING_MAX = 100_000;

interface Raise {
  readonly event: { readonly type: string };
  readonly id: string;
  readonly delay: number | undefined;
}

export function runMachine<TMachine extends AnyStateMachine, TEffect extends Effect>(
  machine: TMachine,
  options: RunOptions<TMachine, TEffect>,
): Running<SnapshotFrom<TMachine>, EventFrom<TMachine>> {
  const { id, clock, onEffect, onStep } = options;
  const stepper = createStepper(machine, options.input);
  const timers = new Map<string, Timer>();
  let waiting: EventFrom<TMachine>[] = [];
  let busy = true;
  let stopped = false;

  const first = stepper.initial();
  // Fields, no accessors: V8 keeps an object that is written with one as a dictionary, and this one is read at every step.
  const running = { send, snapshot: first.snapshot, stop };
  // What a generic machine's snapshot and events have in any case.
  const seen = (): AnyMachineSnapshot => running.snapshot;
  const inspected = options.inspector.register(id, options.kind, machine, seen().value, () => seen().context);

  function carryOut(action: SteppedAction, event: EventFrom<TMachine> | null): void {
    if (!action.type.startsWith('xstate.')) {
      assert(
        Object.hasOwn(machine.implementations.actions, action.type),
        () =>
          `${id}: the chart has an inline action (${action.type}): effects are named in setup(), with their data in params`,
      );
      // The chart's own union of effects; its setup() has checked the names and the params.
      onEffect(action as TEffect, event);
      return;
    }
    if (action.type === 'xstate.raise') {
      const raised = action.params as Raise;
      // Without a delay it was handled within the step.
      if (raised.delay !== undefined) startTimer(raised);
      return;
    }
    if (action.type === 'xstate.cancel') {
      const { sendId } = action.params as { sendId: string };
      timers.get(sendId)?.cancel();
      timers.delete(sendId);
      return;
    }
    throw new AssertionError(`${id}: the chart uses ${action.type}, which needs a live actor`);
  }

  function startTimer({ event, id: timerId, delay = 0 }: Raise): void {
    timers.get(timerId)?.cancel();
    const timer = clock.after(delay, () => {
      timers.delete(timerId);
      send({ ...event, at: clock.monotonic(), ...options.timerFacts?.() } as EventFrom<TMachine>);
    });
    timers.set(timerId, timer);
  }

  function perform(actions: readonly SteppedAction[], event: EventFrom<TMachine> | null): void {
    for (const action of actions) {
      if (stopped) return;
      carryOut(action, event);
    }
    if (!stopped) onStep?.(running.snapshot, event);
  }

  function handle(event: EventFrom<TMachine>): void {
    if (seen().status !== 'active') return;
    const before = running.snapshot;
    const { type }: AnyEventObject = event;
    let stepped: ReturnType<typeof stepper.step>;
    try {
      stepped = stepper.step(before, event);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new AssertionError(`${id} in ${statePaths(seen().value)}, on ${type}: ${reason}`, { cause: error });
    }
    running.snapshot = stepped.snapshot;
    inspected.stepped(type, seen().value, stepped.actions);
    perform(stepped.actions, event);
  }

  function drain(): void {
    try {
      for (let at = 0; at < waiting.length && !stopped; at++) {
        const event = waiting[at];
        if (event !== undefined) handle(event);
      }
    } finally {
      waiting = [];
      busy = false;
    }
  }

  function send(event: EventFrom<TMachine>): void {
    if (stopped) return;
    if (busy) {
      assert(waiting.length < WAITING_MAX, () => `${id}: ${WAITING_MAX} events wait for one step`);
      waiting.push(event);
      return;
    }
    busy = true;
    try {
      handle(event);
    } catch (error) {
      waiting = [];
      busy = false;
      throw error;
    }
    if (waiting.length === 0) busy = false;
    else drain();
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    for (const timer of timers.values()) timer.cancel();
    timers.clear();
    waiting = [];
    inspected.stopped();
  }

  perform(first.actions, null);
  drain();

  return running;
}
