// What happens to a member of a group. Every event carries `at`, the clock's monotonic reading at delivery: the chart owns no
// time.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { ReadId } from './effects.ts';
import type { MembershipTarget, PlacedConfiguration } from './membership.ts';
import type { RaftMessage } from './messages.ts';

/**
 * What the link to the leader's broker knows beside the chart: pulses of the pair stand for the heartbeats of a quiet group
 * (actors/cluster/pulses.ts).
 */
export interface LinkNews {
  /** When the leader was last heard to lead this term; time in which this process stood still does not count as silence. */
  readonly heardAt: Millis;
  /** Silence shorter than this is usual on this link, just now. */
  readonly patience: Millis;
  /** It vouches for the leader as long as nothing else is said: when it does not any more, `link.silent` tells so at once. */
  readonly watched: boolean;
}

/** What a follower's broker has said of this group in its answers to pulses. */
export interface Vouched {
  /** When the newest pulse was sent that it answered as a follower of this term. */
  readonly at: Millis;
  /** That was lately: no heartbeat of the group's own is needed. */
  readonly now: boolean;
}

interface Timed {
  readonly at: Millis;
  /** With requests for votes, with timers, and with `link.silent`. */
  readonly link?: LinkNews | undefined;
  /** With `installSnapshot`: how far the newest durable snapshot here reaches, and the configuration that held there. */
  readonly held?: LogIndex;
  readonly heldConfiguration?: PlacedConfiguration | undefined;
  /** With `append`: those of its entries that are configurations. */
  readonly configurations?: readonly PlacedConfiguration[];
}

export type RaftEvent = Timed &
  (
    | RaftMessage
    /** `count` entries of `bytes` payload together, to be appended if this member leads. */
    | { readonly type: 'propose'; readonly ticket: number; readonly count: number; readonly bytes: number }
    /** Every write up to and including the entry (index, term) is durable. */
    | { readonly type: 'log.synced'; readonly index: LogIndex; readonly term: Term }
    | { readonly type: 'applied'; readonly index: LogIndex }
    /** What is up to `through` may leave the log: it is applied, and a durable snapshot holds it. */
    | { readonly type: 'compact'; readonly through: LogIndex }
    /** `sendSnapshot` has ended: the peer holds one durably that reaches `index`. Null: not now. */
    | {
        readonly type: 'snapshot.sent';
        readonly peer: BrokerId;
        readonly term: Term;
        readonly index: LogIndex | null;
      }
    /** Change who belongs to the group. `seen`: the index of the configuration that its author knew. */
    | {
        readonly type: 'changeMembership';
        readonly ticket: number;
        readonly seen: LogIndex;
        readonly target: MembershipTarget;
      }
    /** Nothing was ever acknowledged by this group: its founders are only beginning. */
    | { readonly type: 'trusted' }
    /** Hand leadership over. */
    | { readonly type: 'transfer'; readonly to: BrokerId }
    /** This leader is no member of the configuration that is committed now. */
    | { readonly type: 'membership.left' }
    /** The broker's common heartbeat tick: all groups beat together, so that one frame per peer carries them. */
    | {
        readonly type: 'beat';
        readonly vouched?: Readonly<Record<string, Vouched>>;
        /** Since the last beat this process stood still for so long: silence that it made itself. */
        readonly stalledMs?: Millis;
        /** Followers may be silent for so long, if that is longer than the longest election timeout. */
        readonly patience?: Millis;
        /** A write to the log has been under way for so long. */
        readonly diskPendingMs?: Millis;
      }
    /** The connection to the peer's process was closed by its end: a hint that it died. */
    | { readonly type: 'peer.closed'; readonly peer: BrokerId }
    | { readonly type: 'peer.opened'; readonly peer: BrokerId }
    /**
     * The link that had vouched for the leader does so no more. `vouchedUntil`: it is silent, or has ended; NEVER: the leader itself
     * says that it leads no more, or is another process by now.
     */
    | { readonly type: 'link.silent'; readonly vouchedUntil: Millis }
    | { readonly type: 'read'; readonly read: ReadId }
    /** The append message to `peer` that was to reach `lastIndex` or farther ends there, and weighs `bytes`. */
    | {
        readonly type: 'append.sent';
        readonly peer: BrokerId;
        readonly term: Term;
        readonly lastIndex: LogIndex;
        readonly bytes: number;
      }
  );
