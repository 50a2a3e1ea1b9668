// Who is who, as this broker knows it now: members, layout of shards, leaders, and a client to each other broker.
import type { Observable } from 'rxjs';
import type { BrokerId, ClusterId, HostId, ShardId } from '../core/ids.ts';
import type { ForwardOutcome } from '../streams/envelope.ts';
import type { MonitorClient } from './monitor-client.ts';
import type { Shard } from './shard.ts';

export interface BrokerInfo {
  readonly id: BrokerId;
  readonly grpcAddress: string;
  /** Empty until that broker has said it. */
  readonly httpAddress: string;
  /** The state of the peer link's chart (`up`, `suspect`, `down`, `connecting`); `up` for this broker itself. */
  readonly state: string;
  /** As the cluster agreed; '' when nobody said. */
  readonly zone: string;
}

export interface Directory {
  readonly self: BrokerId;
  /** Null until the first control leader has minted it. */
  readonly clusterId: ClusterId | null;
  readonly ringVersion: number;
  readonly shardCount: number;
  /** Sorted by id, this broker among them. */
  readonly brokers: readonly BrokerInfo[];
  shardOf(host: HostId): ShardId;
  /** Those who vote in its group, as far as is known here; in the ring's order. */
  replicasOf(shard: ShardId): readonly BrokerId[];
  /** Replicas on this broker. */
  readonly shards: ReadonlyMap<ShardId, Shard>;
  /** As far as this broker knows; for shards it holds no replica of, the last leader it heard of. */
  leaderOf(shard: ShardId): BrokerId | null;
  /** Emits when members, links or leaders changed. */
  readonly changes: Observable<void>;
  /** Null for this broker itself. */
  client(broker: BrokerId): MonitorClient | null;
  /**
   * Sends an encoded ShardProposal over the peer wire; `done` exactly once, `unknown` when no answer came in time.
   * @param to without a link to it, or null: through another broker, to whoever leads the shard as far as that one knows.
   */
  forward(
    to: BrokerId | null,
    shard: ShardId,
    proposal: Uint8Array,
    timeoutMs: number,
    done: (outcome: ForwardOutcome) => void,
  ): void;
}
