// Linearizable reads without writing (ReadIndex, §6.4), and the leader's own doubt (check-quorum, §6.2).
//
// Invariants
//   1. A read is answered only after a quorum has answered heartbeats of a round that began after the read was asked for.
//   2. It is answered only when an entry of the leader's own term is committed: before that the leader does not know what is.
//   3. A leader that a quorum has not answered for the longest election timeout steps down; its reads are refused.
import type { Millis } from '../../core/ids.ts';
import type { Leadership, RaftContext } from './context.ts';
import type { RaftEffect } from './effects.ts';
import { majorityOf, reachedByMajority } from './quorum.ts';
import { heartbeat } from './replication.ts';

/** A heartbeat of this round to every follower. */
export function beginRound(context: RaftContext, { progress }: Leadership, round: number): RaftEffect[] {
  const effects: RaftEffect[] = [];
  for (const peer of context.peers) {
    const known = progress[peer];
    if (known !== undefined) effects.push(heartbeat(context, peer, known, round));
  }
  return effects;
}

/** Answers what may be answered, and gives what still waits. */
export function answerReads(
  { commit, peers }: RaftContext,
  leadership: Leadership,
  effects: RaftEffect[],
): Leadership['reads'] {
  const { reads, termStart, round, progress } = leadership;
  if (reads.length === 0 || commit < termStart) return reads;
  const proven = reachedByMajority([round, ...peers.map((peer) => progress[peer]?.round ?? 0)]);
  const ready = reads.filter((read) => read.round <= proven);
  if (ready.length === 0) return reads;
  effects.push({ type: 'answerReads', params: { reads: ready.map(({ read }) => read), index: commit } });
  return reads.filter((read) => read.round > proven);
}

/** Has a quorum, the leader among it, been silent for the longest election timeout? */
export function quorumIsSilent({ members, peers, leadership, options }: RaftContext, at: Millis): boolean {
  let heard = 1;
  for (const peer of peers) {
    const known = leadership?.progress[peer];
    if (known !== undefined && at - known.heardAt <= options.electionMaxMs) heard++;
  }
  return heard < majorityOf(members.length);
}
