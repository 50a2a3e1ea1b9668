// What a beat tells the chart of a leader.
import type { Millis } from '../../core/ids.ts';
import type { RaftContext } from '../../machines/raft/context.ts';
import type { RaftEvent, Vouched } from '../../machines/raft/events.ts';
import { isWaitedFor } from '../../machines/raft/progress.ts';
import type { BeatLinks } from '../raft-group.ts';

/** Null: all is quiet, and every follower's broker vouches for it: the chart has nothing to decide. */
export function beatEvent(
  { peers, term, leadership, options }: RaftContext,
  links: BeatLinks | undefined,
  at: Millis,
  diskPendingMs: Millis,
): RaftEvent | null {
  if (links === undefined) return { type: 'beat', diskPendingMs, at };
  const { stalledMs, patience } = links;
  let isQuiet =
    stalledMs === 0 &&
    leadership?.reads.length === 0 &&
    leadership.transfer === null &&
    diskPendingMs <= options.diskPatienceMs &&
    !options.leaseReads;
  const vouched: Record<string, Vouched> = {};
  for (const peer of peers) {
    const known = leadership?.progress[peer];
    const word = links.vouched(peer, term);
    if (word !== null) vouched[peer] = word;
    if (word?.now !== true || known === undefined || isWaitedFor(known)) isQuiet = false;
  }
  return isQuiet ? null : { type: 'beat', vouched, stalledMs, patience, diskPendingMs, at };
}
