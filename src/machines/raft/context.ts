// What a member of a group knows, and the shape of its decisions: a pure function from (context, event) to changes and effects.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import { drawTimeout } from './chance.ts';
import type { RaftEffect, ReadId } from './effects.ts';
import type { RaftEvent } from './events.ts';
import type { LogView } from './log-view.ts';
import type { PreVote } from './messages.ts';
import type { Progress } from './progress.ts';

export interface RaftOptions {
  readonly heartbeatMs: Millis;
  /** Election timeouts are drawn from [min, max). */
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  /** Take a connection that the leader's process closed for its death. Excludes lease reads. */
  readonly closedConnectionHint: boolean;
  /** Messages with entries on their way to one follower. */
  readonly inflightMax: number;
  /** Their payload bytes. */
  readonly inflightBytesMax: number;
  /** Payload bytes appended by a leader and not committed. */
  readonly uncommittedBytesMax: number;
}

export interface RaftInput {
  readonly self: BrokerId;
  /** All voters, `self` among them. */
  readonly members: readonly BrokerId[];
  readonly options: RaftOptions;
  readonly term: Term;
  readonly votedFor: BrokerId | null;
  readonly log: LogView;
  /** The entry of the log up to which a snapshot's state reaches; without one, and without a snapshot, all before the log. */
  readonly applied?: LogIndex;
  /** Chance: every election timeout is drawn from it. A whole number. */
  readonly seed: number;
  readonly at: Millis;
}

/** A read that waits for a quorum to answer its round. */
export interface PendingRead {
  readonly read: ReadId;
  readonly round: number;
}

/** A proposal's end and size, until it is committed. */
export interface UncommittedExtent {
  readonly last: LogIndex;
  readonly bytes: number;
}

/**
 * At most 18 keys: each change copies it by Object.assign(), and past that V8 makes the copies dictionaries, which takes twenty times
 * as long.
 */
export interface RaftContext {
  readonly self: BrokerId;
  /** All voters, sorted. */
  readonly members: readonly BrokerId[];
  /** The others. */
  readonly peers: readonly BrokerId[];
  readonly options: RaftOptions;
  readonly term: Term;
  readonly votedFor: BrokerId | null;
  /** Of this term, as far as is known. */
  readonly leader: BrokerId | null;
  readonly log: LogView;
  /** Entries up to here survive a crash. */
  readonly durable: LogIndex;
  readonly commit: LogIndex;
  readonly applied: LogIndex;

  /** Follower: when the leader was last heard, and how long silence lasts before it counts. */
  readonly heardAt: Millis;
  readonly electionTimeout: Millis;
  /** How long the running timer waits: the timeout, or what is left of it. */
  readonly timerDelay: Millis;
  /** State of the generator that timeouts are drawn from. */
  readonly chance: number;
  /** The last pre-vote that was refused because the leader seemed well. */
  readonly refused: { readonly request: PreVote; readonly at: Millis } | null;

  /** Candidates: */
  readonly campaign: Campaign;

  readonly leadership: Leadership | null;
}

export interface Campaign {
  readonly since: Millis;
  /** The answers so far, the own one among them. */
  readonly votes: Readonly<Record<string, boolean>>;
}

/** What only a leader has, for one term. */
export interface Leadership {
  readonly progress: Readonly<Record<string, Progress>>;
  /** The index of the term's no-op. */
  readonly termStart: LogIndex;
  /** The last round of heartbeats that was begun. */
  readonly round: number;
  readonly reads: readonly PendingRead[];
  readonly uncommitted: readonly UncommittedExtent[];
  /** The sum of their bytes. */
  readonly uncommittedBytes: number;
}

export interface Outcome {
  readonly changes?: Partial<RaftContext>;
  readonly effects?: readonly RaftEffect[];
}
export type Decision = (context: RaftContext, event: RaftEvent) => Outcome;

/** Earlier than every moment: no leader was heard. */
export const NEVER = Number.NEGATIVE_INFINITY;

export function initialContext(input: RaftInput): RaftContext {
  const { self, options, term, votedFor, log } = input;
  const members = input.members.toSorted();
  return {
    self,
    members,
    peers: members.filter((member) => member !== self),
    options,
    term,
    votedFor,
    leader: null,
    log: { firstIndex: log.firstIndex, previousTerm: log.previousTerm, runs: log.runs, lastIndex: log.lastIndex },
    durable: log.lastIndex,
    // What is committed is not written down: the next leader tells (§3.8).
    commit: input.applied ?? log.firstIndex - 1,
    applied: input.applied ?? log.firstIndex - 1,
    // A member that comes back grants the leader it does not know yet a full timeout.
    heardAt: NEVER,
    ...drawTimeout({ chance: input.seed >>> 0, options }),
    refused: null,
    campaign: { since: NEVER, votes: {} },
    leadership: null,
  };
}
