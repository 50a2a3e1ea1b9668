// What travels on the stream of one snapshot, as discriminated unions. The gRPC transport turns these into
// proto/vedette/v1/snapshot.proto; in memory and in the simulator they travel as they are.
import type { BrokerId, Term } from '../core/ids.ts';

/** The sender's first message. */
export interface SnapshotOffer {
  readonly kind: 'offer';
  readonly from: BrokerId;
  readonly to: BrokerId;
  /** Of the leader that sends it. */
  readonly term: Term;
  /** A SnapshotHeader. */
  readonly header: Uint8Array;
  readonly chunks: number;
  /** Of all chunks. */
  readonly bytes: number;
}

/** The receiver's: at first from which chunk on it wants them, later that it can take more. */
export interface SnapshotGrant {
  readonly kind: 'grant';
  /** Counts in the first grant of a stream. */
  readonly next: number;
  readonly chunks: number;
}

export interface SnapshotChunk {
  readonly kind: 'chunk';
  readonly number: number;
  readonly crc: number;
  readonly payload: Uint8Array;
}

/** The receiver's last: it is durable there, or why it is not wanted (now). */
export interface SnapshotEnd {
  readonly kind: 'end';
  readonly installed: boolean;
  readonly reason: string;
}

export type SnapshotMessage = SnapshotOffer | SnapshotGrant | SnapshotChunk | SnapshotEnd;
