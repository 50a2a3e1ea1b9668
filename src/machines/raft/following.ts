// Replication, the follower's half (§3.5, §3.6.2).
//
// Invariants
//   1. Only what conflicts is cut, never at or below the commit index: a stale, shorter message cuts nothing.
//   2. An answer to entries names only what is durable here: it leaves after the write (`synced`).
//   3. One leader per term: two that speak in the same term end the process.
//   4. The commit index never falls, and never passes what is known to equal the leader's log.
import { assert } from '../../core/assert.ts';
import type { LogIndex } from '../../core/ids.ts';
import type { Decision, RaftContext } from './context.ts';
import { apply, type RaftEffect, send } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { cutAfter, extendWith, firstConflict, lastNotAbove, termAt } from './log-view.ts';
import { peersIn, sinceApplied, withEntries } from './membership.ts';
import type { Append, AppendReply, Heartbeat, InstallSnapshot } from './messages.ts';

/** A message of this term's leader: it is well. */
export function hear(
  context: RaftContext,
  { from, term }: Append | Heartbeat | InstallSnapshot,
  at: number,
): Pick<RaftContext, 'leader' | 'heardAt'> {
  assert(
    context.leader === null || context.leader === from,
    () => `term ${term} has two leaders: ${context.leader} and ${from}`,
  );
  return { leader: from, heardAt: at };
}

/** Does the log hold the entry before the message's first? What is committed is equal in all logs. */
export function holdsPrevious(context: RaftContext, message: Append): boolean {
  return message.prevIndex <= context.commit || termAt(context.log, message.prevIndex) === message.prevTerm;
}

type Answer = Pick<AppendReply, 'rejected' | 'index' | 'hintIndex' | 'hintTerm'>;

/** An answer of a member that cannot rely on its storage says so. */
export function answer(
  { self, term, sound, options }: RaftContext,
  { from: to }: Append | Heartbeat | InstallSnapshot,
  { rejected, index, hintIndex, hintTerm }: Answer,
): RaftEffect {
  const reply = { type: 'appendReply', from: self, to, term, rejected, index, hintIndex, hintTerm } as const;
  return send(sound ? reply : { ...reply, uncertain: options.boot }, 'synced');
}

const accepted = (context: RaftContext, message: Append): RaftEffect =>
  answer(context, message, { rejected: false, index: message.lastIndex, hintIndex: 0, hintTerm: 0 });

export const takeEntries: Decision = (context, event) => {
  if (event.type !== 'append') return {};
  const { log, durable, commit } = context;
  const { runs, lastIndex, term } = event;
  const effects: RaftEffect[] = [];
  const changes: { -readonly [Key in keyof RaftContext]?: RaftContext[Key] } = hear(context, event, event.at);
  const conflict = firstConflict(log, runs, lastIndex);
  if (conflict !== null) {
    assert(
      conflict > commit,
      () => `entry ${conflict} differs from the leader's, and up to ${commit} all is committed`,
    );
    if (conflict <= log.lastIndex) effects.push({ type: 'truncate', params: { after: conflict - 1 } });
    effects.push({ type: 'append', params: { first: conflict, last: lastIndex, term, source: 'message' } });
    changes.log = extendWith(cutAfter(log, conflict - 1), runs, lastIndex);
    changes.durable = Math.min(durable, conflict - 1);
    const configurations = withEntries(context.configurations, event.configurations ?? [], conflict - 1);
    if (configurations !== context.configurations) {
      changes.configurations = configurations;
      changes.peers = peersIn(configurations, context.self, commit);
    }
  }
  effects.push(accepted(context, event));
  // Behind the message's last entry this log may differ from the leader's: its commit index says nothing of that.
  const committed = Math.min(event.commit, lastIndex);
  if (committed > commit) {
    changes.commit = committed;
    effects.push(apply(committed));
  }
  return { changes, effects };
};

/** Does this message bring a configuration, or cut one off? */
export function changesMembership(
  context: RaftContext,
  event: Append & { configurations?: readonly unknown[] },
): boolean {
  if ((event.configurations?.length ?? 0) > 0) return true;
  if (context.configurations.length === 1) return false;
  const conflict = firstConflict(context.log, event.runs, event.lastIndex);
  return conflict !== null && (context.configurations.at(-1)?.index ?? 0) >= conflict;
}

/** The hint is the last place worth trying: a leader whose entry before ours has prevTerm holds nothing of a newer term there. */
export const refuseEntries: Decision = (context, event) => {
  if (event.type !== 'append') return {};
  const { log } = context;
  const hintIndex = lastNotAbove(log, event.prevIndex - 1, event.prevTerm);
  const hint = { rejected: true, index: event.prevIndex, hintIndex, hintTerm: termAt(log, hintIndex) ?? 0 };
  return { changes: hear(context, event, event.at), effects: [answer(context, event, hint)] };
};

/** The leader has capped the commit index at what it knows this log to hold. */
export const takeHeartbeat: Decision = (context, event) => {
  if (event.type !== 'heartbeat') return {};
  const { self, term, log, commit } = context;
  const heard = hear(context, event, event.at);
  const { round } = event;
  const reply = { type: 'heartbeatReply', from: self, to: event.from, term, round } as const;
  // What it is known to hold may be lost.
  if (!context.sound)
    return { changes: heard, effects: round > 0 ? [send({ ...reply, uncertain: context.options.boot })] : [] };
  const effects = round > 0 ? [send(reply)] : [];
  assert(
    event.commit <= log.lastIndex,
    () =>
      `told to commit ${event.commit}, but the log ends at ${log.lastIndex}: it has lost entries that it had acknowledged`,
  );
  if (event.commit <= commit) return { changes: heard, effects };
  const { leader, heardAt } = heard;
  return { changes: { leader, heardAt, commit: event.commit }, effects: [apply(event.commit), ...effects] };
};

/** A leader of an older term is told the newer one, so that it steps down even where it would win every pre-vote. */
export const tellTerm: Decision = (context, event) =>
  event.type === 'append' || event.type === 'heartbeat' || event.type === 'installSnapshot'
    ? { effects: [answer(context, event, { rejected: true, index: 0, hintIndex: 0, hintTerm: 0 })] }
    : {};

/** What was synced may have been cut since, and replaced. */
export function durableAfter({ durable, log }: RaftContext, event: RaftEvent): LogIndex {
  const isNews = event.type === 'log.synced' && event.index > durable && termAt(log, event.index) === event.term;
  return isNews ? event.index : durable;
}

export const noteDurable: Decision = (context, event) => {
  const durable = durableAfter(context, event);
  return durable === context.durable ? {} : { changes: { durable } };
};

export const noteApplied: Decision = (context, event) => {
  if (event.type !== 'applied') return {};
  assert(
    event.index <= context.commit,
    () => `entry ${event.index} was applied, but only ${context.commit} is committed`,
  );
  const applied = Math.max(context.applied, event.index);
  if (context.configurations.length === 1) return { changes: { applied } };
  return { changes: { applied, configurations: sinceApplied(context.configurations, applied) } };
};

/** Only a leader appends. */
export const refuseUnled: Decision = (_context, event) =>
  event.type === 'propose'
    ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'notLeader' } }] }
    : {};
