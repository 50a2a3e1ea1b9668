// What waits for the disk: messages that may be said only once it is durable, and the news of how far the log is.
//
// Invariants
//   1. A message that waits leaves after every write that was asked for up to then is durable; messages leave in the order in which
//      they were given.
//   2. An entry is reported as durable only by a write after which it was not cut: of a write whose entries were cut while it was on
//      its way nothing is reported, because a later write of the same index may be under way.
import type { LogIndex, Term } from '../../core/ids.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';

export interface DurableEntry {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface Durability {
  /** A write was asked for; returns its number. `last`: the log's end by then, null when it changes no entries. */
  writing(last: DurableEntry | null): number;
  /** Entries after this one are cut by the next write. */
  cutting(after: LogIndex): void;
  /** The write with this number, and all before it, are durable: what waited for them leaves. Returns the log's durable end, if news. */
  synced(write: number): DurableEntry | null;
  /** Leaves at once when nothing is being written. */
  sendAfterSync(envelope: RaftEnvelope): void;
}

export function createDurability(out: (envelope: RaftEnvelope) => void): Durability {
  let asked = 0;
  let durable = 0;
  const ends = new Map<number, DurableEntry>();
  let held: { readonly write: number; readonly envelope: RaftEnvelope }[] = [];

  function release(): void {
    const first = held.findIndex(({ write }) => write > durable);
    const free = first === -1 ? held : held.slice(0, first);
    held = first === -1 ? [] : held.slice(first);
    for (const { envelope } of free) out(envelope);
  }

  return {
    writing(last) {
      asked++;
      if (last !== null) ends.set(asked, last);
      return asked;
    },
    cutting(after) {
      for (const [write, { index }] of ends) if (index > after) ends.delete(write);
    },
    synced(write) {
      durable = write;
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
