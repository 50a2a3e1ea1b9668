// Who of the cluster's brokers votes in the control group: what its leader has to do next, one step at a time, until there is nothing.
//
//   added ──▶ learner ──▶ joining ──caught up (the leader's chart promotes it)──▶ voter ─┐
//                ▲                                                                       │ one too many, or on its way out
//                └───────────────────────────────────────────────────────────────────────┘
//   on its way out: leads? ─▶ hands over;  votes? ─▶ its place is taken, then it learns;  holds no replica ─▶ left out ─▶ forgotten
//
// Invariants
//   1. Nothing is asked for while a change is under way.
//   2. At most `votersMax` vote, those that are to be promoted among them. An odd number, where there are brokers for it: one more
//      than that lets no more of them fail. Two, since what the cluster agreed on is to survive the loss of a disk.
//   3. Voters go only when a majority of those that are left can be reached now: a change never stops the group by itself.
//   4. Who votes goes on voting, unless it is on its way out or one too many; of those, who leads goes last.
//   5. A broker is forgotten when it is in no configuration, and holds no replica of any shard.
//   6. While nothing changes outside, steps end: each brings the configuration nearer to what is wanted, or a broker nearer to its end.
import type { BrokerId } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type Configuration, isMemberOf, type MembershipTarget } from './raft/membership.ts';

export interface MembersSituation {
  /** Who leads the control group. */
  readonly self: BrokerId;
  /** The configuration in force; null while a change is under way. */
  readonly configuration: Configuration | null;
  readonly brokers: ReadonlyMap<
    BrokerId,
    { readonly leaving: boolean /** It has presented itself. */; readonly known: boolean }
  >;
  /** `away`: there was a link a moment ago. */
  readonly link: (broker: BrokerId) => 'up' | 'away' | 'down';
  readonly holdsReplicas: (broker: BrokerId) => boolean;
  /** Another one each time leadership was to go somewhere and did not: then another heir is tried. */
  readonly turn: number;
}

export type MembersStep =
  | { readonly step: 'change'; readonly target: MembershipTarget }
  | { readonly step: 'handOver'; readonly to: BrokerId }
  | { readonly step: 'forget'; readonly broker: BrokerId };

const { votersMax } = limits.control;

/** Null: all is as it should be, or nothing can be done now. */
export function nextMembersStep(situation: MembersSituation): MembersStep | null {
  const { self, configuration, brokers, turn } = situation;
  if (configuration === null) return null;
  const gone = [...brokers.keys()].find((id) => isOut(situation, id) && !isMemberOf(configuration, id));
  if (gone !== undefined) return { step: 'forget', broker: gone };
  if (!stays(situation, self)) {
    const heirs = configuration.voters.filter((id) => stays(situation, id) && isReached(situation, id));
    const to = heirs[turn % Math.max(1, heirs.length)];
    if (to !== undefined) return { step: 'handOver', to };
  }
  const target = targetOf(situation, configuration);
  return isSame(target, configuration) ? null : { step: 'change', target };
}

const stays = ({ brokers }: MembersSituation, id: BrokerId): boolean => brokers.get(id)?.leaving === false;
const isReached = ({ self, link }: MembersSituation, id: BrokerId): boolean => id === self || link(id) === 'up';

/** It is on its way out, and has nothing any more. */
const isOut = ({ brokers, holdsReplicas }: MembersSituation, id: BrokerId): boolean =>
  brokers.get(id)?.leaving === true && !holdsReplicas(id);

function wantedVoters(available: number): number {
  if (available <= 2) return available;
  const most = Math.min(available, votersMax);
  return most % 2 === 0 ? most - 1 : most;
}

function targetOf(situation: MembersSituation, current: Configuration): MembershipTarget {
  const candidates = candidatesFor(situation, current);
  const staying = current.voters.filter((id) => stays(situation, id));
  const wanted = wantedVoters(staying.length + candidates.length);
  const kept = withoutSurplus(situation, staying, staying.length - wanted);
  const missing = Math.max(0, wanted - kept.length);
  // Who leaves votes on until its place is taken, as long as there is room for both.
  const leaving = current.voters.filter((id) => !stays(situation, id));
  const room = missing === 0 ? 0 : votersMax - kept.length - missing;
  const overlap = bestFirst(situation, leaving).slice(0, Math.max(kept.length === 0 ? 1 : 0, room));
  const reached = overlap.filter((id) => isReached(situation, id));
  const choices = [[...kept, ...overlap], [...kept, ...reached], kept];
  const allowed = choices.find((voters) => hasMajority(situation, voters)) ?? current.voters;
  return withOthers(situation, allowed, candidates.slice(0, Math.min(missing, votersMax - allowed.length)));
}

/** Learners that may be made voters, those that are about to be first. */
function candidatesFor(situation: MembersSituation, { voters, joining }: Configuration): BrokerId[] {
  const { brokers, link } = situation;
  const isPatient = (id: BrokerId) => joining.includes(id) && link(id) !== 'down';
  return [...brokers]
    .filter(([id, { known, leaving }]) => known && !leaving && !voters.includes(id))
    .map(([id]) => id)
    .filter((id) => isReached(situation, id) || isPatient(id))
    .sort((a, b) => Number(joining.includes(b)) - Number(joining.includes(a)) || (a < b ? -1 : 1));
}

function withoutSurplus(situation: MembersSituation, voters: readonly BrokerId[], surplus: number): BrokerId[] {
  return bestFirst(situation, voters).slice(0, voters.length - Math.max(0, surplus));
}

/** Who leads, then those that can be reached; by name, where that makes no difference. */
function bestFirst(situation: MembersSituation, ids: readonly BrokerId[]): BrokerId[] {
  return ids.toSorted(
    (a, b) =>
      Number(b === situation.self) - Number(a === situation.self) ||
      Number(isReached(situation, b)) - Number(isReached(situation, a)) ||
      (a < b ? -1 : 1),
  );
}

function hasMajority(situation: MembersSituation, voters: readonly BrokerId[]): boolean {
  return voters.filter((id) => isReached(situation, id)).length * 2 > voters.length;
}

function withOthers(
  situation: MembersSituation,
  voters: readonly BrokerId[],
  joining: readonly BrokerId[],
): MembershipTarget {
  const learners = [...situation.brokers.keys()].filter((id) => !voters.includes(id) && !isOut(situation, id));
  return { voters: voters.toSorted(), learners: learners.sort(), joining: joining.toSorted() };
}

const isSame = (target: MembershipTarget, current: Configuration): boolean =>
  isSameSet(target.voters, current.voters) &&
  isSameSet(target.learners, current.learners) &&
  isSameSet(target.joining, current.joining);

const isSameSet = (left: readonly BrokerId[], right: readonly BrokerId[]): boolean =>
  left.length === right.length && left.every((id) => right.includes(id));
