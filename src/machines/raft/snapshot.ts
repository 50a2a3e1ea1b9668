// Snapshots and compaction (§5), as far as the chart is concerned: where the log begins, and what to do with a follower that needs
// entries from before that.
//
//   leader                                   follower
//   probe: its next entry has left the log
//     │ sendSnapshot ──▶ (actor: chunks, on a stream of their own) ──▶ durable in its store
//   snapshot ◀── snapshot.sent
//     │ installSnapshot(base) ─────────────▶ log begins anew behind the base, state from the store
//   snapshot, waits ◀── appendReply(base) ── once that is durable
//   replicate, from base + 1
//
// A snapshot's state may be ahead of the base at which the follower's log begins anew: the leader's log begins there, too, and what
// is between the two is sent as entries, which the follower keeps for those who follow its log, and does not apply again.
//
// Invariants
//   1. Only what is applied leaves the log, and only when a durable snapshot holds it (the actor's to say).
//   2. A follower gives up its log for a snapshot only when it is durable here, reaches the base, and the log lacks the entry at the
//      base: then whatever the log holds behind it is not committed.
//   3. While a snapshot is under way nothing is appended to the follower. It ends by the actor's word, by an answer that shows the
//      follower to hold all before the leader's log, or with the term.
import { assert } from '../../core/assert.ts';
import type { BrokerId, LogIndex, Millis } from '../../core/ids.ts';
import type { Decision, RaftContext } from './context.ts';
import { apply, type RaftEffect, send } from './effects.ts';
import { answer, hear } from './following.ts';
import { compactThrough, type LogView, termAt } from './log-view.ts';
import { peersIn } from './membership.ts';
import type { InstallSnapshot } from './messages.ts';
import { type Progress, probeFrom } from './progress.ts';

/** Has the entry that this follower needs next, or the one before it, left the log? */
export function needsSnapshot({ firstIndex }: LogView, { next, state }: Progress): boolean {
  return next < firstIndex && state !== 'snapshot';
}

/** Nobody sends a snapshot to who does not answer: it would only be in the way of those who do. */
export function askForSnapshot(
  { options, term, log }: RaftContext,
  to: BrokerId,
  known: Progress,
  at: Millis,
  effects: RaftEffect[],
): Progress {
  if (known.probing || at - known.heardAt > options.electionMaxMs) return known;
  effects.push({ type: 'sendSnapshot', params: { to, term } });
  // A late answer ends the wait only if it shows the follower to hold all before the log.
  return { ...known, state: 'snapshot', next: log.firstIndex, inflight: [], probing: false };
}

/** The transfer has ended. Undefined: it is no news any more. */
export function afterTransfer(
  { self, term, log }: RaftContext,
  peer: BrokerId,
  known: Progress | undefined,
  { index, at }: { readonly index: LogIndex | null; readonly at: Millis },
  effects: RaftEffect[],
): Progress | undefined {
  if (known?.state !== 'snapshot' || known.probing) return undefined;
  // Not now: tried again when whatever else was lost would be.
  if (index === null) return { ...probeFrom(known, known.match + 1), probing: true, movedAt: at };
  const base = log.firstIndex - 1;
  // The log goes on from a newer one by now.
  if (index < base) return probeFrom(known, known.match + 1);
  effects.push(send({ type: 'installSnapshot', from: self, to: peer, term, index: base, indexTerm: log.previousTerm }));
  return { ...known, next: base + 1, probing: true, movedAt: at };
}

const accepted = (context: RaftContext, message: InstallSnapshot, index: LogIndex): RaftEffect =>
  answer(context, message, { rejected: false, index, hintIndex: 0, hintTerm: 0 });

export const takeSnapshot: Decision = (context, event) => {
  if (event.type !== 'installSnapshot') return {};
  const { index, indexTerm } = event;
  const { self, log, commit, configurations } = context;
  const heard = hear(context, event, event.at);
  // What is committed is the leader's, too.
  if (index <= commit) return { changes: heard, effects: [accepted(context, event, commit)] };
  if (termAt(log, index) === indexTerm)
    return { changes: { ...heard, commit: index }, effects: [apply(index), accepted(context, event, index)] };
  // It did not arrive, or was found broken since: without an answer it is sent again.
  if ((event.held ?? 0) < index) return { changes: heard };
  const history = event.heldConfiguration === undefined ? configurations : [event.heldConfiguration];
  return {
    changes: {
      ...heard,
      log: compactThrough(log, index, indexTerm),
      commit: index,
      durable: index,
      configurations: history,
      peers: peersIn(history, self, index),
    },
    effects: [
      { type: 'compact', params: { through: index, term: indexTerm } },
      { type: 'restore', params: { base: index } },
      accepted(context, event, index),
    ],
  };
};

/** A durable snapshot holds what is to leave. */
export const compactLog: Decision = ({ log, applied }, event) => {
  if (event.type !== 'compact') return {};
  const { through } = event;
  assert(through <= applied, () => `entry ${through} would leave the log, but only ${applied} is applied`);
  const term = termAt(log, through);
  if (through < log.firstIndex || term === undefined) return {};
  return {
    changes: { log: compactThrough(log, through, term) },
    effects: [{ type: 'compact', params: { through, term } }],
  };
};
