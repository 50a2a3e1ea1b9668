// Which broker to try next: the seed addresses, and whatever members the cluster has named since.

export interface Candidates {
  /** The address to try now. Goes round. */
  next(): string;
  /** Try this one first. */
  prefer(address: string): void;
  /** The members as a broker told them; the seeds stay as a last resort. */
  learn(addresses: readonly string[]): void;
  readonly count: number;
}

/** @param seeds at least one. @param start where to begin: agents begin at different brokers. */
export function createCandidates(seeds: readonly string[], start: number): Candidates {
  let addresses = [...seeds];
  let at = start % addresses.length;
  let preferred: string | null = null;
  return {
    next() {
      if (preferred !== null) {
        const address = preferred;
        preferred = null;
        return address;
      }
      const address = addresses[at % addresses.length] ?? '';
      at = (at + 1) % addresses.length;
      return address;
    },
    prefer(address) {
      preferred = address;
    },
    learn(members) {
      const present = addresses[(at + addresses.length - 1) % addresses.length];
      addresses = [...new Set([...members, ...seeds])];
      // Going round goes on behind the one in use.
      const place = present === undefined ? -1 : addresses.indexOf(present);
      at = (place + 1) % addresses.length;
    },
    get count() {
      return addresses.length;
    },
  };
}
