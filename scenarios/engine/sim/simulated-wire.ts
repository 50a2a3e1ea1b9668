// A wire over the simulated network: what a connection gives (in order, at most once) over links that lose, repeat and reorder. What
// the network loses is lost to the wire, as if the connection had dropped and come back; what comes twice is left out; what overtakes
// others waits for them.
import { type Carry, createMemoryWirePair, type MemoryWirePair } from '../../../src/streams/memory-wire.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { Network } from './network.ts';

/** Between two members by their numbers. A close that the network loses leaves the other end waiting, as it would. */
export function createSimulatedWirePair<A, B = A>(
  clock: VirtualClock,
  network: Network,
  a: number,
  b: number,
): MemoryWirePair<A, B> {
  const between = (from: number, to: number): Carry => {
    let sent = 0;
    /** Whose turn it is to arrive. */
    let next = 1;
    /** Those that are through before their turn; null: it is lost. */
    const through = new Map<number, (() => void) | null>();
    const deliver = () => {
      for (let arrive = through.get(next); arrive !== undefined; arrive = through.get(next)) {
        through.delete(next++);
        arrive?.();
      }
    };
    return (arrive) => {
      const number = ++sent;
      const isThrough = () => number < next || through.has(number);
      const arrived = () => {
        if (isThrough()) return;
        through.set(number, arrive);
        deliver();
      };
      const lost = () => {
        if (isThrough()) return;
        through.set(number, null);
        // The network loses it within the turn of whoever sends, or cuts the link.
        clock.defer(deliver);
      };
      network.send(from, to, arrived, lost);
    };
  };
  return createMemoryWirePair<A, B>(clock, { a: between(b, a), b: between(a, b) });
}
