// How the shards lie now, by what the cluster has agreed on: over those who belong to it and are not leaving. Before it is founded its
// founders count. Every broker comes to the same layout for the same version.
import type { ControlState } from '../../core/control-state.ts';
import type { BrokerId, ShardId } from '../../core/ids.ts';
import { type Layout, layShards } from '../../core/ring.ts';
import type { Founding } from '../stores/identity.ts';

export interface Layouts {
  /** By the state as it is applied here. A broker that is to join knows none before it has learnt that. */
  readonly current: Layout;
  /** The voters that the shard's group began with, where this broker is one of them; else nobody. */
  foundersOf(shard: ShardId): readonly BrokerId[];
}

const FOUNDED = 1;

export function createLayouts(
  self: BrokerId,
  { members, shards, replicas }: Founding,
  state: Pick<ControlState, 'brokers' | 'membershipVersion'>,
): Layouts {
  const lay = (version: number, brokers: readonly BrokerId[]): Layout =>
    brokers.length === 0
      ? { version: 0, replicas: Array.from({ length: shards }, () => []) }
      : layShards({ shards, brokers, replicas, version });
  const founders = lay(FOUNDED, Object.keys(members) as BrokerId[]);
  let current = founders;
  let known = 0;

  function brokersNow(): readonly BrokerId[] {
    const all = [...state.brokers.values()];
    const staying = all.filter(({ leaving }) => !leaving);
    // Somebody has to hold the shards.
    return (staying.length > 0 ? staying : all).map(({ id }) => id);
  }

  return {
    get current() {
      const { membershipVersion } = state;
      if (membershipVersion !== known) {
        known = membershipVersion;
        current = lay(membershipVersion, brokersNow());
      }
      return current;
    },
    foundersOf(shard) {
      const first = founders.replicas[shard] ?? [];
      return first.includes(self) ? first : [];
    },
  };
}
