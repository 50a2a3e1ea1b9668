// What a broker tells of the cluster, as JSON: the shapes of /api/v1/cluster/….
import type { BrokerId } from '../../core/ids.ts';
import type { Layout } from '../../core/ring.ts';
import type { Directory } from '../directory.ts';
import type { RaftGroup } from '../raft-group.ts';

export interface ClusterView {
  status(): object;
  nodes(): object[];
  node(id: string): object | undefined;
  ring(): object;
}

export interface ClusterViewPorts {
  readonly self: BrokerId;
  readonly control: RaftGroup;
  readonly directory: Directory;
  readonly layout: Layout;
  readonly storageState: () => string;
}

export function createClusterView({ self, control, directory, layout, storageState }: ClusterViewPorts): ClusterView {
  /** The control group's roles: a broker knows its own, and who leads. */
  function roleOf(id: BrokerId): string {
    if (id === self) return control.status.role;
    return control.status.leader === id ? 'leader' : 'follower';
  }

  function nodes() {
    return directory.brokers.map(({ id, state, grpcAddress, httpAddress }) => ({
      id,
      state,
      grpc: grpcAddress,
      http: httpAddress,
      role: roleOf(id),
      zone: '',
      leads: layout.replicas.flatMap((_, shard) => (directory.leaderOf(shard) === id ? [shard] : [])),
      replicas: layout.replicas.flatMap((members, shard) => (members.includes(id) ? [shard] : [])),
    }));
  }

  return {
    status() {
      const { term, leader } = control.status;
      return {
        clusterId: directory.clusterId,
        term,
        leader,
        brokers: nodes().map(({ id, state, grpc, http, role, zone }) => ({ id, state, grpc, http, role, zone })),
        shards: layout.replicas.map((replicas, id) => {
          const leading = directory.leaderOf(id);
          return { id, leader: leading, replicas, state: leading === null ? 'leaderless' : 'active' };
        }),
        storage: { kind: 'embedded', state: storageState() },
        ringVersion: layout.version,
      };
    },
    nodes,
    node: (id) => nodes().find((node) => node.id === id),
    ring: () => ({ version: layout.version, shards: layout.replicas.map((replicas, id) => ({ id, replicas })) }),
  };
}
