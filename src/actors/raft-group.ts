// One member of one Raft group, as the rest of the broker sees it. `createRaftNode` (raft-node.ts) makes it.
import type { Observable } from 'rxjs';
import type { BrokerId, GroupId, LogIndex, Millis, Term } from '../core/ids.ts';
import type { Vouched } from '../machines/raft/events.ts';
import type { MembershipTarget, PlacedConfiguration } from '../machines/raft/membership.ts';
import type { RaftEnvelope } from '../streams/envelope.ts';
import type { LogEntry } from './stores/log.ts';

export type RaftRole =
  | 'follower'
  | 'preCandidate'
  | 'candidate'
  | 'leader'
  | 'learner'
  | 'removed'
  /** It may have lost what it acknowledged: it neither votes nor counts until a leader vouches for it. */
  | 'storageUncertain';

export interface RaftStatus {
  readonly role: RaftRole;
  readonly term: Term;
  /** The leader of `term`, as far as this member knows. */
  readonly leader: BrokerId | null;
  /** This member leads and has applied its own no-op: its state holds everything committed before its term. */
  readonly serving: boolean;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  /** The oldest entry that is still in the log. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** In force here: the last one in the log, committed or not. */
  readonly configuration: PlacedConfiguration;
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

/** What became of a change of membership. */
export type MembershipOutcome =
  /** Its first configuration is committed. The end of a joint one follows by itself; `status.configuration` tells. */
  | { readonly outcome: 'changed'; readonly index: LogIndex }
  | {
      readonly outcome: 'notChanged';
      /** busy: another change is under way; moved: the configuration is not the one that the author saw. */
      readonly reason: 'notLeader' | 'busy' | 'moved' | 'invalid' | 'overwritten' | 'logFull' | 'stopped';
      readonly detail: string;
      readonly leader: BrokerId | null;
    }
  | { readonly outcome: 'unknown' };

/**
 * What a group's committed entries drive. Called in order, each entry once per start of the process; no-ops are among them, so
 * that indexes have no holes. A throw ends the process: a replica that cannot apply what was agreed must not go on.
 */
export interface StateMachine {
  apply(entries: readonly LogEntry[]): void;
  /** Without it no snapshot is taken, and the log is never compacted. */
  readonly saved?: SavedState;
}

/** How a state goes into a snapshot, and comes from one. */
export interface SavedState {
  /**
   * Entries that a restored state holds already, since the snapshot reached farther than the log does: they come in their order before
   * those that are applied, to be shown to whoever follows the log.
   */
  pass(entries: readonly LogEntry[]): void;
  /** The state as it is now, in chunks that are made when they are asked for; what is applied meanwhile is not in them. */
  snapshot(): Iterable<Uint8Array>;
  /** Begins to take in a state that holds everything up to `index`. Until it is finished the present one counts. */
  restore(index: LogIndex): Restoring;
}

export interface Restoring {
  /** Chunks in the order in which `snapshot` made them. A throw: it cannot be read. */
  take(chunk: Uint8Array): void;
  /** From now on it counts. The next entry that is passed or applied is the one after `position`. */
  finish(position: LogIndex): void;
  /** Instead of `finish`: it will not be whole. */
  abandon(): void;
}

/** What the broker's links say at a beat. */
export interface BeatLinks {
  /** Null: the peer's broker does not vouch for it as a follower of that term. */
  readonly vouched: (peer: BrokerId, term: Term) => Vouched | null;
  /** This process stood still for so long since the last beat. */
  readonly stalledMs: Millis;
  /** Silence shorter than this is usual, just now. */
  readonly patience: Millis;
}

export interface RaftGroup {
  readonly id: GroupId;
  /** All of the configuration in force, sorted. */
  readonly members: readonly BrokerId[];
  readonly status: RaftStatus;
  /** Emits after every step that changed role, term, leader, `serving` or the configuration; begins with the present one. */
  readonly statusChanges: Observable<RaftStatus>;
  /** `done` is called exactly once, never synchronously. */
  propose(payload: Uint8Array, timeoutMs: number, done: (outcome: ProposalOutcome) => void): void;
  /**
   * ReadIndex (§6.4): `done(null)` when this member's state holds everything acknowledged before the call. A member that does not
   * lead asks the leader. Errors with UNAVAILABLE (naming the leader, if known) when there is none, or it does not answer.
   */
  read(done: (error: Error | null) => void): void;
  /**
   * Has the group agree on other members, if this one leads. `done` is called once, never synchronously.
   * @param seen the index of the configuration that its author knew: a change that was made meanwhile is not undone by mistake.
   */
  changeMembership(
    seen: LogIndex,
    target: MembershipTarget,
    timeoutMs: Millis,
    done: (outcome: MembershipOutcome) => void,
  ): void;
  /** Nothing was ever acknowledged in this group, as its founders have told each other: a new directory is no lost one. */
  trust(): void;
  /** Hands leadership to another voter, if this member leads; to itself: calls that off. `done` is called once, never synchronously. */
  transfer(to: BrokerId, done: (error: Error | null) => void): void;
  /** A message from a peer. */
  receive(envelope: RaftEnvelope): void;
  /** The broker's common heartbeat tick. @param links what pulses say; without it every follower gets a heartbeat. */
  beat(links?: BeatLinks): void;
  /** While this member leads: that one holds what is committed, or nearly, and its word counts. */
  keepsUp(peer: BrokerId): boolean;
  /** While this member leads: what it says to one of its followers. */
  claimTo(peer: BrokerId): { readonly term: Term; readonly commit: LogIndex } | null;
  /** Does this member follow that leader in that very term, and know of that commit index? */
  follows(leader: BrokerId, term: Term, commit: LogIndex): boolean;
  /** What had vouched for this leader in that term does so no more. @param vouchedUntil NEVER: its own word is that it does not lead. */
  linkSilent(leader: BrokerId, term: Term, vouchedUntil: Millis): void;
  peerClosed(peer: BrokerId): void;
  peerOpened(peer: BrokerId): void;
  /**
   * Takes a snapshot now, and lets what it makes superfluous leave the log, as far as nobody who follows it may need it. `done` tells
   * up to which entry the newest snapshot reaches by then.
   */
  snapshot(done: (error: Error | null, index: LogIndex) => void): void;
  /** Nothing is sent, written or applied any more. Open proposals end as `unknown`, open reads fail. */
  stop(): void;
}
