// Chance in a pure chart: the generator's state is part of the context, and each draw gives the next one.
import type { Millis } from '../../core/ids.ts';

/** A member's election timer, and the generator that timeouts are drawn from. */
export interface ElectionTimer {
  /** State of the generator. */
  readonly chance: number;
  /** How long silence lasts before it counts. */
  readonly timeout: Millis;
  /** How long the running timer waits: the timeout, or what is left of it. */
  readonly delay: Millis;
}
interface Owner {
  readonly timer: ElectionTimer;
  readonly options: { readonly electionMinMs: Millis; readonly electionMaxMs: Millis };
}

/** The wait when there is no leader to wait for any more: short, and random, so that not all followers move at once. */
const HINT_DELAY_MAX_MS: Millis = 20;

/** Mulberry32 (Tommy Ettinger): a whole number in [0, below), and the generator's next state. */
function draw(chance: number, below: number): { readonly value: number; readonly chance: number } {
  const next = (chance + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(next ^ (next >>> 15), next | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return { value: Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below), chance: next };
}

/** A new election timeout in [min, max), and the timer that waits for it (§3.4: randomised, so that votes rarely split). */
export function drawTimeout({ timer, options }: Owner): { readonly timer: ElectionTimer } {
  const drawn = draw(timer.chance, options.electionMaxMs - options.electionMinMs);
  const timeout = options.electionMinMs + drawn.value;
  return { timer: { chance: drawn.chance, timeout, delay: timeout } };
}

/** A timer of 0 … 20 ms. */
export function drawHintDelay({ timer }: Owner): { readonly timer: ElectionTimer } {
  const drawn = draw(timer.chance, HINT_DELAY_MAX_MS + 1);
  return { timer: { ...timer, chance: drawn.chance, delay: drawn.value } };
}
