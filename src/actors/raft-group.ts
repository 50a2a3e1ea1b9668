// One member of one Raft group, as the rest of the broker sees it. `createRaftNode` (raft-node.ts) makes it.
import type { Observable } from 'rxjs';
import type { BrokerId, GroupId, LogIndex, Term } from '../core/ids.ts';
import type { RaftEnvelope } from '../streams/envelope.ts';
import type { LogEntry } from './stores/log.ts';

export type RaftRole = 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'learner' | 'removed';

export interface RaftStatus {
  readonly role: RaftRole;
  readonly term: Term;
  /** The leader of `term`, as far as this member knows. */
  readonly leader: BrokerId | null;
  /** This member leads and has applied its own no-op: its state holds everything committed before its term. */
  readonly serving: boolean;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly lastIndex: LogIndex;
}

/** Every proposal ends in exactly one of these. */
export type ProposalOutcome =
  | { readonly outcome: 'applied'; readonly index: LogIndex }
  | {
      readonly outcome: 'notApplied';
      readonly reason:
        | 'notLeader'
        | 'uncommittedLimit'
        | 'transferring'
        | 'overwritten'
        | 'logFull'
        | 'tooLarge'
        | 'stopped';
      readonly leader: BrokerId | null;
    }
  /** Not settled in time: it may yet be applied. */
  | { readonly outcome: 'unknown'; readonly reason: 'timeout' | 'stopped' };

/**
 * What a group's committed entries drive. Called in order, each entry once per start of the process; no-ops are among them, so
 * that indexes have no holes. A throw ends the process: a replica that cannot apply what was agreed must not go on.
 */
export interface StateMachine {
  apply(entries: readonly LogEntry[]): void;
}

export interface RaftGroup {
  readonly id: GroupId;
  readonly members: readonly BrokerId[];
  readonly status: RaftStatus;
  /** Emits after every step that changed role, term, leader or `serving`; begins with the present one. */
  readonly statusChanges: Observable<RaftStatus>;
  /** `done` is called exactly once, never synchronously. */
  propose(payload: Uint8Array, timeoutMs: number, done: (outcome: ProposalOutcome) => void): void;
  /**
   * ReadIndex (§6.4): `done(null)` when this member's state holds everything acknowledged before the call. Errors with
   * UNAVAILABLE (naming the leader, if known) when this member does not lead or loses leadership meanwhile.
   */
  read(done: (error: Error | null) => void): void;
  /** A message from a peer. */
  receive(envelope: RaftEnvelope): void;
  /** The broker's common heartbeat tick. */
  beat(): void;
  peerClosed(peer: BrokerId): void;
  peerOpened(peer: BrokerId): void;
  /** Nothing is sent, written or applied any more. Open proposals end as `unknown`, open reads fail. */
  stop(): void;
}
