// A leader changes who belongs to its group (§4.3): by a configuration that is appended, and in force from then on.
//
// Invariants (beside those of membership.ts)
//   1. A joint configuration that is committed is followed by its end, whoever leads by then and whoever asked for it.
//   2. A learner that is to become a voter is made one when it holds everything that is committed: it slows no quorum down.
//   3. A leader that is no voter of a committed configuration leads no longer; it tells a successor to campaign before it goes.
//   4. No change is begun that those voters alone could not agree on whose disks are not in doubt, before and after it: nobody could
//      vouch for the others any more, and a joint configuration is not taken back.
import { present } from '../../core/assert.ts';
import type { BrokerId, LogIndex, Millis } from '../../core/ids.ts';
import type { Decision, Leadership, Outcome, RaftContext } from './context.ts';
import { type RaftEffect, send } from './effects.ts';
import { extend, runsBetween, termAt } from './log-view.ts';
import {
  afterJoint,
  changeTo,
  type Configuration,
  inForce,
  isJoint,
  isVoterIn,
  membersOf,
  peersIn,
  promoted,
  withEntries,
} from './membership.ts';
import { newProgress } from './progress.ts';

export interface Reconfigured {
  readonly context: RaftContext;
  readonly leadership: Leadership;
}

/** May a configuration be appended now? */
function maySettle({ configurations, commit }: RaftContext, { termStart }: Leadership): boolean {
  return commit >= termStart && commit >= inForce(configurations).index;
}

/** Appends it: from now on it is in force. */
export function appendConfiguration(
  context: RaftContext,
  leadership: Leadership,
  configuration: Configuration,
  at: Millis,
  effects: RaftEffect[],
): Reconfigured {
  const { self, term, commit } = context;
  const log = extend(context.log, term, 1);
  const last = log.lastIndex;
  effects.push({ type: 'append', params: { first: last, last, term, source: 'configuration', configuration } });
  const configurations = withEntries(context.configurations, [{ index: last, configuration }], last - 1);
  const peers = peersIn(configurations, self, commit);
  const known = peers.map((peer) => [peer, leadership.progress[peer] ?? newProgress(last, at)] as const);
  return {
    context: { ...context, log, configurations, peers },
    leadership: { ...leadership, progress: Object.fromEntries(known) },
  };
}

/** What follows by itself from what is committed and known now; null: nothing. */
export function dueConfiguration(context: RaftContext, leadership: Leadership): Configuration | null {
  const { configuration } = inForce(context.configurations);
  if (!isJoint(configuration) && configuration.joining.length === 0) return null;
  if (!maySettle(context, leadership)) return null;
  if (isJoint(configuration)) return afterJoint(configuration);
  const ready = configuration.joining.find((id) => hasCaughtUp(leadership, id, context.commit));
  return ready === undefined ? null : promoted(configuration, ready);
}

function hasCaughtUp({ progress }: Leadership, id: BrokerId, commit: LogIndex): boolean {
  const known = progress[id];
  return known !== undefined && known.state === 'replicate' && known.doubt === null && known.match >= commit;
}

/**
 * The entry of the configuration once more, and that it is committed: who is left out by it stands for election no more. Where this is
 * lost it asks for pre-votes, and nobody who hears a leader grants them.
 */
function farewell({ self, term, log, commit }: RaftContext, to: BrokerId, index: LogIndex): RaftEffect {
  const prevTerm = present(termAt(log, index - 1), 'what was committed just now is in the log');
  const runs = runsBetween(log, index, index);
  return send({
    type: 'append',
    from: self,
    to,
    term,
    prevIndex: index - 1,
    prevTerm,
    lastIndex: index,
    runs,
    commit,
    bytes: 0,
  });
}

/** The configuration in force was committed just now: whoever is not in it is told so, and not talked to any more. */
export function withoutFormer(context: RaftContext, leadership: Leadership, effects: RaftEffect[]): Reconfigured {
  const { index, configuration } = inForce(context.configurations);
  if (context.commit < index) return { context, leadership };
  const members = membersOf(configuration);
  const peers = context.peers.filter((peer) => members.includes(peer));
  if (peers.length === context.peers.length) return { context, leadership };
  for (const peer of context.peers) if (!members.includes(peer)) effects.push(farewell(context, peer, index));
  const progress = Object.fromEntries(
    Object.entries(leadership.progress).filter(([peer]) => peers.includes(peer as BrokerId)),
  );
  return { context: { ...context, peers }, leadership: { ...leadership, progress } };
}

/** Is this leader no voter of what is committed? */
export function hasLeft({ self, configurations, commit }: RaftContext): boolean {
  const { index, configuration } = inForce(configurations);
  return commit >= index && !isVoterIn(configuration, self);
}

/** The voter that holds the most is to campaign at once, so that nobody waits for silence. */
export function tellSuccessor(
  { self, term, configurations, log }: RaftContext,
  { progress }: Leadership,
): RaftEffect[] {
  const { voters } = inForce(configurations).configuration;
  const successor = voters.find((voter) => progress[voter]?.match === log.lastIndex && progress[voter]?.doubt === null);
  return successor === undefined ? [] : [send({ type: 'timeoutNow', from: self, to: successor, term })];
}

/** Null: it may be done. */
export function obstacleToChange(
  context: RaftContext,
  leadership: Leadership,
  event: { readonly seen: LogIndex; readonly target: Parameters<typeof changeTo>[1] },
): { readonly reason: 'busy' | 'moved' | 'invalid'; readonly detail: string } | null {
  const { index, configuration } = inForce(context.configurations);
  if (event.seen !== index)
    return { reason: 'moved', detail: `the configuration is the one of entry ${index}, not of ${event.seen}` };
  if (!maySettle(context, leadership) || isJoint(configuration))
    return { reason: 'busy', detail: 'another change is under way' };
  if (leadership.transfer !== null) return { reason: 'busy', detail: 'leadership is being handed over' };
  const changed = changeTo(configuration, event.target);
  if (typeof changed === 'string') return { reason: 'invalid', detail: changed };
  if (![configuration.voters, changed.voters].every((voters) => canVouch(leadership, voters)))
    return { reason: 'busy', detail: 'too few of the voters would be left whose disks are not in doubt' };
  return null;
}

/** Invariant 4: those that are in doubt do not count until an entry is committed without them. */
function canVouch({ progress }: Leadership, voters: readonly BrokerId[]): boolean {
  const trusted = voters.filter((id) => (progress[id]?.doubt ?? null) === null);
  return trusted.length * 2 > voters.length;
}

/** Only a leader changes the membership. */
export const refuseChangeUnled: Decision = (_context, event) =>
  event.type === 'changeMembership' ? refused(event.ticket, 'notLeader', '') : {};

export function refused(ticket: number, reason: 'notLeader' | 'busy' | 'moved' | 'invalid', detail: string): Outcome {
  return { effects: [{ type: 'refuseChange', params: { ticket, reason, detail } }] };
}
