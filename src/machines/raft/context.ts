// What a member of a group knows, and the shape of its decisions: a pure function from (context, event) to changes and effects.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
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

export interface RaftContext {
  readonly self: BrokerId;
  readonly peers: readonly BrokerId[];
  readonly quorum: number;
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
  readonly chance: number;
  /** The last pre-vote that was refused because the leader seemed well. */
  readonly refused: { readonly request: PreVote; readonly at: Millis } | null;

  /** Candidates: the answers so far. */
  readonly votes: Readonly<Record<string, boolean>>;

  /** Leader: */
  readonly progress: Readonly<Record<string, Progress>>;
  /** The index of the term's no-op. */
  readonly termStart: LogIndex;
  readonly round: number;
  readonly reads: readonly PendingRead[];
  readonly uncommitted: readonly UncommittedExtent[];
}

export interface Outcome {
  readonly changes?: Partial<RaftContext>;
  readonly effects?: readonly RaftEffect[];
}
export type Decision = (context: RaftContext, event: RaftEvent) => Outcome;

const LONG_AGO = Number.NEGATIVE_INFINITY;

export function initialContext(input: RaftInput): RaftContext {
  const { self, members, options, term, votedFor, log } = input;
  const context: RaftContext = {
    self,
    peers: members.filter((member) => member !== self),
    quorum: Math.floor(members.length / 2) + 1,
    options,
    term,
    votedFor,
    leader: null,
    log,
    durable: log.lastIndex,
    commit: log.firstIndex - 1,
    applied: log.firstIndex - 1,
    // A member that comes back grants the leader it does not know yet a full timeout.
    heardAt: LONG_AGO,
    electionTimeout: options.electionMaxMs,
    timerDelay: options.electionMaxMs,
    chance: input.seed >>> 0,
    refused: null,
    votes: {},
    progress: {},
    termStart: 0,
    round: 0,
    reads: [],
    uncommitted: [],
  };
  return { ...context, ...drawTimeout(context) };
}

/** Mulberry32 (Tommy Ettinger): one step of a small generator kept in the context. */
function draw(chance: number): { readonly value: number; readonly chance: number } {
  const next = (chance + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(next ^ (next >>> 15), next | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return { value: ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296, chance: next };
}

/** A new election timeout, and the timer that waits for it (§3.4: randomised, so that votes rarely split). */
export function drawTimeout({ chance, options }: RaftContext): Partial<RaftContext> {
  const drawn = draw(chance);
  const { electionMinMs, electionMaxMs } = options;
  const electionTimeout = electionMinMs + drawn.value * (electionMaxMs - electionMinMs);
  return { chance: drawn.chance, electionTimeout, timerDelay: electionTimeout };
}

/** The short random wait after the leader's process closed its connection. */
export function drawHintDelay({ chance }: RaftContext): Partial<RaftContext> {
  const drawn = draw(chance);
  return { chance: drawn.chance, timerDelay: drawn.value * HINT_DELAY_MAX };
}
const HINT_DELAY_MAX: Millis = 20;

