// Linearizable reads without writing (ReadIndex, §6.4), and the leader's own doubt (check-quorum, §6.2).
//
// Invariants
//   1. A read is answered only after a quorum has answered heartbeats of a round that began after the read was asked for.
//   2. It is answered only when an entry of the leader's own term is committed: before that the leader does not know what is.
//   3. A leader that a quorum has not answered for the longest election timeout steps down; its reads are refused.
import type { BrokerId, Millis } from '../../core/ids.ts';
import type { Leadership, RaftContext } from './context.ts';
import type { RaftEffect } from './effects.ts';
import type { RaftEvent } from './events.ts';
import type { Progress } from './progress.ts';
import { majorityOf, reachedByMajority } from './quorum.ts';
import { heartbeat } from './replication.ts';

/** A heartbeat of this round to each of `peers`. */
export function beginRound(
  context: RaftContext,
  { progress }: Leadership,
  round: number,
  peers: readonly BrokerId[] = context.peers,
): RaftEffect[] {
  const effects: RaftEffect[] = [];
  for (const peer of peers) {
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
export function quorumIsSilent({ members, peers, leadership, options }: RaftContext, event: RaftEvent): boolean {
  const limit = Math.max(options.electionMaxMs, event.type === 'beat' ? (event.patience ?? 0) : 0);
  let heard = 1;
  for (const peer of peers) {
    const known = leadership?.progress[peer];
    if (known !== undefined && event.at - answeredAt(known, peer, event) <= limit) heard++;
  }
  return heard < majorityOf(members.length);
}

/** When the follower last answered, be it by its broker's answer to a pulse. Time in which this process stood still is no silence. */
export function answeredAt({ heardAt }: Progress, peer: BrokerId, event: RaftEvent): Millis {
  if (event.type !== 'beat') return heardAt;
  const vouchedAt = event.vouched?.[peer]?.at ?? heardAt;
  return Math.min(event.at, Math.max(heardAt, vouchedAt) + (event.stalledMs ?? 0));
}
