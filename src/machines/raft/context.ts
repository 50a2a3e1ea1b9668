// What a member of a group knows, and the shape of its decisions: a pure function from (context, event) to changes and effects.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import { drawTimeout, type ElectionTimer } from './chance.ts';
import type { RaftEffect, ReadId } from './effects.ts';
import type { RaftEvent } from './events.ts';
import type { LogView } from './log-view.ts';
import { type ConfigurationHistory, peersIn } from './membership.ts';
import type { Boot, PreVote } from './messages.ts';
import type { Progress } from './progress.ts';

export interface RaftOptions {
  readonly heartbeatMs: Millis;
  /** Election timeouts are drawn from [min, max). */
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  /** Take a connection that the leader's process closed for its death. Excludes lease reads. */
  readonly closedConnectionHint: boolean;
  /** Answer reads without a round while a quorum cannot have elected another leader (§6.4.1). Excludes the hint. */
  readonly leaseReads: boolean;
  /** A leader whose disk has not answered for so long gives up leadership. */
  readonly diskPatienceMs: Millis;
  /** Of this process: drawn at its start. */
  readonly boot: Boot;
  /** Messages with entries on their way to one follower. */
  readonly inflightMax: number;
  /** Their payload bytes. */
  readonly inflightBytesMax: number;
  /** Payload bytes appended by a leader and not committed. */
  readonly uncommittedBytesMax: number;
}

export interface RaftInput {
  readonly self: BrokerId;
  /** The configuration that holds at `applied`, and those of the entries behind it. */
  readonly configurations: ConfigurationHistory;
  /** False: what this member acknowledged may be lost (doubt.ts). */
  readonly sound?: boolean;
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
  /** Who asked. */
  readonly from: BrokerId;
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
  readonly configurations: ConfigurationHistory;
  /** Whom this member talks to when it leads, sorted. */
  readonly peers: readonly BrokerId[];
  readonly options: RaftOptions;
  readonly term: Term;
  readonly votedFor: BrokerId | null;
  /** Of this term, as far as is known. */
  readonly leader: BrokerId | null;
  readonly log: LogView;
  /** False: what this member acknowledged may be lost (doubt.ts). */
  readonly sound: boolean;
  /** Entries up to here survive a crash. */
  readonly durable: LogIndex;
  readonly commit: LogIndex;
  readonly applied: LogIndex;

  /** Follower: when the leader was last heard. */
  readonly heardAt: Millis;
  readonly timer: ElectionTimer;
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

export interface StartedRound {
  readonly round: number;
  readonly at: Millis;
}

export interface Transfer {
  readonly to: BrokerId;
  /** It was told to campaign, since the last beat. */
  readonly told: boolean;
}

/** What only a leader has, for one term. */
export interface Leadership {
  readonly progress: Readonly<Record<string, Progress>>;
  /** The index of the term's no-op. */
  readonly termStart: LogIndex;
  /** The last round of heartbeats that was begun. */
  readonly round: number;
  readonly reads: readonly PendingRead[];
  /** With lease reads: the rounds that are not proven yet, and when each began. */
  readonly rounds: readonly StartedRound[];
  /** Leadership is on its way to this member (transfer.ts). */
  readonly transfer: Transfer | null;
  /** A transfer was tried in this term: the member that was told to campaign may yet win, whatever a lease says. */
  readonly leaseBroken: boolean;
  readonly uncommitted: readonly UncommittedExtent[];
  /** The sum of their bytes. */
  readonly uncommittedBytes: number;
}

export interface Outcome {
  readonly changes?: Partial<RaftContext>;
  readonly effects?: readonly RaftEffect[];
  /** Handled next, within the same step. */
  readonly raise?: RaftEvent;
}
export type Decision = (context: RaftContext, event: RaftEvent) => Outcome;

/** Earlier than every moment: no leader was heard. */
export const NEVER = Number.NEGATIVE_INFINITY;

export function initialContext(input: RaftInput): RaftContext {
  const { self, configurations, options, term, votedFor, log } = input;
  // What is committed is not written down: the next leader tells (§3.8).
  const commit = input.applied ?? log.firstIndex - 1;
  return {
    self,
    configurations,
    peers: peersIn(configurations, self, commit),
    options,
    term,
    votedFor,
    leader: null,
    log: { firstIndex: log.firstIndex, previousTerm: log.previousTerm, runs: log.runs, lastIndex: log.lastIndex },
    sound: input.sound ?? true,
    durable: log.lastIndex,
    commit,
    applied: commit,
    // A member that comes back grants the leader it does not know yet a full timeout.
    // … and with leases it may just have answered one, and is bound by that.
    heardAt: options.leaseReads ? input.at : NEVER,
    ...drawTimeout({ timer: { chance: input.seed >>> 0, timeout: 0, delay: 0 }, options }),
    refused: null,
    campaign: { since: NEVER, votes: {} },
    leadership: null,
  };
}
