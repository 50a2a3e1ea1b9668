// The most frequent steps of a chart, compiled: one that takes no transition, or one without a target, and so changes no state; and
// one that enters its own state again, which starts the state's timers anew.
//
// xstate selects such a transition anew each time, and copies its whole snapshot for every assign. Here the candidates of a state and
// an event are looked up once, and a step makes one snapshot at its end. test/unit/quiet-step.test.ts holds the results against those
// of xstate's own `transition()`.
//
// Invariants
//   1. What is not compiled is left to xstate: parallel states, other targets, `always`, raised events, wildcards, composed guards, inline
//      actions, whatever throws. A step is pure, so that one which was begun here can be made again there.
//   2. The result is xstate's; only what did not change (value, tags) is shared with the snapshot before instead of copied.
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, EventObject } from 'xstate';
import type { SteppedAction } from './stepper.ts';

interface Scope {
  readonly context: object;
  readonly event: EventObject;
}
type Guard = (scope: Scope) => boolean;
type Assignment = ((scope: Scope) => object) | Readonly<Record<string, unknown>>;
interface Enqueue {
  (action: unknown): void;
  assign(assignment: Assignment): void;
}
/** One that only carries out a decision says so: what it decides, and how its context is copied, need no detour through a queue. */
interface Collect {
  (scope: Scope & { readonly enqueue: Enqueue }): void;
  readonly decision?: (context: object, event: EventObject) => Decided;
  readonly copyOf?: (context: object) => object;
}
interface Decided {
  readonly changes?: object;
  /** Named, and not built-in ones. */
  readonly effects?: readonly SteppedAction[];
  readonly raise?: object;
}

type Action =
  | { readonly kind: 'effect'; readonly type: string; readonly params: unknown }
  | { readonly kind: 'assign'; readonly assignment: Assignment }
  | { readonly kind: 'collect'; readonly collect: Collect }
  | {
      readonly kind: 'startTimer';
      readonly event: object;
      readonly id: unknown;
      readonly delay: number | ((scope: Scope) => unknown);
    }
  | { readonly kind: 'stopTimer'; readonly sendId: string }
  | {
      readonly kind: 'decide';
      readonly decision: NonNullable<Collect['decision']>;
      readonly copyOf: Collect['copyOf'];
    };

interface Candidate {
  readonly guard: Guard | null;
  /** Null: it leads to another state, or has an action that only xstate knows. */
  readonly actions: readonly Action[] | null;
}

/** By event type; null: xstate's. */
type Table = Map<string, readonly Candidate[] | null>;

/** Null when the step is not quiet: xstate has to make it. */
export type QuietStep = (
  snapshot: AnyMachineSnapshot,
  event: EventObject,
) => { readonly snapshot: AnyMachineSnapshot; readonly actions: SteppedAction[] } | null;

/** Something came up that only xstate can do. */
class NotQuiet extends Error {}

export function createQuietStep(machine: AnyStateMachine): QuietStep {
  const implementations: Readonly<Record<string, unknown>> = machine.implementations.actions;
  const guards: Readonly<Record<string, unknown>> = machine.implementations.guards;
  const delays: Readonly<Record<string, unknown>> = machine.implementations.delays;
  const tables = new Map<AnyStateNode, Table | null>();
  /** By the active nodes: xstate keeps the array from snapshot to snapshot, as long as they stay the same. */
  const known = new WeakMap<readonly AnyStateNode[], { readonly leaf: AnyStateNode; readonly table: Table | null }>();
  let collected: Action[] = [];
  const enqueue: Enqueue = Object.assign((action: unknown) => void collected.push(compile(action)), {
    assign: (assignment: Assignment) => void collected.push({ kind: 'assign', assignment }),
  });

  function find(nodes: readonly AnyStateNode[]): { readonly leaf: AnyStateNode; readonly table: Table | null } {
    const [leaf, ...others] = nodes.filter(({ type }) => type === 'atomic' || type === 'final');
    if (leaf === undefined) throw new RangeError('a configuration has a leaf');
    let table = tables.get(leaf);
    if (table === undefined) {
      table = nodes.some(isOutOfReach) ? null : new Map<string, readonly Candidate[] | null>();
      tables.set(leaf, table);
    }
    const found = { leaf, table: others.length > 0 ? null : table };
    known.set(nodes, found);
    return found;
  }

  /** From the leaf up to the root: the first whose guard lets it is taken. */
  function candidatesFor(leaf: AnyStateNode, type: string): readonly Candidate[] | null {
    if (type.startsWith('xstate.') && !type.startsWith('xstate.after.')) return null;
    const candidates: Candidate[] = [];
    for (let node: AnyStateNode | undefined = leaf; node !== undefined; node = node.parent) {
      for (const { guard, target, actions, reenter } of node.transitions.get(type) ?? []) {
        const check = guard === undefined ? null : guardOf(guard);
        if (check === undefined) return null;
        const isAgain = reenter && node === leaf && isPlain(leaf) && target?.length === 1 && target[0] === leaf;
        const all = isAgain ? [...leaf.exit, ...actions, ...leaf.entry] : actions;
        candidates.push({ guard: check, actions: target === undefined || isAgain ? compiled(all) : null });
      }
    }
    return candidates;
  }

  /** Undefined: inline, composed, or with params. */
  function guardOf(guard: unknown): Guard | undefined {
    const found = typeof guard === 'string' ? guards[guard] : undefined;
    return typeof found === 'function' && !('check' in found) ? (found as Guard) : undefined;
  }

  function compiled(actions: readonly unknown[]): readonly Action[] | null {
    try {
      return actions.map(compile);
    } catch (error) {
      if (error instanceof NotQuiet) return null;
      throw error;
    }
  }

  /** @throws NotQuiet when it is inline, or a built-in one that needs xstate. */
  function compile(action: unknown): Action {
    if (typeof action === 'function') return timerOf(action);
    const { type, params } = named(action);
    const found = implementations[type];
    if (typeof found !== 'function' || !('resolve' in found)) return { kind: 'effect', type, params };
    if (params === undefined && 'collect' in found) {
      const collect = found.collect as Collect;
      const { decision, copyOf } = collect;
      return decision === undefined ? { kind: 'collect', collect } : { kind: 'decide', decision, copyOf };
    }
    if (params === undefined && 'assignment' in found)
      return { kind: 'assign', assignment: found.assignment as Assignment };
    throw new NotQuiet();
  }

  /** What `after` adds to a state's entry and exit. */
  function timerOf(action: object): Action {
    if ('sendId' in action && typeof action.sendId === 'string') return { kind: 'stopTimer', sendId: action.sendId };
    if (!('delay' in action && 'event' in action && 'id' in action)) throw new NotQuiet();
    const { event, id } = action;
    const delay = typeof action.delay === 'string' ? delays[action.delay] : action.delay;
    if (typeof event !== 'object' || event === null) throw new NotQuiet();
    if (typeof delay === 'number') return { kind: 'startTimer', event, id, delay };
    if (typeof delay === 'function')
      return { kind: 'startTimer', event, id, delay: delay as (scope: Scope) => unknown };
    throw new NotQuiet();
  }

  /** @returns the context after it. */
  function perform(action: Action, context: object, event: EventObject, effects: SteppedAction[]): object {
    switch (action.kind) {
      case 'effect': {
        const { type, params } = action;
        const make = typeof params === 'function' ? (params as (scope: Scope) => unknown) : null;
        effects.push({ type, params: make === null ? params : make({ context, event }) });
        return context;
      }
      case 'startTimer': {
        const { event: raised, id } = action;
        const delay = typeof action.delay === 'function' ? action.delay({ context, event }) : action.delay;
        // Without a delay it would be an event within this step.
        if (typeof delay !== 'number') throw new NotQuiet();
        effects.push({ type: 'xstate.raise', params: { event: raised, id, delay } });
        return context;
      }
      case 'stopTimer':
        effects.push({ type: 'xstate.cancel', params: { sendId: action.sendId } });
        return context;
      case 'decide': {
        const { changes, effects: decided, raise } = action.decision(context, event);
        if (raise !== undefined) throw new NotQuiet();
        if (decided !== undefined) for (const effect of decided) effects.push(effect);
        return changes === undefined ? context : changed(context, changes, action.copyOf);
      }
      case 'assign':
        return changed(context, changesOf(action.assignment, { context, event }));
      case 'collect': {
        collected = [];
        action.collect({ context, event, enqueue });
        const actions = collected;
        let after = context;
        for (const each of actions) after = perform(each, after, event, effects);
        return after;
      }
    }
  }

  function step(snapshot: AnyMachineSnapshot, event: EventObject): ReturnType<QuietStep> {
    const nodes: readonly AnyStateNode[] = snapshot._nodes;
    const { leaf, table } = known.get(nodes) ?? find(nodes);
    if (table === null || snapshot.status !== 'active') return null;
    let candidates = table.get(event.type);
    if (candidates === undefined) {
      candidates = candidatesFor(leaf, event.type);
      table.set(event.type, candidates);
    }
    if (candidates === null) return null;
    let context: object = snapshot.context;
    const scope = { context, event };
    for (const { guard, actions } of candidates) {
      if (guard !== null && !guard(scope)) continue;
      if (actions === null) return null;
      const effects: SteppedAction[] = [];
      for (const action of actions) context = perform(action, context, event, effects);
      return { snapshot: context === snapshot.context ? snapshot : withContext(snapshot, context), actions: effects };
    }
    return { snapshot, actions: [] };
  }

  return (snapshot, event) => {
    try {
      return step(snapshot, event);
    } catch {
      // Whatever it was: xstate comes to it, too, and says it in its own words.
      return null;
    }
  };
}

const spread = (context: object): object => ({ ...context });

/** A copy with these changes: what a spread and Object.assign() make, in less than half the time. */
function changed(context: object, changes: object, copyOf = spread): object {
  const copy = copyOf(context) as Record<string, unknown>;
  for (const key in changes) copy[key] = changes[key as keyof typeof changes];
  return copy;
}

/** It neither is an end nor runs other actors: leaving and entering it is its actions and no more. */
function isPlain({ type, invoke }: AnyStateNode): boolean {
  return type === 'atomic' && invoke.length === 0;
}

/** The same snapshot with another context; written out, key by key as xstate has them: to spread all of it takes longer than the step. */
function withContext(snapshot: AnyMachineSnapshot, context: object): AnyMachineSnapshot {
  return {
    status: snapshot.status,
    output: snapshot.output,
    error: snapshot.error,
    machine: snapshot.machine,
    context,
    _nodes: snapshot._nodes,
    value: snapshot.value,
    tags: snapshot.tags,
    children: snapshot.children,
    historyValue: snapshot.historyValue,
    matches: snapshot.matches,
    hasTag: snapshot.hasTag,
    can: snapshot.can,
    getMeta: snapshot.getMeta,
    toJSON: snapshot.toJSON,
  } as AnyMachineSnapshot;
}

/** `always`, or transitions by wildcard. */
function isOutOfReach({ always, transitions }: AnyStateNode): boolean {
  return (always?.length ?? 0) > 0 || [...transitions.keys()].some((type) => type.includes('*'));
}

function named(action: unknown): { readonly type: string; readonly params: unknown } {
  if (typeof action === 'string') return { type: action, params: undefined };
  if (typeof action !== 'object' || action === null || !('type' in action) || typeof action.type !== 'string')
    throw new NotQuiet();
  return { type: action.type, params: 'params' in action ? action.params : undefined };
}

function changesOf(assignment: Assignment, scope: Scope): object {
  if (typeof assignment === 'function') return assignment(scope);
  for (const key of Object.keys(assignment)) {
    if (typeof assignment[key] === 'function') return evaluated(assignment, scope);
  }
  return assignment;
}

function evaluated(assignment: Readonly<Record<string, unknown>>, scope: Scope): object {
  return Object.fromEntries(
    Object.entries(assignment).map(([key, value]) => [
      key,
      typeof value === 'function' ? (value as (scope: Scope) => unknown)(scope) : value,
    ]),
  );
}
