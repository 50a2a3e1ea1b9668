// What a broker tells of the cluster, as JSON: the shapes of /api/v1/cluster/….
import type { BrokerId, ShardId } from '../../core/ids.ts';
import { isMemberOf, isVoterIn, membersOf } from '../../machines/raft/membership.ts';
import type { Directory } from '../directory.ts';
import type { ClusterStatus, NodeStatus, ShardMove } from '../admin-service.ts';
import type { ControlGroup } from './control-group.ts';
import type { Standings } from './standings.ts';
import type { Layouts } from './layout.ts';
import type { LeadTable } from './shard-leads.ts';

export interface ClusterView {
  status(): ClusterStatus;
  nodes(): NodeStatus[];
  node(id: string): NodeStatus | undefined;
  ring(): object;
}

export interface ClusterViewPorts {
  readonly self: BrokerId;
  readonly control: ControlGroup;
  readonly directory: Directory;
  readonly layouts: Pick<Layouts, 'current'>;
  readonly storageState: () => string;
  readonly claimOf: LeadTable['claimOf'];
  readonly standings: Pick<Standings, 'uncertainOf'>;
}

export function createClusterView({
  self,
  control,
  directory,
  layouts,
  storageState,
  claimOf,
  standings,
}: ClusterViewPorts): ClusterView {
  /** The control group's roles: a broker knows its own, who leads, and who votes. */
  function roleOf(id: BrokerId): string {
    const { role, leader, configuration } = control.raft.status;
    if (id === self) return role;
    if (id === leader) return 'leader';
    if (standings.uncertainOf(id).includes('control')) return 'storageUncertain';
    if (isVoterIn(configuration.configuration, id)) return 'follower';
    return isMemberOf(configuration.configuration, id) ? 'learner' : 'none';
  }

  function membershipOf(id: BrokerId): NodeStatus['membership'] {
    const agreed = control.state.brokers.get(id);
    if (agreed?.leaving === true) return 'leaving';
    return agreed === undefined || agreed.incarnation === '' ? 'joining' : 'member';
  }

  const shardIds = Array.from({ length: directory.shardCount }, (_, shard): ShardId => shard);

  function nodes(): NodeStatus[] {
    return directory.brokers.map(({ id, state, grpcAddress, httpAddress, zone }) => ({
      id,
      state,
      grpc: grpcAddress,
      http: httpAddress,
      role: roleOf(id),
      zone,
      membership: membershipOf(id),
      storageUncertain: standings.uncertainOf(id),
      leads: shardIds.filter((shard) => directory.leaderOf(shard) === id),
      replicas: shardIds.filter((shard) => directory.replicasOf(shard).includes(id)),
    }));
  }

  /** Null: it lies as it should, as far as is known here. */
  function moveOf(shard: ShardId): ShardMove | null {
    const wanted = layouts.current.replicas[shard] ?? [];
    const claim = claimOf(shard);
    if (claim === null) return null;
    const { configuration } = claim.configuration;
    const to = wanted.filter((id) => !configuration.voters.includes(id));
    const from = membersOf(configuration).filter((id) => !wanted.includes(id));
    const fetching = configuration.learners.filter((id) => wanted.includes(id));
    return to.length + from.length === 0 ? null : { to, from, fetching };
  }

  return {
    status() {
      const { term, leader } = control.raft.status;
      return {
        clusterId: directory.clusterId,
        term,
        leader,
        brokers: nodes().map(({ leads: _, replicas: __, ...broker }) => broker),
        shards: shardIds.map((id) => {
          const leading = directory.leaderOf(id);
          const state = leading === null ? 'leaderless' : 'active';
          const move = moveOf(id);
          return { id, leader: leading, replicas: directory.replicasOf(id), state, ...(move ? { moving: move } : {}) };
        }),
        storage: { kind: 'embedded', state: storageState() },
        ringVersion: layouts.current.version,
      };
    },
    nodes,
    node: (id) => nodes().find((node) => node.id === id),
    ring() {
      const { version, replicas: laid } = layouts.current;
      return { version, shards: laid.map((replicas, id) => ({ id, replicas })) };
    },
  };
}
