// AdminService ↔ the messages of proto/vedette/v1/admin.proto.
import type { vedette } from '../../core/proto.ts';
import type { AdminService, Admission, ClusterStatus, ConfigAnswer, NodeStatus, ShardMove } from '../admin-service.ts';
import type { SessionCall } from '../cluster/control-proposer.ts';

const callOf = (call: vedette.v1.ICall | null | undefined): SessionCall | undefined =>
  call === null || call === undefined ? undefined : { session: call.session ?? 0, sequence: call.sequence ?? 0 };

/** What the gRPC server answers. */
export function adminAnswers(admin: AdminService) {
  return {
    getStatus: async (): Promise<vedette.v1.IClusterStatus> => {
      const { brokers, shards, ...rest } = admin.status();
      return {
        ...rest,
        brokers: brokers.map((broker) => ({ ...broker, storageUncertain: [...broker.storageUncertain] })),
        shards: shards.map(({ moving, ...shard }) => ({
          ...shard,
          replicas: [...shard.replicas],
          ...(moving === undefined ? {} : { moving: movingToProto(moving) }),
        })),
      };
    },
    listNodes: async (): Promise<vedette.v1.IListNodesResponse> => ({
      nodes: admin.nodes().map((node) => ({
        ...node,
        leads: [...node.leads],
        replicas: [...node.replicas],
        storageUncertain: [...node.storageUncertain],
      })),
    }),
    getConfig: () => admin.config(),
    openSession: async (): Promise<vedette.v1.IOpenSessionResponse> => ({ session: await admin.openSession() }),
    setConfig: ({ version, config, call }: vedette.v1.SetConfigRequest) =>
      admin.setConfig(version, config, callOf(call)),
    transferLeadership: async ({
      group,
      to,
    }: vedette.v1.TransferLeadershipRequest): Promise<vedette.v1.ITransferLeadershipResponse> => {
      await admin.transfer(group, to);
      return {};
    },
    addBroker: async ({
      id,
      grpc,
      http,
      zone,
      call,
    }: vedette.v1.AddBrokerRequest): Promise<vedette.v1.IAddBrokerResponse> => {
      // Named one by one: what was left out stands on the prototype.
      const { founders, brokers, ...rest } = await admin.addBroker({ id, grpc, http, zone }, callOf(call));
      return { ...rest, founders: [...founders], brokers: [...brokers] };
    },
    removeBroker: async ({ id, call }: vedette.v1.RemoveBrokerRequest): Promise<vedette.v1.IRemoveBrokerResponse> => {
      await admin.removeBroker(id, callOf(call));
      return {};
    },
    takeSnapshot: async ({ group }: vedette.v1.TakeSnapshotRequest): Promise<vedette.v1.ITakeSnapshotResponse> => ({
      index: await admin.snapshot(group),
    }),
  };
}

function movingToProto({ to, from, fetching }: ShardMove): vedette.v1.IShardMove {
  return { to: [...to], from: [...from], fetching: [...fetching] };
}

/** The HTTP answers' shapes, from what came over gRPC. */
export function statusFromProto(status: vedette.v1.ClusterStatus): ClusterStatus {
  return {
    clusterId: status.clusterId || null,
    term: status.term,
    leader: status.leader || null,
    brokers: status.brokers.map(brokerFromProto),
    shards: status.shards.map(({ id, leader, replicas, state, moving }) => ({
      id: id ?? 0,
      leader: leader || null,
      replicas: replicas ?? [],
      state: state === 'active' ? state : 'leaderless',
      ...(moving ? { moving: { to: moving.to ?? [], from: moving.from ?? [], fetching: moving.fetching ?? [] } } : {}),
    })),
    storage: { kind: status.storage?.kind ?? '', state: status.storage?.state ?? '' },
    ringVersion: status.ringVersion,
  };
}

export function nodesFromProto({ nodes }: vedette.v1.ListNodesResponse): NodeStatus[] {
  return nodes.map((node) => ({ ...brokerFromProto(node), leads: node.leads ?? [], replicas: node.replicas ?? [] }));
}

function brokerFromProto(broker: vedette.v1.IBrokerStatus): ClusterStatus['brokers'][number] {
  const { id, state, grpc, http, role, zone, membership, storageUncertain } = broker;
  return {
    id: id ?? '',
    state: state ?? '',
    grpc: grpc ?? '',
    http: http ?? '',
    role: role ?? '',
    zone: zone ?? '',
    membership: membership === 'joining' || membership === 'leaving' ? membership : 'member',
    storageUncertain: storageUncertain ?? [],
  };
}

export function configFromProto({ version, config }: vedette.v1.ClusterConfig): ConfigAnswer {
  return { version, config };
}

export function admissionFromProto(response: vedette.v1.AddBrokerResponse): Admission {
  const { clusterId, shards, replicas, founders, brokers, membersAt } = response;
  const addresses = (members: readonly vedette.v1.IMember[]) =>
    members.map(({ id, grpc }) => ({ id: id ?? '', grpc: grpc ?? '' }));
  return { clusterId, shards, replicas, founders: addresses(founders), brokers: addresses(brokers), membersAt };
}
