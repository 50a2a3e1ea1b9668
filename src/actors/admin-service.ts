// How a cluster is seen and steered, free of any transport: the gRPC server, the HTTP routes and the tests call this.
import type { SessionCall } from './cluster/control-proposer.ts';

export interface BrokerStatus {
  readonly id: string;
  /** Of the link to it. */
  readonly state: string;
  readonly grpc: string;
  readonly http: string;
  /** In the control group. */
  readonly role: string;
  readonly zone: string;
  readonly membership: 'joining' | 'member' | 'leaving';
  /** Groups of which it may have lost what it acknowledged: there it neither votes nor counts. */
  readonly storageUncertain: readonly string[];
}

export interface NodeStatus extends BrokerStatus {
  /** Shards. */
  readonly leads: readonly number[];
  readonly replicas: readonly number[];
}

export interface ShardMove {
  /** Brokers that are to have a replica. */
  readonly to: readonly string[];
  /** Brokers whose replica goes. */
  readonly from: readonly string[];
  /** Those of `to` that fetch its data now. */
  readonly fetching: readonly string[];
}

export interface ClusterStatus {
  readonly clusterId: string | null;
  /** The control group's. */
  readonly term: number;
  readonly leader: string | null;
  readonly brokers: readonly BrokerStatus[];
  readonly shards: readonly {
    readonly id: number;
    readonly leader: string | null;
    readonly replicas: readonly string[];
    readonly state: 'active' | 'leaderless';
    /** When its replicas lie otherwise than they should. */
    readonly moving?: ShardMove;
  }[];
  readonly storage: { readonly kind: string; readonly state: string };
  readonly ringVersion: number;
}

export interface ConfigAnswer {
  readonly version: number;
  /** Every key. */
  readonly config: Readonly<Record<string, number>>;
}

/** A broker that is to belong to the cluster. */
export interface NewBroker {
  readonly id: string;
  readonly grpc: string;
  /** May be '': the broker says it itself. */
  readonly http: string;
  readonly zone: string;
}

/** What a broker needs to know in order to join. */
export interface Admission {
  readonly clusterId: string;
  readonly shards: number;
  readonly replicas: number;
  readonly founders: readonly MemberAddress[];
  /** All that there are now, the new one among them. */
  readonly brokers: readonly MemberAddress[];
  /** How new that list is. */
  readonly membersAt: number;
}

export interface MemberAddress {
  readonly id: string;
  readonly grpc: string;
}

/** Promises reject with a VedetteError only. */
export interface AdminService {
  /** As this broker knows it now: it answers without a quorum, too. */
  status(): ClusterStatus;
  nodes(): readonly NodeStatus[];
  /** As of now, of the whole cluster. */
  config(): Promise<ConfigAnswer>;
  openSession(): Promise<number>;
  /** @param config all of it: what is left out has its default. Rejects with ABORTED when the version is another by now. */
  setConfig(version: number, config: unknown, call?: SessionCall): Promise<ConfigAnswer>;
  /** It is a member from then on; to add what is there already, at the same address, is done already. */
  addBroker(broker: NewBroker, call?: SessionCall): Promise<Admission>;
  /** It leaves from then on, and is gone from the status when it has left. */
  removeBroker(id: string, call?: SessionCall): Promise<void>;
  /** By the group's leader. @returns the last entry that it holds. */
  snapshot(group: string): Promise<number>;
  /** Resolves when that broker leads the group; when it does already, at once. */
  transfer(group: string, to: string): Promise<void>;
}
