// What a leader knows of one follower (etcd/raft's design.md).
//
//   probe      where the logs agree is not known, or a message was lost: one message at a time, the next after its answer
//   replicate  known: messages follow each other without waiting, as many as the window allows
//   snapshot   what it needs has left the log: a snapshot is under way, or (probing) it was told to begin from one (snapshot.ts)
//
// Invariants
//   1. match < next. Entries up to match are equal and durable at the follower; match never falls within a term.
//   2. In flight are the messages that were sent and not answered, ascending; all end before next.
//   3. The window is limited by count and by bytes. A message that weighs less than its share of the window, which is nearly every
//      one, is counted without weight; a heavier one is weighed by the actor, which alone knows (`append.sent`).
import type { LogIndex, Millis } from '../../core/ids.ts';
import type { Boot } from './messages.ts';

export interface InFlight {
  /** The message's last entry. */
  readonly last: LogIndex;
  readonly bytes: number;
}

/** Its storage may have lost what it acknowledged (doubt.ts): which process said so, and the entry that ends it. */
export interface Doubt {
  readonly boot: Boot;
  readonly index: LogIndex;
}

export interface Progress {
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly inflight: readonly InFlight[];
  /** A probe waits for its answer. */
  readonly probing: boolean;
  /** When it last answered anything in this term. */
  readonly heardAt: Millis;
  /** When match last moved, or entries were sent after all was answered: what waits much longer was lost. */
  readonly movedAt: Millis;
  /** The newest round of heartbeats that it answered. */
  readonly round: number;
  /** When that, or the newest pulse that its broker answered for it, was sent. */
  readonly provenAt: Millis;
  /** The newest commit index that it was told. */
  readonly toldCommit: LogIndex;
  /** It may have lost what it acknowledged: nothing that it says counts until the doubt is over. */
  readonly doubt: Doubt | null;
}

export interface Window {
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
}

const NONE: readonly InFlight[] = [];

export function newProgress(next: LogIndex, at: Millis): Progress {
  return {
    state: 'probe',
    match: 0,
    next,
    inflight: NONE,
    probing: false,
    heardAt: at,
    movedAt: at,
    round: 0,
    provenAt: Number.NEGATIVE_INFINITY,
    toldCommit: 0,
    doubt: null,
  };
}

/** May another message with entries go? */
export function hasRoom(progress: Progress, window: Window): boolean {
  if (progress.state === 'probe') return !progress.probing;
  if (progress.state === 'snapshot') return false;
  const { inflight } = progress;
  if (inflight.length === 0) return true;
  return (
    inflight.length < window.inflightMax &&
    inflight.reduce((sum, { bytes }) => sum + bytes, 0) < window.inflightBytesMax
  );
}

/** Does it have messages to answer? */
export function isWaitedFor(progress: Progress): boolean {
  return progress.probing || progress.inflight.length > 0;
}

/** Keys as `newProgress` has them; written out, because V8 makes that many times faster than a spread. */
function copyOf(progress: Progress): { -readonly [Key in keyof Progress]: Progress[Key] } {
  return {
    state: progress.state,
    match: progress.match,
    next: progress.next,
    inflight: progress.inflight,
    probing: progress.probing,
    heardAt: progress.heardAt,
    movedAt: progress.movedAt,
    round: progress.round,
    provenAt: progress.provenAt,
    toldCommit: progress.toldCommit,
    doubt: progress.doubt,
  };
}

/** A message with entries up to `last` was sent, and told of everything up to `commit`. */
export function sent(progress: Progress, last: LogIndex, at: Millis, commit = progress.toldCommit): Progress {
  const after = copyOf(progress);
  if (!isWaitedFor(progress)) after.movedAt = at;
  after.toldCommit = commit;
  if (progress.state === 'probe') after.probing = true;
  else {
    after.next = last + 1;
    after.inflight = [...progress.inflight, { last, bytes: 0 }];
  }
  return after;
}

/** It was told that everything up to `commit` is committed. */
export function told(progress: Progress, commit: LogIndex): Progress {
  const after = copyOf(progress);
  after.toldCommit = commit;
  return after;
}

/** It has said something. */
export function heard(progress: Progress, at: Millis): Progress {
  const after = copyOf(progress);
  after.heardAt = at;
  return after;
}

/** It has answered this round, which was sent at `provenAt`. */
export function proved(progress: Progress, heardAt: Millis, round: number, provenAt: Millis): Progress {
  const after = copyOf(progress);
  after.heardAt = heardAt;
  after.round = round;
  after.provenAt = provenAt;
  return after;
}

/** The message in flight that was to reach `last` or farther weighs `bytes`, and ends at `last`: the rest of it did not go. */
export function weighed(progress: Progress, last: LogIndex, bytes: number): Progress {
  const position = progress.inflight.findIndex((message) => message.last >= last);
  const message = progress.inflight[position];
  // Answered meanwhile, or sent anew.
  if (message === undefined) return progress;
  const isCut = message.last > last;
  const after = isCut ? NONE : progress.inflight.slice(position + 1);
  const inflight = [...progress.inflight.slice(0, position), { last, bytes }, ...after];
  return { ...progress, inflight, next: isCut ? last + 1 : progress.next };
}

/** The follower holds everything up to `index`. Old news changes nothing but the time. */
export function matched(progress: Progress, index: LogIndex, at: Millis): Progress {
  const { state, match } = progress;
  const isBack = state === 'snapshot' && index + 1 >= progress.next;
  if (!isBack && !(state === 'probe' && index >= match) && index <= match) return heard(progress, at);
  const after = copyOf(progress);
  after.match = index;
  after.heardAt = at;
  after.movedAt = at;
  if (isBack || state === 'probe') {
    after.state = 'replicate';
    after.next = index + 1;
    after.inflight = NONE;
    after.probing = false;
    return after;
  }
  const first = progress.inflight.findIndex(({ last }) => last > index);
  after.inflight = first === -1 ? NONE : progress.inflight.slice(first);
  after.next = Math.max(progress.next, index + 1);
  return after;
}

/** A message was refused or lost: one at a time, from `next` on. */
export function probeFrom(progress: Progress, next: LogIndex): Progress {
  return { ...progress, state: 'probe', next: Math.max(progress.match + 1, next), inflight: NONE, probing: false };
}

/** A new connection: what was on its way is gone. Where the logs agree is still known, if it was. */
export function reconnected(progress: Progress): Progress {
  if (progress.state === 'probe') return { ...progress, probing: false };
  // A transfer has a connection of its own; the word that it may be installed had not.
  if (progress.state === 'snapshot') return progress.probing ? probeFrom(progress, progress.match + 1) : progress;
  return { ...progress, next: progress.match + 1, inflight: NONE };
}
