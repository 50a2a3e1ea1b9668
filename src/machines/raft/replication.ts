// Replication (§3.5, §3.6.2, §10.2.1): the leader's and the follower's halves.
//
// Invariants
//   1. A leader never changes its own log but at the end; a follower cuts only what conflicts, never at or below its commit index.
//   2. A follower's answer names only what is durable there: it leaves after the write.
//   3. The leader counts itself only up to its own durable index: its disk works beside the followers'.
//   4. Only an entry of the leader's own term is committed by counting; it takes all before it along (Figure 3.7).
import { assert } from '../../core/assert.ts';
import type { BrokerId, LogIndex, Millis } from '../../core/ids.ts';
import type { Decision, Outcome, RaftContext } from './context.ts';
import type { RaftEffect } from './effects.ts';
import { send } from './election.ts';
import { cutAfter, extend, extendWith, firstConflict, lastIndexOfTerm, runsBetween, termAt } from './log-view.ts';
import type { Append, AppendReply } from './messages.ts';
import { hasRoom, matched, newProgress, type Progress, probeFrom, sent } from './progress.ts';

/** Entries in one message, whatever their size; the actor cuts it further by bytes. */
const ENTRIES_PER_MESSAGE = 256;

// ---------------------------------------------------------------- follower

/** A message of this term's leader: it is well. */
export const hear: Decision = (context, event) => {
  if (!('from' in event)) return {};
  assert(context.leader === null || context.leader === event.from, `term ${context.term} has two leaders: ${context.leader} and ${event.from}`);
  return { changes: { leader: event.from, heardAt: event.at } };
};

/** Does the log hold the entry before the message's first? What is committed, or compacted, is equal in all logs. */
export function holdsPrevious(context: RaftContext, message: Append): boolean {
  return message.prevIndex <= context.commit || termAt(context.log, message.prevIndex) === message.prevTerm;
}

function reply(context: RaftContext, to: BrokerId, fields: Pick<AppendReply, 'rejected' | 'index' | 'hintIndex' | 'hintTerm'>): RaftEffect {
  return send({ type: 'appendReply', from: context.self, to, term: context.term, ...fields }, 'synced');
}

export const takeEntries: Decision = (context, event) => {
  if (event.type !== 'append') return {};
  const { log, commit } = context;
  const conflict = firstConflict(log, event.runs, event.lastIndex);
  const effects: RaftEffect[] = [];
  let next = log;
  if (conflict !== null) {
    assert(conflict > commit, `entry ${conflict} conflicts with a committed one (commit ${commit})`);
    if (conflict <= log.lastIndex) {
      next = cutAfter(log, conflict - 1);
      effects.push({ type: 'truncate', params: { after: conflict - 1 } });
    }
    next = extendWith(next, runsBetween({ ...log, firstIndex: 1, runs: event.runs, lastIndex: event.lastIndex }, conflict, event.lastIndex), event.lastIndex);
    effects.push({ type: 'append', params: { first: conflict, last: event.lastIndex, term: event.term, source: 'message' } });
  }
  effects.push(reply(context, event.from, { rejected: false, index: event.lastIndex, hintIndex: 0, hintTerm: 0 }));
  // Behind the message's last entry this log may differ from the leader's: it says nothing of those.
  const committed = Math.max(commit, Math.min(event.commit, event.lastIndex));
  if (committed > commit) effects.push({ type: 'apply', params: { through: committed } });
  return { changes: { log: next, durable: Math.min(context.durable, next === log ? context.durable : (conflict ?? 1) - 1), commit: committed }, effects };
};

export const refuseEntries: Decision = (context, event) => {
  if (event.type !== 'append') return {};
  const { log } = context;
  const hintIndex = lastIndexOfTerm(log, Math.min(event.prevIndex - 1, log.lastIndex), event.prevTerm);
  const hintTerm = termAt(log, hintIndex) ?? 0;
  return { effects: [reply(context, event.from, { rejected: true, index: event.prevIndex, hintIndex, hintTerm })] };
};

/** A leader of an older term is told the newer one, so that it steps down even where it wins every pre-vote. */
export const tellTerm: Decision = (context, event) => {
  if (!('from' in event)) return {};
  return { effects: [reply(context, event.from, { rejected: true, index: 0, hintIndex: 0, hintTerm: 0 })] };
};

/** The commit index in a heartbeat is capped by the leader at what this log is known to hold. */
export const answerHeartbeat: Decision = (context, event) => {
  if (event.type !== 'heartbeat') return {};
  const { self, term, commit } = context;
  const effects: RaftEffect[] = [send({ type: 'heartbeatReply', from: self, to: event.from, term, round: event.round })];
  const committed = Math.max(commit, event.commit);
  assert(committed <= context.log.lastIndex, `told to commit ${event.commit}, but the log ends at ${context.log.lastIndex}`);
  if (committed > commit) effects.unshift({ type: 'apply', params: { through: committed } });
  return { changes: { commit: committed }, effects };
};

export const noteDurable: Decision = (context, event) => {
  if (event.type !== 'log.synced') return {};
  // What was synced may have been cut since, and replaced.
  const stillThere = termAt(context.log, event.index) === event.term;
  return stillThere && event.index > context.durable ? { changes: { durable: event.index } } : {};
};

export const noteApplied: Decision = (context, event) =>
  event.type === 'applied' ? { changes: { applied: Math.max(context.applied, event.index) } } : {};

// ---------------------------------------------------------------- leader

/** Everything that may go to this follower now. */
function messagesFor(context: RaftContext, to: BrokerId, start: Progress, at: Millis): { progress: Progress; effects: RaftEffect[] } {
  const { self, term, log, commit, options } = context;
  const effects: RaftEffect[] = [];
  let progress = start;
  while (progress.next <= log.lastIndex && hasRoom(progress, options.inflightMax)) {
    const prevIndex = progress.next - 1;
    const prevTerm = termAt(log, prevIndex);
    assert(prevTerm !== undefined, `entry ${prevIndex} is compacted, and ${to} needs it`);
    const last = Math.min(log.lastIndex, prevIndex + ENTRIES_PER_MESSAGE);
    const runs = runsBetween(log, prevIndex + 1, last);
    effects.push(send({ type: 'append', from: self, to, term, prevIndex, prevTerm, lastIndex: last, runs, commit, bytes: 0 }));
    progress = { ...sent(progress, last, at), toldCommit: commit };
  }
  return { progress, effects };
}

/** To every follower what it lacks and may have. */
function replicate(context: RaftContext, at: Millis): Outcome {
  const progress: Record<string, Progress> = { ...context.progress };
  const effects: RaftEffect[] = [];
  for (const peer of context.peers) {
    const known = progress[peer];
    if (known === undefined) continue;
    const out = messagesFor(context, peer, known, at);
    progress[peer] = out.progress;
    effects.push(...out.effects);
  }
  return { changes: { progress }, effects };
}

/** §6.4, §3.6.2: a new leader's first entry is empty: with it everything before it is committed, without waiting for a client. */
export const beginTerm: Decision = (context, { at }) => {
  const { self, term, peers } = context;
  const first = context.log.lastIndex + 1;
  const progress: Record<string, Progress> = {};
  for (const peer of peers) progress[peer] = newProgress(first, at);
  const changes = { leader: self, log: extend(context.log, term, 1), progress, termStart: first, round: 0, reads: [], uncommitted: [] };
  const out = replicate({ ...context, ...changes }, at);
  return {
    changes: { ...changes, ...out.changes },
    effects: [{ type: 'append', params: { first, last: first, term, source: 'noop' } }, ...(out.effects ?? [])],
  };
};

export function hasRoomFor(context: RaftContext, bytes: number): boolean {
  const waiting = context.uncommitted.reduce((total, extent) => total + extent.bytes, 0);
  // One proposal is taken however large it is when none waits: else it could never be.
  return waiting === 0 || waiting + bytes <= context.options.uncommittedBytesMax;
}

export const appendProposal: Decision = (context, event) => {
  if (event.type !== 'propose') return {};
  const first = context.log.lastIndex + 1;
  const last = first + event.count - 1;
  const log = extend(context.log, context.term, event.count);
  const uncommitted = [...context.uncommitted, { last, bytes: event.bytes }];
  const out = replicate({ ...context, log }, event.at);
  return {
    changes: { log, uncommitted, ...out.changes },
    effects: [{ type: 'append', params: { first, last, term: context.term, source: 'proposal' } }, ...(out.effects ?? [])],
  };
};

/** A quorum's durable index: the highest that at least a quorum of the members has reached, the leader among them. */
export function quorumIndex(context: RaftContext): LogIndex {
  const reached = [context.durable, ...context.peers.map((peer) => context.progress[peer]?.match ?? 0)];
  reached.sort((a, b) => b - a);
  return reached[context.quorum - 1] ?? 0;
}

/** Commits what may be, and sends on whatever there is to send: new entries, or else the news of the commit. */
function advance(context: RaftContext, at: Millis): Outcome {
  const candidate = quorumIndex(context);
  const committed = candidate > context.commit && termAt(context.log, candidate) === context.term ? candidate : context.commit;
  const uncommitted = committed > context.commit ? context.uncommitted.filter(({ last }) => last > committed) : context.uncommitted;
  const next = { ...context, commit: committed, uncommitted };
  const out = replicate(next, at);
  const effects: RaftEffect[] = committed > context.commit ? [{ type: 'apply', params: { through: committed } }] : [];
  effects.push(...(out.effects ?? []));
  const told = tellCommit({ ...next, ...out.changes });
  effects.push(...(told.effects ?? []));
  return { changes: { commit: committed, uncommitted, ...out.changes, ...told.changes }, effects };
}

/** Replicas serve subscribers: a commit is told at once, where no message with entries has told it. */
function tellCommit(context: RaftContext): Outcome {
  const progress: Record<string, Progress> = { ...context.progress };
  const effects: RaftEffect[] = [];
  for (const peer of context.peers) {
    const known = progress[peer];
    if (known === undefined) continue;
    const commit = Math.min(context.commit, known.match);
    if (commit <= known.toldCommit || known.inflight.length > 0) continue;
    effects.push(heartbeat(context, peer, known));
    progress[peer] = { ...known, toldCommit: commit };
  }
  return { changes: { progress }, effects };
}

export function heartbeat(context: RaftContext, to: BrokerId, progress: Progress): RaftEffect {
  const { self, term, round } = context;
  return send({ type: 'heartbeat', from: self, to, term, commit: Math.min(context.commit, progress.match), round });
}

export const countOwnSync: Decision = (context, event) => {
  const noted = { ...context, ...noteDurable(context, event).changes };
  const out = advance(noted, event.at);
  return { changes: { durable: noted.durable, ...out.changes }, effects: out.effects ?? [] };
};

export const takeAppendReply: Decision = (context, event) => {
  if (event.type !== 'appendReply') return {};
  const known = context.progress[event.from];
  if (known === undefined) return {};
  const progress = event.rejected ? afterRefusal(context, known, event) : matched(known, event.index, event.at);
  const next = { ...context, progress: { ...context.progress, [event.from]: { ...progress, heardAt: event.at } } };
  const out = advance(next, event.at);
  return { changes: { progress: next.progress, ...out.changes }, effects: out.effects ?? [] };
};

/** Both sides skip whole terms: the follower has named its last entry of a term not above ours, we go to our last of that term. */
function afterRefusal(context: RaftContext, known: Progress, event: AppendReply): Progress {
  const stale = known.state === 'replicate' ? event.index <= known.match : known.next - 1 !== event.index;
  if (stale) return known;
  const agreed = lastIndexOfTerm(context.log, event.hintIndex, event.hintTerm);
  return probeFrom(known, Math.max(context.log.firstIndex, Math.min(event.index, agreed + 1)));
}

/** What is on its way for longer than a leader may be silent was lost: begin anew from what is known. */
export function resend(context: RaftContext, peer: BrokerId, at: Millis): Progress | undefined {
  const known = context.progress[peer];
  if (known === undefined) return undefined;
  const waiting = known.probing || known.inflight.length > 0;
  return waiting && at - known.movedAt > context.options.electionMinMs ? probeFrom(known, known.match + 1) : known;
}

export const takeHeartbeatReply: Decision = (context, event) => {
  if (event.type !== 'heartbeatReply') return {};
  const known = resend(context, event.from, event.at);
  if (known === undefined) return {};
  const progress = { ...known, heardAt: event.at, round: Math.max(known.round, event.round) };
  const out = advance({ ...context, progress: { ...context.progress, [event.from]: progress } }, event.at);
  return out;
};

/** A new connection: whatever was on its way is gone with the old one. */
export const beginAnewWith: Decision = (context, event) => {
  if (event.type !== 'peer.opened') return {};
  const known = context.progress[event.peer];
  if (known === undefined) return {};
  const progress = { ...context.progress, [event.peer]: probeFrom(known, known.match === 0 ? known.next : known.match + 1) };
  return advance({ ...context, progress }, event.at);
};

/** The actor sent less than the message said, for its bytes: the rest is not on its way. */
export const takeCut: Decision = (context, event) => {
  if (event.type !== 'append.cut' || event.term !== context.term) return {};
  const known = context.progress[event.peer];
  if (known === undefined || known.state === 'probe') return {};
  const inflight = [...known.inflight.filter((last) => last < event.lastIndex), event.lastIndex];
  return advance({ ...context, progress: { ...context.progress, [event.peer]: { ...known, inflight, next: event.lastIndex + 1 } } }, event.at);
};
