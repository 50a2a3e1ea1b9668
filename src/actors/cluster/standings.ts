// Who may have lost what it acknowledged, and in which groups (machines/raft/doubt.ts): each broker tells the others of itself, so that
// every one can say why a group does not go on, and the status shows it.
import type { Observable } from 'rxjs';
import type { BrokerId, GroupId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Standing } from '../../streams/envelope.ts';
import type { RaftGroup } from '../raft-group.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';

export interface Standings {
  /** The groups in which it neither votes nor counts; of a broker without a link nothing is known. */
  uncertainOf(broker: BrokerId): readonly GroupId[];
  /** Why this broker, or a group of which it is a member, is not all that it should be. */
  reasons(): string[];
  heard(from: BrokerId, message: Standing): void;
  opened(peer: BrokerId): void;
  lost(peer: BrokerId): void;
  stop(): void;
}

export interface StandingsPorts {
  readonly self: BrokerId;
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  /** A group's part may be another. */
  readonly changes: Observable<unknown>;
  readonly peers: Pick<Peers, 'send' | 'views'>;
  /** Somebody knows of a cluster: empty disks are lost ones. */
  readonly isFounded: () => boolean;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
}

const NAMED_MAX = 3;

export function createStandings({ self, groups, changes, peers, isFounded, clock, warn }: StandingsPorts): Standings {
  const others = new Map<BrokerId, readonly GroupId[]>();
  let told = '';
  let telling = false;
  let stopped = false;
  let warned = '';

  const own = (): GroupId[] =>
    [...groups.values()].filter(({ status }) => status.role === 'storageUncertain').map(({ id }) => id);
  const message = (): Standing => ({ kind: 'standing', uncertain: own() });
  const uncertainOf = (broker: BrokerId): readonly GroupId[] => (broker === self ? own() : (others.get(broker) ?? []));

  /** Too many of its voters have lost what they knew: nobody is left who could vouch for them. */
  function losersOf({ id, status }: RaftGroup): readonly BrokerId[] {
    // Who doubts itself never stands for election, and goes on naming the leader that it heard last.
    if (status.leader !== null && status.role !== 'storageUncertain') return [];
    const { voters, outgoing } = status.configuration.configuration;
    const isLoser = (voter: BrokerId) => uncertainOf(voter).includes(id);
    const isStuck = (half: readonly BrokerId[]) =>
      half.length > 0 && half.filter((voter) => !isLoser(voter)).length * 2 <= half.length;
    return [voters, outgoing].some(isStuck) ? [...new Set([...voters, ...outgoing])].filter(isLoser) : [];
  }

  function stuck(): string[] {
    const lost = new Map<string, GroupId[]>();
    for (const group of groups.values()) {
      const losers = losersOf(group).join(' and ');
      if (losers !== '') lost.set(losers, [...(lost.get(losers) ?? []), group.id]);
    }
    return [...lost].map(
      ([losers, ids]) =>
        `${losers} lost what they knew of ${named(ids)}: too few are left that know what was acknowledged, so nothing goes on there rather than be lost; bring one of their data directories back`,
    );
  }

  function tell(): void {
    const now = own().join();
    if (now === told) return;
    told = now;
    for (const { id } of peers.views) peers.send(id, message());
  }

  /** Many groups change in one turn. */
  function tellLater(): void {
    if (telling) return;
    telling = true;
    clock.defer(() => {
      telling = false;
      if (!stopped) tell();
    });
  }

  function look(): void {
    tell();
    const reasons = isFounded() ? stuck().join('; ') : '';
    if (reasons !== '' && reasons !== warned) warn(reasons);
    warned = reasons;
  }

  const watching = changes.subscribe(tellLater);
  const looking = repeat(clock, limits.peers.beatMs, look);

  return {
    uncertainOf,
    reasons() {
      // A replica that is only to become a member misses nothing.
      const lost = own().filter((id) => groups.get(id)?.members.includes(self) === true);
      if (lost.length === 0 && groups.get('control')?.status.leader !== null) return [];
      if (!isFounded()) return lost.length === 0 ? [] : ['the founders have not all met yet'];
      const waiting = `the disk of ${self} was lost or damaged: the leaders of ${named(lost)} do not vouch for it yet`;
      return [...(lost.length === 0 ? [] : [waiting]), ...stuck()];
    },
    heard: (from, { uncertain }) => void others.set(from, uncertain),
    opened(peer) {
      tell();
      peers.send(peer, message());
    },
    lost: (peer) => void others.delete(peer),
    stop() {
      stopped = true;
      watching.unsubscribe();
      looking.cancel();
    },
  };
}

function named(ids: readonly GroupId[]): string {
  const some = ids.slice(0, NAMED_MAX).join(', ');
  return ids.length > NAMED_MAX ? `${some} and ${ids.length - NAMED_MAX} more groups` : some;
}
