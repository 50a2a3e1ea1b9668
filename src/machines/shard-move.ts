// Who belongs to a shard's group: what its leader has to do next, so that the group comes to lie as the layout says; one step at a time,
// until there is nothing.
//
//   wanted, no member ──▶ learner ──caught up (the leader's chart promotes it)──▶ voter ──▶ one voter too many
//   not wanted, voter ──▶ leads? hands over ──▶ left out
//   all as wanted ──▶ whoever is to lead, does
//
// Invariants
//   1. Nothing is asked for while a change is under way.
//   2. A voter goes only for one that has taken its place, or when nobody is to take it; who is wanted never goes.
//   3. A voter goes only when a majority of those that are left can be reached, and holds what is committed, or nearly: a change never
//      stops the group by itself.
//   4. There is at most one voter more than wanted, or than there were. Of those that are not wanted whoever is gone leaves first, and
//      whoever leads last.
//   5. Nobody is asked to take part who cannot be reached now: whoever is down is waited for, and moves nothing.
//   6. While nothing changes outside, steps end.
import type { BrokerId } from '../core/ids.ts';
import type { Configuration, MembershipTarget } from './raft/membership.ts';

export interface ShardSituation {
  /** Who leads the shard. */
  readonly self: BrokerId;
  /** In force and committed; null while a change is under way. */
  readonly configuration: Configuration | null;
  /** By the layout; the first is to lead. */
  readonly wanted: readonly BrokerId[];
  readonly isLinked: (broker: BrokerId) => boolean;
  /** It holds what is committed, or nearly. */
  readonly keepsUp: (broker: BrokerId) => boolean;
  /** All has been quiet for long enough to have another one lead just because it is its turn. */
  readonly isQuiet: boolean;
}

export type ShardStep =
  /** A replica begins to fetch the shard's data. */
  | { readonly step: 'add'; readonly target: MembershipTarget }
  | { readonly step: 'change'; readonly target: MembershipTarget }
  | { readonly step: 'handOver'; readonly to: BrokerId };

/** Null: all is as it should be, or something has to be waited for. */
export function nextShardStep(situation: ShardSituation): ShardStep | null {
  const { configuration, wanted } = situation;
  if (configuration === null || wanted.length === 0) return null;
  return (
    dismissal(situation, configuration) ??
    removal(situation, configuration) ??
    addition(situation, configuration) ??
    turn(situation, configuration)
  );
}

/** Learners that are not wanted any more have nothing that anybody needs; those that are wanted are to vote. */
function dismissal({ wanted }: ShardSituation, { voters, learners, joining }: Configuration): ShardStep | null {
  const kept = learners.filter((id) => wanted.includes(id));
  if (kept.length === learners.length && kept.length === joining.length) return null;
  return { step: 'change', target: { voters, learners: kept, joining: kept } };
}

function removal(situation: ShardSituation, { voters, learners, joining }: Configuration): ShardStep | null {
  const { self, wanted } = situation;
  const surplus = voters.filter((id) => !wanted.includes(id));
  const isReplaced = voters.length > wanted.length || wanted.every((id) => voters.includes(id));
  if (surplus.length === 0 || !isReplaced) return null;
  const goes = surplus.find((id) => !isHere(situation, id)) ?? surplus.find((id) => id !== self) ?? self;
  if (goes === self) return handOver(situation, voters);
  const left = voters.filter((id) => id !== goes);
  const counted = left.filter((id) => isHere(situation, id) && isWell(situation, id));
  if (counted.length <= left.length / 2) return null;
  return { step: 'change', target: { voters: left, learners, joining } };
}

/** To whom the layout names, in its order. */
function handOver(situation: ShardSituation, voters: readonly BrokerId[]): ShardStep | null {
  const to = situation.wanted.find(
    (id) => id !== situation.self && voters.includes(id) && isHere(situation, id) && isWell(situation, id),
  );
  return to === undefined ? null : { step: 'handOver', to };
}

/** In place of one that is away by now, and begins again when it is back. */
function addition(situation: ShardSituation, { voters, learners, joining }: Configuration): ShardStep | null {
  const { wanted } = situation;
  const underWay = joining.filter((id) => isHere(situation, id));
  const next = wanted.find((id) => !voters.includes(id) && !learners.includes(id) && isHere(situation, id));
  if (next === undefined || underWay.length > 0 || voters.length > wanted.length) return null;
  return { step: 'add', target: { voters, learners: [next], joining: [next] } };
}

function turn(situation: ShardSituation, { voters }: Configuration): ShardStep | null {
  const { self, wanted, isQuiet } = situation;
  const [first] = wanted;
  if (!isQuiet || first === undefined || first === self || !wanted.every((id) => voters.includes(id))) return null;
  return isHere(situation, first) && isWell(situation, first) ? { step: 'handOver', to: first } : null;
}

const isHere = ({ self, isLinked }: ShardSituation, id: BrokerId): boolean => id === self || isLinked(id);
const isWell = ({ self, keepsUp }: ShardSituation, id: BrokerId): boolean => id === self || keepsUp(id);
