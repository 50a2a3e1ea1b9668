// A wire over the simulated network: what a connection gives (in order, at most once) over links that lose, repeat and reorder. What
// the network loses is lost to the wire, as if the connection had dropped and come back; what comes late or twice is left out.
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
    let arrived = 0;
    return (arrive) => {
      const number = ++sent;
      const deliver = () => {
        if (number <= arrived) return;
        arrived = number;
        arrive();
      };
      network.send(from, to, deliver, () => {});
    };
  };
  return createMemoryWirePair<A, B>(clock, { a: between(b, a), b: between(a, b) });
}
