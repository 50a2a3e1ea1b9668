// What waits for the disk: messages that may be said only once it is durable, and the news of how far the log is.
//
// Invariants
//   1. A message that waits leaves after every write that was asked for up to then is durable; messages leave in the order in which
//      they were given.
//   2. An entry is reported as durable only by a write after which it was not cut: of a write whose entries were cut while it was on
//      its way nothing is reported, because a later write of the same index may be under way.
import type { LogIndex, Millis, Term } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';

export interface DurableEntry {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface Durability {
  /** How long the oldest write that is not durable yet has been under way. */
  pendingMs(at: Millis): Millis;
  /** A write was asked for; returns its number. `last`: the log's end by then, null when it changes no entries. */
  writing(last: DurableEntry | null): number;
  /** Entries after this one are cut by the next write. */
  cutting(after: LogIndex): void;
  /** The write with this number, and all before it, are durable: what waited for them leaves. Returns the log's durable end, if news. */
  synced(write: number): DurableEntry | null;
  /** Leaves at once when nothing is being written. */
  sendAfterSync(envelope: RaftEnvelope): void;
}

export function createDurability(clock: Clock, out: (envelope: RaftEnvelope) => void): Durability {
  let asked = 0;
  let durable = 0;
  const ends = new Map<number, DurableEntry>();
  /** When the oldest write under way was asked for, or became the oldest. */
  let pendingSince: Millis | null = null;
  let held: { readonly write: number; readonly envelope: RaftEnvelope }[] = [];

  function release(): void {
    const first = held.findIndex(({ write }) => write > durable);
    const free = first === -1 ? held : held.slice(0, first);
    held = first === -1 ? [] : held.slice(first);
    for (const { envelope } of free) out(envelope);
  }

  return {
    pendingMs: (at) => (pendingSince === null ? 0 : at - pendingSince),
    writing(last) {
      asked++;
      pendingSince ??= clock.monotonic();
      if (last !== null) ends.set(asked, last);
      return asked;
    },
    cutting(after) {
      for (const [write, { index }] of ends) if (index > after) ends.delete(write);
    },
    synced(write) {
      durable = write;
      pendingSince = durable === asked ? null : clock.monotonic();
      release();
      const end = ends.get(write) ?? null;
      ends.delete(write);
      return end;
    },
    sendAfterSync(envelope) {
      if (durable === asked) out(envelope);
      else held.push({ write: asked, envelope });
    },
  };
}
