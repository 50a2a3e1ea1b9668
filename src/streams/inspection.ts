// The inspection stream: what every live statechart does. The names are Stately's where it has them (`@xstate.actor`), with what
// they lack: the transition taken, the effects, time and a sequence number.
import type { Millis } from '../core/ids.ts';

interface Seen {
  /** Of the machine's actor, e.g. `broker-1/raft/control`. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: Millis;
  /** Counts up by one through everything that one watcher is told. */
  readonly seq: number;
}

/** A chart, told once before the first actor that runs it. */
export interface DefinitionInspection extends Seen {
  readonly type: '@vedette.definition';
  readonly definition: unknown;
}

export interface ActorInspection extends Seen {
  readonly type: '@xstate.actor';
  readonly kind: string;
  readonly machine: string;
  readonly state: string;
}

export interface TransitionInspection extends Seen {
  readonly type: '@xstate.transition';
  readonly event: string;
  /** Active leaves as dotted paths, comma-separated. */
  readonly from: string;
  readonly to: string;
  readonly effects: readonly string[];
}

export interface StoppedInspection extends Seen {
  readonly type: '@vedette.stopped';
}

export type Inspection = DefinitionInspection | ActorInspection | TransitionInspection | StoppedInspection;
