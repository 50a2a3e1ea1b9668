// Holds back what may be said only once it is durable.
//
// Invariant: a message that waits for a write leaves after every write that was asked for up to then is durable, and messages leave
// in the order in which they were given.
import type { RaftEnvelope } from '../../streams/envelope.ts';

export interface DurableOutbox {
  /** A write was asked for; returns its number. */
  writing(): number;
  /** The write with this number, and all before it, are durable: what waited for them leaves. */
  synced(write: number): void;
  /** Leaves at once when nothing is being written. */
  afterSync(envelope: RaftEnvelope): void;
}

export function createDurableOutbox(out: (envelope: RaftEnvelope) => void): DurableOutbox {
  let asked = 0;
  let durable = 0;
  let held: { readonly write: number; readonly envelope: RaftEnvelope }[] = [];
  return {
    writing: () => ++asked,
    synced(write) {
      durable = write;
      const free = held.filter((message) => message.write <= durable);
      held = held.filter((message) => message.write > durable);
      for (const { envelope } of free) out(envelope);
    },
    afterSync(envelope) {
      if (durable === asked) out(envelope);
      else held.push({ write: asked, envelope });
    },
  };
}
