// What a leader knows of one follower (etcd/raft's design.md).
//
//   probe      where the logs agree is not known: one message at a time, the next after its answer
//   replicate  known: messages follow each other without waiting, as many as the window allows
//
// Invariants: match < next; entries up to match are equal and durable at the follower; in flight are the ends of messages sent
// and not answered, ascending.
import type { LogIndex, Millis } from '../../core/ids.ts';

export interface Progress {
  readonly state: 'probe' | 'replicate';
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly inflight: readonly LogIndex[];
  /** A probe waits for its answer. */
  readonly probing: boolean;
  /** When it last answered anything in this term. */
  readonly heardAt: Millis;
  /** When match last moved, or entries were last sent after silence: what is in flight much longer was lost. */
  readonly movedAt: Millis;
  /** The newest round of heartbeats that it answered. */
  readonly round: number;
  /** The newest commit index that it was told. */
  readonly toldCommit: LogIndex;
}

export function newProgress(next: LogIndex, at: Millis): Progress {
  return { state: 'probe', match: 0, next, inflight: [], probing: false, heardAt: at, movedAt: at, round: 0, toldCommit: 0 };
}

/** May another message with entries go? */
export function hasRoom(progress: Progress, inflightMax: number): boolean {
  return progress.state === 'probe' ? !progress.probing : progress.inflight.length < inflightMax;
}

/** A message with entries up to `last` was sent. */
export function sent(progress: Progress, last: LogIndex, at: Millis): Progress {
  if (progress.state === 'probe') return { ...progress, probing: true, movedAt: at };
  const movedAt = progress.inflight.length === 0 ? at : progress.movedAt;
  return { ...progress, next: last + 1, inflight: [...progress.inflight, last], movedAt };
}

/** The follower holds everything up to `index`. Older news changes nothing but the time. */
export function matched(progress: Progress, index: LogIndex, at: Millis): Progress {
  const match = Math.max(progress.match, index);
  const inflight = progress.inflight.filter((last) => last > index);
  const next = Math.max(progress.next, match + 1);
  if (progress.state === 'probe') {
    return { ...progress, state: 'replicate', match, next: match + 1, inflight: [], probing: false, heardAt: at, movedAt: at };
  }
  return { ...progress, match, next, inflight, heardAt: at, movedAt: match > progress.match ? at : progress.movedAt };
}

/** Begin anew at `next`: a message was refused, lost, or the connection was made anew. */
export function probeFrom(progress: Progress, next: LogIndex): Progress {
  return { ...progress, state: 'probe', next: Math.max(progress.match + 1, next), inflight: [], probing: false };
}
