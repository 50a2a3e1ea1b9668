// The one place that touches xstate's insides: steps a chart as a pure function, (snapshot, event) → (snapshot, effects).
//
// xstate exports `transition()`, which does the same, but builds a throw-away actor each time (14–20 µs and a call of the context
// factory without input). Here one inert scope is shared by all steps of a machine (2.6 µs), and the frequent steps, those that change
// no state, are compiled (quiet-step.ts). test/unit/stepper.test.ts pins the results to those of `transition()`.
import {
  type AnyActorScope,
  type AnyStateMachine,
  createActor,
  type EventFrom,
  type InputFrom,
  type SnapshotFrom,
} from 'xstate';
import { createQuietStep, type QuietStep } from './quiet-step.ts';

/** An action as the pure step gives it: built-in ones are named `xstate.…`. */
export interface SteppedAction {
  readonly type: string;
  readonly params: unknown;
}

export interface Stepper<TMachine extends AnyStateMachine> {
  initial(): { snapshot: SnapshotFrom<TMachine>; actions: SteppedAction[] };
  /** @throws whatever a guard or an assign throws. */
  step(
    snapshot: SnapshotFrom<TMachine>,
    event: EventFrom<TMachine>,
  ): { snapshot: SnapshotFrom<TMachine>; actions: SteppedAction[] };
}

const nothing = () => {};

/** Of one chart, for all that run it. */
const quietSteps = new WeakMap<AnyStateMachine, QuietStep>();

function quietStepOf(machine: AnyStateMachine): QuietStep {
  let found = quietSteps.get(machine);
  if (found === undefined) {
    found = createQuietStep(machine);
    quietSteps.set(machine, found);
  }
  return found;
}

export function createStepper<TMachine extends AnyStateMachine>(
  machine: TMachine,
  input: InputFrom<TMachine>,
): Stepper<TMachine> {
  let actions: SteppedAction[] = [];
  const stepQuietly = quietStepOf(machine);
  // Never started: it stands in for `self`, which no machine here uses.
  const self = createActor(machine, { input } as never);
  const scope: AnyActorScope = {
    self,
    system: self.system,
    id: machine.id,
    sessionId: '',
    logger: nothing,
    defer: nothing,
    emit: nothing,
    stopChild: nothing,
    actionExecutor: (action) => {
      actions.push({ type: action.type, params: action.params });
    },
  };

  function collected(snapshot: SnapshotFrom<TMachine>) {
    const taken = actions;
    actions = [];
    return { snapshot, actions: taken };
  }

  return {
    initial() {
      actions = [];
      // Entry actions of an initial state run when an actor starts; the step that finds them is the one from xstate.init.
      const snapshot = machine.getInitialSnapshot(scope, input) as SnapshotFrom<TMachine>;
      return collected(snapshot);
    },
    step(snapshot, event) {
      const quiet = stepQuietly(snapshot, event);
      if (quiet !== null) return { snapshot: quiet.snapshot as SnapshotFrom<TMachine>, actions: quiet.actions };
      actions = [];
      return collected(machine.transition(snapshot, event, scope) as SnapshotFrom<TMachine>);
    },
  };
}
