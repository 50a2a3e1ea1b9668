// What a cluster is founded with, checked and made comparable.
import { invalidArgument } from '../../core/errors.ts';
import { hash32 } from '../../core/hash.ts';
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Founding } from '../stores/identity.ts';

/** All founders, sorted. @throws VedetteError INVALID_ARGUMENT for settings that cannot work. */
export function checkFounding({ members, shards, replicas }: Founding): BrokerId[] {
  const ids = Object.keys(members).sort() as BrokerId[];
  if (ids.length > limits.peers.foundersMax)
    throw invalidArgument(
      'peers',
      `${ids.length} brokers; at most ${limits.peers.foundersMax} found a cluster together`,
    );
  if (shards < 1 || (shards & (shards - 1)) !== 0)
    throw invalidArgument('shards', `--shards ${shards} is no power of two`);
  if (replicas < 1) throw invalidArgument('replicas', '--replicas must be at least 1');
  return ids;
}

/** The same at every broker of a cluster, whether it founded it or joined it later. */
export function foundingDigest({ members, shards, replicas }: Founding): string {
  const text = JSON.stringify([Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1)), shards, replicas]);
  return hash32(text).toString(16);
}
