// The inspection stream: what every live statechart does, from the first day. The names are Stately's where it has them
// (`@xstate.actor`, `.event`, `.snapshot`), with what they lack: the transition taken, the effects, time and a sequence number.
import type { Millis } from '../core/ids.ts';

/** A machine came alive. `definition` is its chart, as JSON; sent once per machine name and hash. */
export interface ActorInspection {
  readonly type: '@xstate.actor';
  readonly id: string;
  readonly kind: string;
  readonly machine: string;
  readonly at: Millis;
  readonly seq: number;
}

export interface TransitionInspection {
  readonly type: '@xstate.transition';
  readonly id: string;
  readonly event: string;
  /** Active leaves as dotted paths, comma-separated. */
  readonly from: string;
  readonly to: string;
  readonly effects: readonly string[];
  readonly at: Millis;
  readonly seq: number;
}

export interface ActorStoppedInspection {
  readonly type: '@xstate.stopped';
  readonly id: string;
  readonly at: Millis;
  readonly seq: number;
}

export type Inspection = ActorInspection | TransitionInspection | ActorStoppedInspection;
