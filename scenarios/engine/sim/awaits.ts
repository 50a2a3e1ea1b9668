// Where a process can be ended in the midst of what it does: every place at which it asks something of the world, or hears from it, is
// counted for whoever has asked for its end.
//
//   armed: the nth `sync` ─▶ … reached ─▶ reached ─▶ dead: nothing that it does any more has an effect ─▶ ended, at the end of the turn
import type { AwaitKind } from './schedule.ts';

/** What a call to the disk of a process that is dead ends in: whatever it has begun goes no further. */
export class Died extends Error {
  override readonly name = 'Died';
}

export interface AwaitCrash {
  readonly of: AwaitKind | 'any';
  readonly nth: number;
  /** The process is to end with this turn. */
  readonly die: (at: AwaitKind) => void;
}

export interface Awaits {
  /** Of one life or the next ones: it counts from now. */
  arm(crash: AwaitCrash): void;
  disarm(): void;
  /** The process has come to such a place. @returns true when it is dead: what comes next does not happen. */
  reached(kind: AwaitKind): boolean;
  /** Until its end. */
  isDead(): boolean;
  /** Its life is over. */
  ended(): void;
}

export function createAwaits(): Awaits {
  let armed: { readonly crash: AwaitCrash; left: number }[] = [];
  let dead = false;

  return {
    arm(crash) {
      armed.push({ crash, left: crash.nth });
    },
    disarm() {
      armed = [];
    },
    reached(kind) {
      if (dead || armed.length === 0) return dead;
      for (const each of armed) {
        if (each.crash.of !== 'any' && each.crash.of !== kind) continue;
        each.left--;
        if (each.left > 0) continue;
        dead = true;
        armed = armed.filter((other) => other !== each);
        each.crash.die(kind);
        break;
      }
      return dead;
    },
    isDead: () => dead,
    ended() {
      dead = false;
    },
  };
}
