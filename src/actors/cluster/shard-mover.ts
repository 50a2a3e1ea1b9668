// Has the groups of the shards that are led here come to lie as the layout says (machines/shard-move.ts decides how). It keeps nothing
// of what it has begun: whoever leads a shard next finds what is to be done in its configuration and in the layout.
//
// Invariants
//   1. One step at a time for each shard; the next is decided when it is known what became of the one before.
//   2. A few replicas fetch data at a time, and one leader hands over at a time. Those that wait for a broker that is away do not count.
//   3. Leadership moves by turn only when leader and links have been the same for a while.
import { unreachable } from '../../core/assert.ts';
import type { BrokerId, Millis, ShardId, Term } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { isJoint } from '../../machines/raft/membership.ts';
import { nextShardStep, type ShardStep } from '../../machines/shard-move.ts';
import type { Clock } from '../../streams/clock.ts';
import type { RaftStatus } from '../raft-group.ts';
import type { Shard } from '../shard.ts';
import type { Layouts } from './layout.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';
import { isLinked } from './ways.ts';

export interface ShardMoverPorts {
  readonly self: BrokerId;
  readonly shards: ReadonlyMap<ShardId, Shard>;
  readonly layouts: Pick<Layouts, 'current'>;
  /** The layout is that of the cluster's members. */
  readonly knowsMembers: () => boolean;
  readonly peers: Pick<Peers, 'views'>;
  readonly clock: Clock;
}

const { everyMs, stepMs, fetchesMax, quietMs } = limits.moving;

/** Since when this broker leads a shard; a moment ago, when it tried to hand it over in vain. */
interface Led {
  readonly term: Term;
  readonly since: Millis;
}

export function createShardMover({ self, shards, layouts, knowsMembers, peers, clock }: ShardMoverPorts): {
  stop(): void;
} {
  const busy = new Set<ShardId>();
  /** A replica is to fetch data, by a change that is not settled yet. */
  const adding = new Set<ShardId>();
  const led = new Map<ShardId, Led>();
  const linkedSince = new Map<BrokerId, Millis>();
  let handingOver = false;
  let stopped = false;

  function noteLinks(at: Millis): void {
    for (const { id } of peers.views) {
      if (!isLinked(peers.views, id)) linkedSince.delete(id);
      else if (!linkedSince.has(id)) linkedSince.set(id, at);
    }
  }

  function isQuiet(shard: ShardId, { term }: RaftStatus, first: BrokerId | undefined, at: Millis): boolean {
    const known = led.get(shard);
    if (known?.term !== term) {
      led.set(shard, { term, since: at });
      return false;
    }
    const linked = first === undefined ? undefined : linkedSince.get(first);
    return linked !== undefined && at - Math.max(known.since, linked) >= quietMs;
  }

  function decide({ id, raft }: Shard, status: RaftStatus, at: Millis): ShardStep | null {
    const wanted = layouts.current.replicas[id] ?? [];
    const { index, configuration } = status.configuration;
    return nextShardStep({
      self,
      configuration: status.commit >= index && !isJoint(configuration) ? configuration : null,
      wanted,
      isLinked: (broker) => linkedSince.has(broker),
      keepsUp: (broker) => raft.keepsUp(broker),
      isQuiet: !handingOver && isQuiet(id, status, wanted[0], at),
    });
  }

  /** Replicas that fetch data now, or are to, of the shards that are led here. */
  function fetching(leading: readonly (readonly [Shard, RaftStatus])[]): number {
    return leading.filter(
      ([{ id: shard }, { configuration }]) =>
        adding.has(shard) || configuration.configuration.joining.some((id) => linkedSince.has(id)),
    ).length;
  }

  function look(): void {
    if (stopped || !knowsMembers()) return;
    const at = clock.monotonic();
    noteLinks(at);
    const leading = [...shards.values()]
      .map((shard) => [shard, shard.raft.status] as const)
      .filter(([, status]) => status.serving);
    let fetches = fetching(leading);
    for (const [shard, status] of leading) {
      const step = busy.has(shard.id) ? null : decide(shard, status, at);
      if (step === null || (step.step === 'add' && fetches >= fetchesMax)) continue;
      if (step.step === 'handOver' && handingOver) continue;
      if (step.step === 'add') fetches++;
      take(shard, status, step);
    }
  }

  function take({ id, raft }: Shard, { configuration, term }: RaftStatus, step: ShardStep): void {
    busy.add(id);
    if (step.step === 'add') adding.add(id);
    const over = (done: boolean): void => {
      busy.delete(id);
      adding.delete(id);
      // What was in vain is tried again at the next look; what was done may be followed by more at once.
      if (done) clock.defer(look);
    };
    switch (step.step) {
      case 'add':
      case 'change':
        return raft.changeMembership(configuration.index, step.target, stepMs, ({ outcome }) =>
          over(outcome === 'changed'),
        );
      case 'handOver':
        handingOver = true;
        return raft.transfer(step.to, (error) => {
          handingOver = false;
          if (error !== null) led.set(id, { term, since: clock.monotonic() });
          over(error === null);
        });
      default:
        unreachable(step);
    }
  }

  const looking = repeat(clock, everyMs, look);
  return {
    stop() {
      stopped = true;
      looking.cancel();
    },
  };
}
