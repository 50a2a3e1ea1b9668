// What the chart asks of its actor. This is the driver contract:
//
//   1. The effects of one step are carried out in order. `persist`, `compact`, `truncate` and `append` of one step are one write to the
//      log store, and writes of a group become durable in the order in which they were asked for.
//   2. A message with `when: 'synced'` leaves only after every write asked for up to and including its step is durable.
//      `when: 'now'` leaves at once (the leader's disk works in parallel with its followers': §10.2.1).
//      One to the member itself, its vote where that suffices alone, is told to the chart as an event when it would have left.
//   3. After each sync the actor sends `log.synced` with the last entry that is durable now and not cut since.
//   4. `apply` promises that entries up to `through` are committed; the actor applies them in order, each once, and answers
//      with `applied`.
//   5. For an `append` message the actor adds the entries. One that is too many bytes is cut by the actor; of one that was cut or
//      is heavy (progress.ts) it tells with `append.sent`, and appends to that peer behind a cut are dropped until then.
//      Messages with entries to one peer leave in the order in which they were asked for.
//   6. A write that fails ends the process (law 8). A full disk is no failure: the actor refuses proposals before it asks.
import type { BrokerId, LogIndex, Term } from '../../core/ids.ts';
import type { Configuration } from './membership.ts';
import type { RaftMessage } from './messages.ts';

export interface HardState {
  readonly term: Term;
  readonly votedFor: BrokerId | null;
}

export type ReadId = number;

export type RaftEffect =
  /** Make term and vote durable. */
  | { readonly type: 'persist'; readonly params: { readonly hard: HardState } }
  /** Forget every entry after `after`. Always precedes an `append` of the same step. */
  | { readonly type: 'truncate'; readonly params: { readonly after: LogIndex } }
  /**
   * Forget every entry through `through`, which is of `term`: a durable snapshot holds them. Where the log does not hold that very
   * entry nothing of it is kept, and it goes on behind it. Always precedes an `append` of the same step.
   */
  | { readonly type: 'compact'; readonly params: { readonly through: LogIndex; readonly term: Term } }
  /**
   * The log begins anew behind `base`. The state becomes that of the newest snapshot, which reaches the base or farther; `applied`
   * answers with the base. Entries behind it that the snapshot's state holds are not applied again.
   */
  | { readonly type: 'restore'; readonly params: { readonly base: LogIndex } }
  /** Bring the newest snapshot to a follower; `snapshot.sent` tells how that ended. */
  | { readonly type: 'sendSnapshot'; readonly params: { readonly to: BrokerId; readonly term: Term } }
  /** Note durably that what this member holds can be relied on again: `persist` and this are one write. */
  | { readonly type: 'markSound'; readonly params: Readonly<Record<string, never>> }
  /** Append entries first … last, all of them carried by the event of this step; a no-op carries nothing, a configuration is given. */
  | {
      readonly type: 'append';
      readonly params: {
        readonly first: LogIndex;
        readonly last: LogIndex;
        readonly term: Term;
        readonly source: 'noop' | 'proposal' | 'message' | 'configuration';
        readonly configuration?: Configuration;
      };
    }
  /** For `append` messages the actor adds the entries prevIndex + 1 … lastIndex from its log. */
  | {
      readonly type: 'send';
      readonly params: { readonly message: RaftMessage; readonly when: 'now' | 'synced' };
    }
  | { readonly type: 'apply'; readonly params: { readonly through: LogIndex } }
  /** The reads are linearizable once `index` is applied. */
  | { readonly type: 'answerReads'; readonly params: { readonly reads: readonly ReadId[]; readonly index: LogIndex } }
  /** Not now: no leader, or leadership was lost before the round came back. */
  | { readonly type: 'refuseReads'; readonly params: { readonly reads: readonly ReadId[] } }
  /** The proposal with this ticket was definitely not appended. */
  | {
      readonly type: 'refuseProposal';
      readonly params: {
        readonly ticket: number;
        readonly reason: 'notLeader' | 'uncommittedLimit' | 'transferring';
      };
    }
  /** The change with this ticket was definitely not appended. */
  | {
      readonly type: 'refuseChange';
      readonly params: {
        readonly ticket: number;
        readonly reason: 'notLeader' | 'busy' | 'moved' | 'invalid';
        readonly detail: string;
      };
    }
  /** Leadership was not handed over to `to`. */
  | { readonly type: 'endTransfer'; readonly params: { readonly to: BrokerId; readonly reason: TransferFailure } };

export type TransferFailure = 'notLeader' | 'notServing' | 'notVoter' | 'replaced' | 'timedOut' | 'cancelled';

/** The constructors of the most frequent ones. */
export const send = (message: RaftMessage, when: 'now' | 'synced' = 'now'): RaftEffect => ({
  type: 'send',
  params: { message, when },
});

export const persist = ({ term, votedFor }: HardState): RaftEffect => ({
  type: 'persist',
  params: { hard: { term, votedFor } },
});

export const apply = (through: LogIndex): RaftEffect => ({ type: 'apply', params: { through } });
