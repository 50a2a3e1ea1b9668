// What a broker needs of the world, and what it is to whoever runs it.
import type { Observable } from 'rxjs';
import type { VedetteError } from '../core/errors.ts';
import type { BrokerId, ClusterId, ShardId } from '../core/ids.ts';
import type { Clock } from '../streams/clock.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import type { AdminService } from './admin-service.ts';
import type { Health } from './cluster/broker-health.ts';
import type { BrokerSnapshotPorts } from './cluster/broker-snapshots.ts';
import type { ClusterView } from './cluster/cluster-view.ts';
import type { MonitorClient } from './monitor-client.ts';
import type { MonitorService } from './monitor-service.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { RaftGroup } from './raft-group.ts';
import type { RaftNodeOptions } from './raft-node.ts';
import type { Shard } from './shard.ts';
import type { IdentityStore } from './stores/identity.ts';
import type { BrokerLog } from './stores/log.ts';

export interface BrokerPorts {
  readonly id: BrokerId;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly log: BrokerLog;
  readonly identity: IdentityStore;
  readonly peers: PeerTransport;
  readonly snapshots: BrokerSnapshotPorts;
  readonly clients: (address: string) => MonitorClient;
  readonly mintCluster: () => ClusterId;
  /** For rows in memory, all shards together. */
  readonly memoryBytes: number;
  /** Where it stands, for people; '' when that does not matter. */
  readonly zone: string;
  readonly raft: RaftNodeOptions;
  readonly warn: (message: string) => void;
}

export interface BrokerFigures {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly ackedRows: number;
  readonly rowsApplied: number;
  readonly samplesApplied: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly hosts: number;
  readonly windowBytes: number;
  readonly logPendingBytes: number;
  readonly groups: number;
  readonly groupsLed: number;
  /** Brokers that this one has a link to which is up. */
  readonly peersUp: number;
  /** Raft messages that were too much for one turn; they are sent again. */
  readonly raftDropped: number;
}

export interface Broker {
  readonly service: MonitorService;
  readonly view: ClusterView;
  readonly admin: AdminService;
  health(): Health;
  figures(): BrokerFigures;
  readonly groups: readonly RaftGroup[];
  /** Those that serve here. */
  readonly shards: ReadonlyMap<ShardId, Shard>;
  /** Whether it may be sent work; begins with what holds now. */
  readonly ready: Observable<boolean>;
  /** What must not be survived: the process is to end with this message. */
  readonly failed: Observable<VedetteError>;
  /** It was removed from the cluster, and has left: the process is to end. */
  readonly left: Observable<void>;
  /** From the log store: nothing more is acknowledged. */
  fail(error: VedetteError): void;
  /** What is led here is handed over first. `done` when all is ended and the log is durable; after a failure as soon as nothing runs any more. */
  stop(done: () => void): void;
}
