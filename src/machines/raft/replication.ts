// Replication, the leader's half: what goes to which follower (§3.5, §10.2.1), and what is committed by it (§3.6.2).
//
// Invariants
//   1. A leader never changes its own log but at the end.
//   2. It counts itself only up to its own durable index: its disk works beside the followers'.
//   3. Only an entry of its own term is committed by counting; it takes all before it along (Figure 3.7).
//   4. No follower is sent more than its window allows, nor more than a burst in one step: each answer brings the next burst, so that
//      the window opens within a few round trips, and one follower far behind does not hold a step.
import { assert } from '../../core/assert.ts';
import type { BrokerId, LogIndex, Millis } from '../../core/ids.ts';
import type { Leadership, RaftContext } from './context.ts';
import { leadershipCopy, tableCopy } from './copies.ts';
import { type RaftEffect, send } from './effects.ts';
import { lastNotAbove, runsBetween, termAt } from './log-view.ts';
import type { Append, AppendReply } from './messages.ts';
import { hasRoom, isWaitedFor, type Progress, probeFrom, sent, told } from './progress.ts';
import { inForce } from './membership.ts';
import { reachedByQuorum } from './quorum.ts';
import { askForSnapshot, needsSnapshot } from './snapshot.ts';

/** Entries in one message, whatever their size; the actor cuts it further by bytes. */
const ENTRIES_PER_MESSAGE = 256;
/** Messages to one follower in one step. */
const BURST = 4;

function appendMessage(context: RaftContext, to: BrokerId, prevIndex: LogIndex): Append {
  const { self, term, log, commit } = context;
  const prevTerm = termAt(log, prevIndex);
  assert(prevTerm !== undefined, () => `${to} needs the entry after ${prevIndex}, which is no longer in the log`);
  const lastIndex = Math.min(log.lastIndex, prevIndex + ENTRIES_PER_MESSAGE);
  const runs = runsBetween(log, prevIndex + 1, lastIndex);
  return { type: 'append', from: self, to, term, prevIndex, prevTerm, lastIndex, runs, commit, bytes: 0 };
}

export function heartbeat(
  { self, term, commit }: RaftContext,
  to: BrokerId,
  progress: Progress,
  round: number,
): RaftEffect {
  return send({ type: 'heartbeat', from: self, to, term, commit: Math.min(commit, progress.match), round });
}

/** What this follower lacks and may have now. */
function sendEntries(context: RaftContext, to: BrokerId, start: Progress, at: Millis, effects: RaftEffect[]): Progress {
  const { log, commit, options } = context;
  if (needsSnapshot(log, start)) return askForSnapshot(context, to, start, at, effects);
  let progress = start;
  for (let burst = 0; burst < BURST && progress.next <= log.lastIndex && hasRoom(progress, options); burst++) {
    const message = appendMessage(context, to, progress.next - 1);
    effects.push(send(message));
    progress = sent(progress, message.lastIndex, at, commit);
  }
  return progress;
}

/**
 * A commit is told at once, because every replica serves subscribers; but where entries are on their way, the answer to them comes
 * back here first, and under load the next entries tell it.
 */
function tellCommit(context: RaftContext, to: BrokerId, progress: Progress, effects: RaftEffect[]): Progress {
  const commit = Math.min(context.commit, progress.match);
  if (commit <= progress.toldCommit || isWaitedFor(progress)) return progress;
  effects.push(heartbeat(context, to, progress, 0));
  return told(progress, commit);
}

/** To every follower what it lacks and may have; else the news of what is committed. Gives what is known of them then. */
export function replicate(
  context: RaftContext,
  start: Leadership['progress'],
  at: Millis,
  effects: RaftEffect[],
): Leadership['progress'] {
  let table: Record<string, Progress> | null = null;
  for (const peer of context.peers) {
    const known = start[peer];
    if (known === undefined) continue;
    const progress = tellCommit(context, peer, sendEntries(context, peer, known, at, effects), effects);
    if (progress === known) continue;
    table ??= tableCopy(start);
    table[peer] = progress;
  }
  return table ?? start;
}

/** The highest index that may be committed now; the present commit index when there is none above it. */
export function committable(
  { self, term, log, commit, durable, configurations }: RaftContext,
  progress: Leadership['progress'],
): LogIndex {
  const reached = reachedByQuorum(inForce(configurations).configuration, (voter) => {
    if (voter === self) return durable;
    const known = progress[voter];
    return known === undefined || known.doubt !== null ? 0 : known.match;
  });
  return reached > commit && termAt(log, reached) === term ? reached : commit;
}

/** Both sides skip whole terms: the follower has named its last entry of a term not above ours, we go to our last of that term. */
export function afterRefusal({ log }: RaftContext, known: Progress, refusal: AppendReply): Progress {
  // What follows its match came before it held that, overtaken on the way: it is lost, if it was not sent again already.
  const isOvertaken = refusal.index === known.match && isWaitedFor(known);
  // What it holds it cannot refuse; and a probe has one answer. Else it is about a message from before we began anew.
  const isOld =
    (refusal.index <= known.match && !isOvertaken) ||
    known.state === 'snapshot' ||
    (known.state === 'probe' && refusal.index !== known.next - 1);
  if (isOld) return known;
  const { hintIndex, hintTerm } = refusal;
  const agreed = hintIndex < log.firstIndex - 1 ? hintIndex : lastNotAbove(log, hintIndex, hintTerm);
  return probeFrom(known, Math.min(refusal.index, agreed + 1));
}

/** It answers heartbeats, but not what waited for longer than a leader may be silent: that was lost. */
export function afterLoss(known: Progress, at: Millis, patience: Millis): Progress {
  if (!isWaitedFor(known) || at - known.movedAt <= patience) return known;
  return probeFrom(known, known.state === 'probe' ? known.next : known.match + 1);
}

/** May a proposal of `bytes` be appended? One is taken however large it is when none waits, else it never could be. */
export function hasRoomFor({ leadership, options }: RaftContext, bytes: number): boolean {
  const waiting = leadership?.uncommittedBytes ?? 0;
  return bytes === 0 || waiting === 0 || waiting + bytes <= options.uncommittedBytesMax;
}

/** Without the proposals that are committed now. */
export function withoutCommitted(leadership: Leadership, commit: LogIndex): Leadership {
  const { uncommitted } = leadership;
  const first = uncommitted.findIndex(({ last }) => last > commit);
  if (first === 0 || uncommitted.length === 0) return leadership;
  const left = first === -1 ? [] : uncommitted.slice(first);
  const after = leadershipCopy(leadership);
  after.uncommitted = left;
  after.uncommittedBytes = left.reduce((sum, { bytes }) => sum + bytes, 0);
  return after;
}
