// What the members of one group say to each other (Ongaro, "Consensus: Bridging Theory and Practice", 2014; section numbers
// below are its). Entries do not travel in here: the chart sees their terms and their extent, the actor carries their bytes.
import type { BrokerId, LogIndex, Term } from '../../core/ids.ts';

/** A stretch of the log whose entries share one term: `first` and on, up to the next run. */
export interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

/** One run of a member's process: drawn at its start. */
export type Boot = number;

interface Addressed {
  readonly from: BrokerId;
  readonly to: BrokerId;
  readonly term: Term;
}

/** §9.6: would you vote for me in `term`? Changes nothing at the receiver. */
export interface PreVote extends Addressed {
  readonly type: 'preVote';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}
export interface PreVoteReply extends Addressed {
  readonly type: 'preVoteReply';
  readonly granted: boolean;
}

/** §3.4, RequestVote. */
export interface Vote extends Addressed {
  readonly type: 'vote';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** §3.10: the leader itself asked for this election. Whoever hears it must not stand by it. */
  readonly transfer?: boolean | undefined;
}
export interface VoteReply extends Addressed {
  readonly type: 'voteReply';
  readonly granted: boolean;
}

/** §3.5, AppendEntries. The entries are prevIndex + 1 … lastIndex; `runs` are their terms (empty when there are none). */
export interface Append extends Addressed {
  readonly type: 'append';
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly lastIndex: LogIndex;
  readonly runs: readonly TermRun[];
  readonly commit: LogIndex;
  /** Of the entries' payloads; 0 until the actor has added them. */
  readonly bytes: number;
}
export interface AppendReply extends Addressed {
  readonly type: 'appendReply';
  readonly rejected: boolean;
  /** Matched: the last index known to be equal and durable here. Rejected: the prevIndex that was refused. */
  readonly index: LogIndex;
  /** Rejected: the last place worth trying, and the term of the entry there; lets the leader skip whole terms. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  /** Set by a member that may have lost what it acknowledged (doubt.ts): its answers count for nothing yet. */
  readonly uncertain?: Boot | undefined;
}

/** Liveness, commit index and read rounds. `commit` never exceeds what the receiver is known to hold. */
export interface Heartbeat extends Addressed {
  readonly type: 'heartbeat';
  readonly commit: LogIndex;
  /**
   * Counts up from 1 within the term: a reply to round r proves leadership at the time r was sent. 0 wants no answer: it only tells
   * the commit index.
   */
  readonly round: number;
}
export interface HeartbeatReply extends Addressed {
  readonly type: 'heartbeatReply';
  readonly round: number;
  /** Set by a member that may have lost what it acknowledged (doubt.ts): its answers count for nothing yet. */
  readonly uncertain?: Boot | undefined;
}

/**
 * §5, InstallSnapshot, without the snapshot: that has arrived before, on a stream of its own. The leader's log begins behind `index`,
 * which is of `indexTerm`: the follower's is to begin there, too.
 */
export interface InstallSnapshot extends Addressed {
  readonly type: 'installSnapshot';
  readonly index: LogIndex;
  readonly indexTerm: Term;
}

/** §3.10: campaign at once. Only to a voter that holds the whole log. */
export interface TimeoutNow extends Addressed {
  readonly type: 'timeoutNow';
}

/** §6.4: which index must a member have applied to answer this read? */
export interface ReadIndex extends Addressed {
  readonly type: 'readIndex';
  readonly read: number;
}
export interface ReadIndexReply extends Addressed {
  readonly type: 'readIndexReply';
  readonly read: number;
  /** Null: not now. */
  readonly index: LogIndex | null;
}

/** To a member that may have lost what it acknowledged (doubt.ts): once it holds the entry at `index`, it may vote again. */
export interface Vouch extends Addressed {
  readonly type: 'vouch';
  readonly boot: Boot;
  readonly index: LogIndex;
}
/** It holds that durably. */
export interface VouchReply extends Addressed {
  readonly type: 'vouchReply';
  readonly boot: Boot;
}

export type RaftMessage =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | InstallSnapshot
  | TimeoutNow
  | ReadIndex
  | ReadIndexReply
  | Vouch
  | VouchReply;
