// What happens to a member of a group. Every event carries `at`, the clock's monotonic reading at delivery: the chart owns no
// time.
import type { BrokerId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { ReadId } from './effects.ts';
import type { RaftMessage } from './messages.ts';

interface Timed {
  readonly at: Millis;
}

export type RaftEvent = Timed &
  (
    | RaftMessage
    /** `count` entries of `bytes` payload together, to be appended if this member leads. */
    | { readonly type: 'propose'; readonly ticket: number; readonly count: number; readonly bytes: number }
    /** Every write up to and including the entry (index, term) is durable. */
    | { readonly type: 'log.synced'; readonly index: LogIndex; readonly term: Term }
    | { readonly type: 'applied'; readonly index: LogIndex }
    /** The broker's common heartbeat tick: all groups beat together, so that one frame per peer carries them. */
    | { readonly type: 'beat' }
    /** The connection to the peer's process was closed by its end: a hint that it died. */
    | { readonly type: 'peer.closed'; readonly peer: BrokerId }
    | { readonly type: 'peer.opened'; readonly peer: BrokerId }
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
