// Leadership is handed over (§3.10): the leader takes no proposals, brings the other member up to date, and tells it to campaign at
// once. That member asks for no pre-votes, and its request for votes says that the leader wanted it.
//
//   serving ──transfer──▶ transferring ──(it holds the whole log)── timeoutNow ──▶ its campaign ──▶ newer term: follower
//      ▲                       │
//      └── an election timeout ┴── cancelled (transfer to itself)
//
// Invariants
//   1. While it lasts nothing is appended, so that the other member can hold everything.
//   2. It ends: by a newer term, after one election timeout, or when it is called off. Asking for the same again does not prolong it.
//   3. Once somebody was told to campaign, no lease holds any more in this term.
import { present } from '../../core/assert.ts';
import type { BrokerId } from '../../core/ids.ts';
import type { Decision, Leadership, RaftContext } from './context.ts';
import { type RaftEffect, send, type TransferFailure } from './effects.ts';
import type { RaftEvent } from './events.ts';
import { inForce } from './membership.ts';

const ended = (to: BrokerId, reason: TransferFailure): RaftEffect => ({ type: 'endTransfer', params: { to, reason } });

/** Another voter, of whom this leader has no doubt. */
export function mayTakeOver({ self, configurations, leadership }: RaftContext, event: RaftEvent): boolean {
  if (event.type !== 'transfer' || event.to === self) return false;
  const { voters } = inForce(configurations).configuration;
  return voters.includes(event.to) && leadership?.progress[event.to]?.doubt === null;
}

/** Tells whoever is to lead to campaign, once it holds the whole log. */
export function handOver({ self, term, log }: RaftContext, leadership: Leadership, effects: RaftEffect[]): Leadership {
  const { transfer, progress } = leadership;
  if (transfer === null || transfer.told || progress[transfer.to]?.match !== log.lastIndex) return leadership;
  effects.push(send({ type: 'timeoutNow', from: self, to: transfer.to, term }));
  return { ...leadership, transfer: { ...transfer, told: true }, leaseBroken: true };
}

const transferOf = ({ leadership }: RaftContext) => present(leadership, 'a leader has a leadership').transfer;

export const beginTransfer: Decision = (context, event) => {
  if (event.type !== 'transfer') return {};
  const before = present(context.leadership, 'a leader has a leadership');
  const effects: RaftEffect[] = [];
  if (before.transfer !== null) effects.push(ended(before.transfer.to, 'replaced'));
  const leadership = handOver(context, { ...before, transfer: { to: event.to, told: false } }, effects);
  return { changes: { leadership }, effects };
};

/** To itself: it is called off. */
export const cancelTransfer: Decision = (context, event) =>
  event.type === 'transfer' ? over(context, 'cancelled') : {};

export const giveUpTransfer: Decision = (context) => over(context, 'timedOut');

function over(context: RaftContext, reason: TransferFailure) {
  const leadership = present(context.leadership, 'a leader has a leadership');
  const transfer = transferOf(context);
  return {
    changes: { leadership: { ...leadership, transfer: null } },
    effects: transfer === null ? [] : [ended(transfer.to, reason)],
  };
}

/** Said by whoever cannot. */
export const refuseTransfer: Decision = ({ leadership, self }, event) => {
  if (event.type !== 'transfer') return {};
  if (leadership === null) return { effects: [ended(event.to, 'notLeader')] };
  return { effects: event.to === self ? [] : [ended(event.to, 'notVoter')] };
};

export const refuseTransferUnsettled: Decision = (_context, event) =>
  event.type === 'transfer' ? { effects: [ended(event.to, 'notServing')] } : {};

/** No proposals now: they would have to be waited for. */
export const refuseWhileTransferring: Decision = (_context, event) =>
  event.type === 'propose'
    ? { effects: [{ type: 'refuseProposal', params: { ticket: event.ticket, reason: 'transferring' } }] }
    : {};

/** Asked for again. */
export function isSameTransfer(context: RaftContext, event: RaftEvent): boolean {
  return event.type === 'transfer' && transferOf(context)?.to === event.to;
}
