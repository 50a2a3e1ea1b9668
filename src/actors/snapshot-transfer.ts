// Bringing snapshots to other brokers: what a member of a group asks for, and the streams that it takes.
import type { Observable } from 'rxjs';
import type { BrokerId, Term } from '../core/ids.ts';
import type { SnapshotMessage } from '../streams/snapshot-message.ts';
import type { Wire } from '../streams/wire.ts';
import type { StoredSnapshot } from './stores/snapshots.ts';

export interface SnapshotDelivery {
  readonly to: BrokerId;
  /** Of the leader that sends it. */
  readonly term: Term;
  readonly snapshot: StoredSnapshot;
  /** Asked before each chunk: a transfer that is superseded is given up. */
  readonly isWanted: () => boolean;
  /** Called once, never synchronously. True: it is durable there. What arrived of one that failed is kept there for the next attempt. */
  readonly done: (arrived: boolean) => void;
}

export interface SnapshotTransfers {
  send(delivery: SnapshotDelivery): void;
}

/** A port, as PeerTransport: a stream for each snapshot, on a connection of its own, so that it never delays a heartbeat. */
export interface SnapshotTransport {
  /** Begins to connect; the wire's inbox errors when that fails or the link breaks. */
  dial(address: string): Wire<SnapshotMessage>;
  /** Streams that other brokers opened. */
  readonly accepted: Observable<Wire<SnapshotMessage>>;
}
