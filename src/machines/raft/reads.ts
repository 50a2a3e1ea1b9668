// Linearizable reads without writing (ReadIndex, §6.4), and the leader's own doubt (check-quorum, §6.2).
//
// Invariants
//   1. A read is answered only after a quorum has answered heartbeats of a round that began after the read was asked for.
//   2. It is answered only when an entry of the leader's own term is committed: before that the leader does not know what is.
//   3. A leader that a quorum has not answered for the longest election timeout steps down; its reads are refused.
import type { Decision, Outcome, RaftContext } from './context.ts';
import type { RaftEffect } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { heartbeat } from './replication.ts';

/** A heartbeat to every follower; with a new round when something waits for one. */
function beatAll(context: RaftContext): RaftEffect[] {
  return context.peers.flatMap((peer) => {
    const progress = context.progress[peer];
    return progress === undefined ? [] : [heartbeat(context, peer, progress)];
  });
}

export const beat: Decision = (context) => {
  const round = context.round + 1;
  return { changes: { round }, effects: beatAll({ ...context, round }) };
};

export const askRound: Decision = (context, event) => {
  if (event.type !== 'read') return {};
  const round = context.round + 1;
  const next = { ...context, round, reads: [...context.reads, { read: event.read, round }] };
  const answered = answerReady(next);
  return {
    changes: { round, reads: next.reads, ...answered.changes },
    effects: [...beatAll(next), ...(answered.effects ?? [])],
  };
};

/** The newest round that a quorum has answered; the leader answers itself. */
function provenRound(context: RaftContext): number {
  const rounds = [context.round, ...context.peers.map((peer) => context.progress[peer]?.round ?? 0)];
  rounds.sort((a, b) => b - a);
  return rounds[context.quorum - 1] ?? 0;
}

function answerReady(context: RaftContext): Outcome {
  if (context.reads.length === 0 || context.commit < context.termStart) return {};
  const proven = provenRound(context);
  const ready = context.reads.filter(({ round }) => round <= proven);
  if (ready.length === 0) return {};
  return {
    changes: { reads: context.reads.filter(({ round }) => round > proven) },
    effects: [{ type: 'answerReads', params: { reads: ready.map(({ read }) => read), index: context.commit } }],
  };
}

/** After anything that may have moved a round or the commit index. */
export const answerReads: Decision = (context) => answerReady(context);

export const refuseRead: Decision = (_context, event) =>
  event.type === 'read' ? { effects: [{ type: 'refuseReads', params: { reads: [event.read] } }] } : {};

export const refuseAllReads: Decision = (context) =>
  context.reads.length === 0
    ? {}
    : { changes: { reads: [] }, effects: [{ type: 'refuseReads', params: { reads: context.reads.map(({ read }) => read) } }] };

/** Has a quorum, the leader among it, been silent for the longest election timeout? */
export function quorumIsSilent(context: RaftContext, event: RaftEvent): boolean {
  const floor = event.at - context.options.electionMaxMs;
  const heard = context.peers.filter((peer) => (context.progress[peer]?.heardAt ?? 0) >= floor).length + 1;
  return heard < context.quorum;
}
