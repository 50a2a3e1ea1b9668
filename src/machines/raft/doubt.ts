// A member whose disk was wiped, or lost records: it may have acknowledged entries, and given votes, that it does not know of any
// more (cf. protocol-aware recovery: Alagappan et al., FAST 2018; and TigerBeetle's recovering head).
//
//   leader                                     member, storageUncertain: takes entries, does not vote, does not count
//     ◀── any answer, uncertain: boot ───────────┤
//   notes the doubt; appends an empty entry E    │
//     ── entries … E ───────────────────────────▶│
//   E committed by a quorum without the member   │
//   and held by the member                       │
//     ── vouch: boot, E ────────────────────────▶│ holds E durably: its storage is sound again, durably
//     ◀── vouchReply: boot ──────────────────────┤ follower
//   it counts again
//
// Why that is enough. E was appended after the member's restart, by a leader that a quorum Q without the member followed when it
// committed E. (1) Entries that the member had acknowledged and that were committed: every election since was won without its vote,
// by a majority that meets the committing one in some other member, so the leader has them, and all are before E. (2) Votes that it
// had given: a candidate of a newer term that holds one needs a majority, which meets Q in some member besides this one; that member
// either had moved to the newer term, and would not have taken E, or holds E and refuses a log without it.
//
// Invariants
//   1. While there is a doubt, nothing that the member says counts: neither for commits, nor for rounds, nor for check-quorum. That it
//      answers is noted all the same: what it lacks is sent to it, by a snapshot where it must be.
//   2. The doubt ends by the answer to the vouch for the very process (`boot`) that raised it; or when the member, sound, says that it
//      holds E: what raised the doubt was said before it was vouched for, and came late. (E came after that, so nothing that was said
//      before the disk was lost can name it.)
import type { BrokerId, LogIndex, Millis } from '../../core/ids.ts';
import type { Decision, RaftContext } from './context.ts';
import { type RaftEffect, send } from './effects.ts';
import { termAt } from './log-view.ts';
import type { AppendReply, Boot, HeartbeatReply, Vouch } from './messages.ts';
import { newProgress, type Progress } from './progress.ts';

/** Does this answer raise a doubt that is not known yet? */
export function raisesDoubt(known: Progress, { uncertain }: AppendReply | HeartbeatReply): boolean {
  return uncertain !== undefined && known.doubt?.boot !== uncertain;
}

/** What was known of the member is not known any more. @param index of the empty entry that was appended for it. */
export function doubted(boot: Boot, index: LogIndex, at: Millis): Progress {
  return { ...newProgress(index, at), doubt: { boot, index } };
}

/** Was it said before the doubt was raised, or not meant for this leader's ears? */
export function isStale(known: Progress, { uncertain }: AppendReply | HeartbeatReply): boolean {
  return known.doubt !== null && uncertain === undefined;
}

/** Does a member that is sound hold what its doubt waits for? It was vouched for before. */
export function isLate({ doubt }: Progress, { uncertain, rejected, index }: AppendReply): boolean {
  return doubt !== null && uncertain === undefined && !rejected && index >= doubt.index;
}

/** Vouches for a member that holds what it must; again at each of its answers, since any of this may be lost. */
export function vouchFor(
  { self, term }: RaftContext,
  to: BrokerId,
  { doubt, match }: Progress,
  commit: LogIndex,
): RaftEffect[] {
  if (doubt === null || match < doubt.index || commit < doubt.index) return [];
  return [send({ type: 'vouch', from: self, to, term, boot: doubt.boot, index: doubt.index })];
}

// ---------------------------------------------------------------- the member

/**
 * Does a leader of this term vouch for this very process, and is what it needs durable here? What is committed may have left the log,
 * or never been in it: a snapshot holds it.
 */
export function isVouchedFor({ term, options, durable, log, commit }: RaftContext, vouch: Vouch): boolean {
  const { boot, index } = vouch;
  const holds = durable >= index && (index <= commit || termAt(log, index) === term);
  return vouch.term === term && boot === options.boot && holds;
}

const reply = ({ self, term }: RaftContext, { from, boot }: Vouch): RaftEffect =>
  send({ type: 'vouchReply', from: self, to: from, term, boot }, 'synced');

export const becomeSound: Decision = (context, event) => {
  if (event.type !== 'vouch') return {};
  return { changes: { sound: true }, effects: [{ type: 'markSound', params: {} }, reply(context, event)] };
};

/** Nobody has anything that could have been lost. */
export const trustStorage: Decision = () => ({
  changes: { sound: true },
  effects: [{ type: 'markSound', params: {} }],
});

/** The answer was lost. */
export const confirmSound: Decision = (context, event) =>
  event.type === 'vouch' && context.sound ? { effects: [reply(context, event)] } : {};
