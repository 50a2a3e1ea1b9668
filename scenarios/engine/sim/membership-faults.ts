// Changes of membership and of leadership as a run asks for them: of whoever leads the group then, for what it then knows.
import { type Configuration, type MembershipTarget, votersOf } from '../../../src/machines/raft/membership.ts';
import type { BrokerId, Millis } from '../../../src/core/ids.ts';
import type { Cluster } from './cluster.ts';
import { isQuorumThroughout } from './quorums.ts';
import type { MembershipFault } from './schedule.ts';

const without = (ids: readonly BrokerId[], gone: readonly BrokerId[]) => ids.filter((id) => !gone.includes(id));
const union = (ids: readonly BrokerId[], more: readonly BrokerId[]) => [...ids, ...without(more, ids)];

function targetOf(
  kind: 'add' | 'remove' | 'set',
  { voters, learners, joining }: Configuration,
  named: readonly BrokerId[],
): MembershipTarget {
  switch (kind) {
    case 'add': {
      const added = without(named, voters);
      return { voters, learners: union(learners, added), joining: union(joining, added) };
    }
    case 'remove':
      return { voters: without(voters, named), learners: without(learners, named), joining: without(joining, named) };
    case 'set':
      return { voters: named, learners: without(learners, named), joining: without(joining, named) };
  }
}

/**
 * @param members by their numbers. @param isOver nothing is asked for any more. @param done is told when something came of it. A change after which those whose storage is in
 * doubt could be needed is not asked for: nobody could vouch for them any more.
 */
export function askForMembers(
  cluster: Cluster,
  { kind, group }: MembershipFault,
  members: readonly number[],
  timeoutMs: Millis,
  isOver: () => boolean,
  done: () => void,
): void {
  const leader = cluster.leaderOf(group);
  const checker = cluster.checkers[group];
  if (leader === undefined || checker === undefined) return;
  const process = cluster.process(leader);
  const named = members.flatMap((member) => cluster.names[member] ?? []);
  process.enter(() => {
    const raft = process.group(group);
    // One that stood still hears of it later.
    if (raft === undefined || isOver()) return;
    if (kind === 'transfer') {
      const [to] = named;
      if (to !== undefined) raft.transfer(to, (error) => error === null && done());
      return;
    }
    const { index, configuration } = raft.status.configuration;
    const target = targetOf(kind, configuration, named);
    const sound = (id: BrokerId) => !checker.isDoubtful(cluster.names.indexOf(id));
    const joint: Configuration = { ...target, outgoing: votersOf(configuration) };
    if (target.voters.length === 0 || !isQuorumThroughout(joint, sound)) return;
    raft.changeMembership(index, target, timeoutMs, ({ outcome }) => outcome !== 'notChanged' && done());
  });
}
