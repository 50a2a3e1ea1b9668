// What a cluster is founded with, checked and made comparable.
import { invalidArgument } from '../../core/errors.ts';
import { hash32 } from '../../core/hash.ts';
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Founding } from '../stores/identity.ts';

/** All brokers, sorted. @throws VedetteError INVALID_ARGUMENT for settings that cannot work. */
export function checkFounding(self: BrokerId, { members, shards, replicas }: Founding): BrokerId[] {
  const ids = Object.keys(members).sort() as BrokerId[];
  if (!ids.includes(self))
    throw invalidArgument('peers', `--peers does not name ${self} itself; it names ${ids.join(', ') || 'nobody'}`);
  if (ids.length > limits.peers.foundersMax)
    throw invalidArgument('peers', `${ids.length} brokers; this release takes at most ${limits.peers.foundersMax}`);
  if (shards < 1 || (shards & (shards - 1)) !== 0)
    throw invalidArgument('shards', `--shards ${shards} is no power of two`);
  if (replicas < 1) throw invalidArgument('replicas', '--replicas must be at least 1');
  return ids;
}

/** The same at every broker that was started with the same settings. */
export function foundingDigest({ members, shards, replicas }: Founding): string {
  const text = JSON.stringify([Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)), shards, replicas]);
  return hash32(text).toString(16);
}
