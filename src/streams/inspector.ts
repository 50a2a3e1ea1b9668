// The registry of live statecharts, and the inspection stream. It costs next to nothing while nobody watches: a step that changes
// no state leaves one counter; one that does leaves one small record in a ring.
import { Observable, Subject } from 'rxjs';
import type { AnyStateMachine } from 'xstate';
import type { Millis } from '../core/ids.ts';
import type { Clock } from './clock.ts';
import type { Inspection } from './inspection.ts';

export interface MachineSummary {
  readonly id: string;
  readonly kind: string;
  readonly machine: string;
  /** Active leaves as dotted paths, comma-separated. */
  readonly state: string;
  /** When it got there, ms since 1970. */
  readonly since: Millis;
}

export interface MachineTransition {
  readonly at: Millis;
  readonly event: string;
  readonly from: string;
  readonly to: string;
}

export interface MachineDetail extends MachineSummary {
  /** The chart as JSON: what Stately's editor opens. */
  readonly definition: unknown;
  readonly context: unknown;
  /** The most recent changes of state, oldest first. */
  readonly transitions: readonly MachineTransition[];
  /** Events handled since it came alive. */
  readonly events: number;
}

export interface MachineFilter {
  readonly kind?: string;
  /** A state's name; any active ancestor's matches too. */
  readonly state?: string;
  /** Part of an id or of a state. */
  readonly q?: string;
}

/** What runMachine() reports to. */
export interface InspectedActor {
  stepped(event: string, value: unknown, effects: readonly { readonly type: string }[]): void;
  stopped(): void;
}

export interface Inspector {
  /** Sorted by id. */
  machines(filter?: MachineFilter): MachineSummary[];
  machine(id: string): MachineDetail | undefined;
  /** Hot; begins with every definition and live actor. */
  readonly stream: Observable<Inspection>;
  /** For runMachine() only. @param context reads the chart's context when somebody asks. */
  register(id: string, kind: string, machine: AnyStateMachine, value: unknown, context: () => unknown): InspectedActor;
}

const TRANSITIONS_KEPT = 32;

interface Live {
  readonly id: string;
  readonly kind: string;
  readonly machine: AnyStateMachine;
  readonly context: () => unknown;
  value: unknown;
  since: Millis;
  events: number;
  transitions: MachineTransition[];
}

type Unnumbered<T> = T extends unknown ? Omit<T, 'seq'> : never;

/** What all watchers are told; each gets the chart's definition before the first word of an actor that runs it. */
interface Told {
  readonly actor: Live;
  readonly inspection: Unnumbered<Inspection>;
}

export function createInspector({ clock }: { readonly clock: Clock }): Inspector {
  const live = new Map<string, Live>();
  const watchers = new Subject<Told>();
  function summary({ id, kind, machine, value, since }: Live): MachineSummary {
    return { id, kind, machine: machine.id, state: statePaths(value), since };
  }

  function matches(actor: Live, { kind, state, q }: MachineFilter): boolean {
    if (kind !== undefined && actor.kind !== kind) return false;
    const paths = statePaths(actor.value);
    if (state !== undefined && !paths.split(',').some((path) => isWithin(path, state))) return false;
    return q === undefined || actor.id.includes(q) || paths.includes(q);
  }

  const stream = new Observable<Inspection>((subscriber) => {
    const told = new Set<AnyStateMachine>();
    let seq = 0;
    const tell = ({ actor, inspection }: Told) => {
      if (!told.has(actor.machine)) {
        told.add(actor.machine);
        const { id } = actor.machine;
        subscriber.next({
          type: '@vedette.definition',
          id,
          definition: definitionOf(actor.machine),
          at: inspection.at,
          seq: seq++,
        });
      }
      subscriber.next({ ...inspection, seq: seq++ });
    };
    for (const actor of live.values()) tell({ actor, inspection: presence(actor, clock.now()) });
    return watchers.subscribe(tell);
  });

  function presence(actor: Live, at: Millis): Unnumbered<Inspection> {
    const { machine, id, kind, value } = actor;
    return { type: '@xstate.actor', id, kind, machine: machine.id, state: statePaths(value), at };
  }

  return {
    stream,
    machines(filter = {}) {
      const found = [...live.values()].filter((actor) => matches(actor, filter)).map(summary);
      return found.sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    machine(id) {
      const actor = live.get(id);
      if (actor === undefined) return undefined;
      const { machine, transitions, events } = actor;
      return {
        ...summary(actor),
        definition: definitionOf(machine),
        context: toJson(actor.context()),
        transitions: [...transitions],
        events,
      };
    },
    register(id, kind, machine, value, context) {
      const actor: Live = { id, kind, machine, context, value, since: clock.now(), events: 0, transitions: [] };
      live.set(id, actor);
      if (watchers.observed) watchers.next({ actor, inspection: presence(actor, actor.since) });
      return {
        stepped(event, next, effects) {
          actor.events++;
          const from = actor.value;
          const watched = watchers.observed;
          const changed = !sameValue(from, next);
          actor.value = next;
          if (!changed && !watched) return;
          const at = clock.now();
          const transition = { at, event, from: statePaths(from), to: statePaths(next) };
          if (changed) {
            actor.since = at;
            actor.transitions.push(transition);
            if (actor.transitions.length > TRANSITIONS_KEPT) actor.transitions.shift();
          }
          if (watched) {
            const inspection = {
              type: '@xstate.transition',
              id,
              ...transition,
              effects: effects.map(({ type }) => type),
            } as const;
            watchers.next({ actor, inspection });
          }
        },
        stopped() {
          // A newer actor of the same id (a restarted one) stays.
          if (live.get(id) === actor) live.delete(id);
          if (watchers.observed)
            watchers.next({ actor, inspection: { type: '@vedette.stopped', id, at: clock.now() } });
        },
      };
    },
  };
}

/** Is `state` the leaf, or one above it: by its own name, or by its path from the root? */
function isWithin(path: string, state: string): boolean {
  return path === state || path.startsWith(`${state}.`) || path.split('.').includes(state);
}

const definitions = new WeakMap<AnyStateMachine, unknown>();

/** The chart as plain JSON. Made once: it is large, and never changes. */
function definitionOf(machine: AnyStateMachine): unknown {
  let definition = definitions.get(machine);
  if (definition === undefined) {
    definition = toJson(machine.toJSON());
    definitions.set(machine, definition);
  }
  return definition;
}

/** Where no state changed, xstate keeps the value object, or makes an equal one. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const before = Object.entries(a);
  const after = new Map<string, unknown>(Object.entries(b));
  return before.length === after.size && before.every(([region, inner]) => sameValue(inner, after.get(region)));
}

const pathsOf = new WeakMap<object, string>();

/** `{a: {b: 'c', d: 'e'}}` → `a.b.c,a.d.e`. */
export function statePaths(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  let paths = pathsOf.get(value);
  if (paths === undefined) {
    paths = leaves(value).join(',');
    pathsOf.set(value, paths);
  }
  return paths;
}

function leaves(value: object): string[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => {
    if (typeof inner === 'string') return [`${name}.${inner}`];
    const below = typeof inner === 'object' && inner !== null ? leaves(inner) : [];
    return below.length === 0 ? [name] : below.map((path) => `${name}.${path}`);
  });
}

/** A context as JSON can carry it: maps and sets as arrays, typed arrays by their length. */
function toJson(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) => {
      if (inner instanceof Map) return Object.fromEntries(inner);
      if (inner instanceof Set) return [...inner];
      if (ArrayBuffer.isView(inner)) return `${inner.byteLength} bytes`;
      return typeof inner === 'bigint' ? String(inner) : inner;
    }) ?? 'null',
  );
}
