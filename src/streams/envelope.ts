// What travels between brokers, as discriminated unions. The gRPC transport turns these into proto/vedette/v1/peer.proto; in
// memory and in the simulator they travel as they are. A receiver never changes what it got.
import type { ErrorCode } from '../core/errors.ts';
import type { BrokerId, ClusterId, GroupId, HostId, LogIndex, Millis, ShardId, Term } from '../core/ids.ts';
import type { ControlResult } from '../core/control-sessions.ts';
import type { PlacedConfiguration } from '../machines/raft/membership.ts';
import type { RaftMessage } from '../machines/raft/messages.ts';

/** An entry's part that the charts never see. */
export interface CarriedEntry {
  readonly kind: 'noop' | 'data' | 'configuration';
  readonly payload: Uint8Array;
}

/** One message of one group; `entries` are those that an `append` announces, in order, else empty. */
export interface RaftEnvelope {
  readonly group: GroupId;
  readonly message: RaftMessage;
  readonly entries: readonly CarriedEntry[];
}

/** The first message each way on a peer wire. */
export interface PeerHello {
  readonly kind: 'hello';
  readonly protocol: number;
  readonly broker: BrokerId;
  /** Minted once per data directory: two of them under one broker id are two brokers. */
  readonly incarnation: string;
  /** Empty until the first control leader has minted it. */
  readonly cluster: ClusterId | '';
  /** Digest of the peer list, shards and replicas this broker was started with. */
  readonly founding: string;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly zone: string;
  /** The control entry of the newest list of members that it knows; 0: it knows the founders. */
  readonly membersAt: LogIndex;
  /** Of the process, drawn at its start. */
  readonly boot: string;
}

/** The last message on a wire: why this peer is not wanted. */
export interface PeerRefusal {
  readonly kind: 'refusal';
  readonly code: ErrorCode;
  readonly reason: string;
}

export interface RaftBatch {
  readonly kind: 'raft';
  readonly envelopes: readonly RaftEnvelope[];
}

/** Rows on the way to the broker that leads their shard: `proposal` is an encoded ShardProposal (actors/shard/row-proposal.ts). */
export interface ForwardRequest {
  readonly kind: 'forward';
  readonly requestId: number;
  readonly shard: ShardId;
  readonly proposal: Uint8Array;
  /** Who asks has no link to the leader: a broker that is not it passes this on, once. */
  readonly relay: boolean;
}

export type ForwardOutcome =
  | { readonly outcome: 'applied' }
  /** Certain that it was not applied. `leader`: who leads, as far as is known. */
  | {
      readonly outcome: 'notApplied';
      readonly code: ErrorCode;
      readonly message: string;
      readonly leader: BrokerId | null;
    }
  | { readonly outcome: 'unknown'; readonly message: string };

export interface ForwardReply {
  readonly kind: 'forwardReply';
  readonly requestId: number;
  readonly result: ForwardOutcome;
}

/** One host's liveness, known to the broker that holds its session. */
export interface HostBeat {
  readonly host: HostId;
  readonly agent: string;
  /** Since its last heartbeat, by the sending broker's monotonic clock. */
  readonly ageMs: Millis;
  readonly intervalMs: Millis;
  /** The agent's clock less the broker's. */
  readonly clockSkewMs: Millis;
}
export interface HostBeats {
  readonly kind: 'beats';
  readonly hosts: readonly HostBeat[];
  /** The sender has no link to the leaders: they are passed on, once. */
  readonly relay: boolean;
}

/** A shard that the sender leads, and in which term: of two that claim one, the later leads. */
export interface ShardLead {
  readonly shard: ShardId;
  readonly term: Term;
  /** In force in its group. */
  readonly configuration: PlacedConfiguration;
  /** It is committed: nobody else belongs to the group. */
  readonly settled: boolean;
}
/** All shards that the sender leads: at once when that changes, and now and then to show that it is there. */
export interface ShardLeads {
  readonly kind: 'leads';
  readonly shards: readonly ShardLead[];
}

/** "I lead this group in this term." */
export interface PulseLine {
  readonly group: GroupId;
  readonly term: Term;
}
/** One heartbeat for all groups that two brokers share (actors/cluster/pulses.ts). */
export interface Pulse {
  readonly kind: 'pulse';
  /** Of the sending process: drawn at its start. */
  readonly session: number;
  /** Counts up by one. */
  readonly seq: number;
  /** Which list of lines is meant. */
  readonly version: number;
  /** Null: the receiver has said that it has that list. */
  readonly lines: readonly PulseLine[] | null;
  /** Of each line, what the receiver was told to be committed. */
  readonly commits: readonly LogIndex[];
  /** The receiver's own newest pulse, and of which of its groups its word is not taken. Null: none was heard. */
  readonly heard: {
    readonly session: number;
    readonly seq: number;
    /** 0: its list is not known. */
    readonly version: number;
    readonly refused: readonly GroupId[];
  } | null;
}

/** The groups in which the sender may have lost what it acknowledged, so that it neither votes nor counts: at once, and when it changes. */
export interface Standing {
  readonly kind: 'standing';
  readonly uncertain: readonly GroupId[];
}

/** What only one broker can do, mostly a group's leader. */
export type Question =
  /** `entry`: an encoded ControlEntry. */
  | { readonly what: 'propose'; readonly entry: Uint8Array }
  /** The control group's index that must be applied to have seen everything that is acknowledged. */
  | { readonly what: 'read' }
  | { readonly what: 'transfer'; readonly group: GroupId; readonly to: BrokerId }
  | { readonly what: 'snapshot'; readonly group: GroupId };

export type QuestionOutcome =
  | { readonly outcome: 'done'; readonly result: ControlResult }
  /** Certain that it was not done. `leader`: who leads, as far as is known. */
  | {
      readonly outcome: 'notDone';
      readonly code: ErrorCode;
      readonly message: string;
      readonly leader: BrokerId | null;
    }
  | { readonly outcome: 'unknown'; readonly message: string };

/** `to` is not the receiver when it is to be passed on, which happens once. */
export interface AskedQuestion {
  readonly kind: 'question';
  readonly requestId: number;
  readonly to: BrokerId;
  readonly relayed: boolean;
  readonly timeoutMs: Millis;
  readonly question: Question;
}
export interface GivenAnswer {
  readonly kind: 'answer';
  readonly requestId: number;
  readonly result: QuestionOutcome;
}

export type PeerMessage =
  | PeerHello
  | PeerRefusal
  | RaftBatch
  | ForwardRequest
  | ForwardReply
  | HostBeats
  | ShardLeads
  | Pulse
  | AskedQuestion
  | GivenAnswer
  | Standing;
