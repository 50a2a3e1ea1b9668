// Bringing snapshots to other brokers, as a member of a group sees it. `createSnapshotTransfers` (cluster/snapshot-transfers.ts)
// makes it.
import type { BrokerId, Term } from '../core/ids.ts';
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
