// Whatever may happen to one member of a Raft group, in every variety that its chart could tell apart: messages of an older, of its own
// and of a newer term, about more and less than it holds, and what its own process tells it.
import type { RaftContext } from '../../src/machines/raft/context.ts';
import { lastTerm, termAt } from '../../src/machines/raft/log-view.ts';
import type { RaftMessage } from '../../src/machines/raft/messages.ts';
import { DEFAULTS, id, type UntimedEvent } from './raft-charts.ts';

const A = id('a');
const B = id('b');
const C = id('c');
const STRANGER = id('z');

/** Of b, to this member, of the term before, of this and of the next one. */
function ofEachTerm<Message>(term: number, make: (to: { from: typeof B; to: typeof A; term: number }) => Message) {
  return [-1, 0, 1].map((more) => make({ from: B, to: A, term: term + more }));
}

function elections({ term, log }: RaftContext): RaftMessage[] {
  const last = { lastIndex: log.lastIndex, lastTerm: lastTerm(log) };
  const older = { lastIndex: log.lastIndex - 1, lastTerm: lastTerm(log) };
  const longer = { lastIndex: log.lastIndex + 1, lastTerm: lastTerm(log) };
  const next = { from: B, to: A, term: term + 1 };
  return [
    ...ofEachTerm(term, (to) => ({ type: 'preVote', ...to, ...last }) as const),
    { type: 'preVote', ...next, ...older },
    { type: 'preVote', ...next, ...longer },
    { type: 'preVote', ...next, from: C, ...last },
    ...ofEachTerm(term, (to) => ({ type: 'preVoteReply', ...to, granted: true }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'preVoteReply', ...to, granted: false }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'vote', ...to, ...last }) as const),
    { type: 'vote', ...next, ...older },
    { type: 'vote', ...next, from: C, ...last },
    { type: 'vote', ...next, ...last, transfer: true },
    { type: 'vote', ...next, from: C, ...last, transfer: true },
    { type: 'vote', ...next, term, from: C, ...last },
    { type: 'vote', ...next, term, ...last, transfer: true },
    ...ofEachTerm(term, (to) => ({ type: 'voteReply', ...to, granted: true }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'voteReply', ...to, granted: false }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'timeoutNow', ...to }) as const),
  ];
}

function entries({ term, log, commit }: RaftContext): UntimedEvent[] {
  const { lastIndex } = log;
  const own = { from: B, to: A, term };
  const follows = { prevIndex: lastIndex, prevTerm: lastTerm(log), lastIndex: lastIndex + 1, commit, bytes: 9 };
  const runs = [{ first: lastIndex + 1, term }];
  const configuration = { voters: [A, B], outgoing: [A, B, C], learners: [], joining: [] };
  return [
    ...ofEachTerm(term, (to) => ({ type: 'append', ...to, ...follows, runs }) as const),
    {
      type: 'append',
      ...own,
      ...follows,
      runs,
      configurations: [{ index: lastIndex + 1, configuration }],
    } as UntimedEvent,
    {
      type: 'append',
      ...own,
      ...follows,
      prevIndex: lastIndex + 3,
      lastIndex: lastIndex + 4,
      runs: [{ first: lastIndex + 4, term }],
    },
    ...[-1, 0, 1].map(
      (more) =>
        ({
          type: 'installSnapshot',
          ...own,
          term: term + more,
          index: lastIndex + 9,
          indexTerm: term,
          held: 99,
        }) as const,
    ),
    { type: 'installSnapshot', ...own, index: lastIndex + 9, indexTerm: term },
    ...ofEachTerm(term, (to) => ({ type: 'heartbeat', ...to, commit, round: 1 }) as const),
    { type: 'heartbeat', ...own, commit: lastIndex, round: 0 },
  ];
}

function answers({ term, log, durable, leadership, options }: RaftContext): RaftMessage[] {
  const { lastIndex } = log;
  const own = { from: B, to: A, term };
  const holds = { rejected: false, index: lastIndex, hintIndex: 0, hintTerm: 0 };
  const round = leadership?.round ?? 1;
  const index = leadership?.progress[B]?.doubt?.index ?? log.lastIndex;
  return [
    ...ofEachTerm(term, (to) => ({ type: 'appendReply', ...to, ...holds }) as const),
    { type: 'appendReply', ...own, ...holds, uncertain: 9 },
    { type: 'appendReply', ...own, ...holds, rejected: true, index: (leadership?.progress[B]?.next ?? 1) - 1 },
    ...ofEachTerm(term, (to) => ({ type: 'heartbeatReply', ...to, round }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'readIndex', ...to, read: 5 }) as const),
    ...ofEachTerm(term, (to) => ({ type: 'readIndexReply', ...to, read: 6, index: lastIndex }) as const),
    { type: 'readIndexReply', ...own, read: 6, index: null },
    ...ofEachTerm(term, (to) => ({ type: 'vouch', ...to, boot: options.boot, index }) as const),
    { type: 'vouch', ...own, boot: options.boot, index: durable },
    { type: 'vouch', ...own, boot: options.boot + 1, index: durable },
    ...ofEachTerm(term, (to) => ({ type: 'vouchReply', ...to, boot: 9 }) as const),
  ];
}

function ofItsProcess(context: RaftContext): UntimedEvent[] {
  const { term, log, commit, applied, configurations, options, heardAt } = context;
  const target = { voters: [A, B], learners: [], joining: [] };
  return [
    { type: 'log.synced', index: log.lastIndex, term: lastTerm(log) },
    { type: 'applied', index: applied },
    ...(commit > applied ? [{ type: 'applied', index: commit } as const] : []),
    { type: 'compact', through: applied },
    { type: 'propose', ticket: 1, count: 2, bytes: 10 },
    { type: 'propose', ticket: 1, count: 2, bytes: options.uncommittedBytesMax },
    { type: 'changeMembership', ticket: 2, seen: configurations.at(-1)?.index ?? 0, target },
    { type: 'transfer', to: B },
    { type: 'transfer', to: C },
    { type: 'transfer', to: A },
    { type: 'transfer', to: STRANGER },
    { type: 'membership.left' },
    { type: 'trusted' },
    { type: 'beat' },
    { type: 'beat', stalledMs: 1, diskPendingMs: DEFAULTS.diskPatienceMs + 1 } as UntimedEvent,
    { type: 'peer.closed', peer: B },
    { type: 'peer.closed', peer: C },
    { type: 'peer.opened', peer: B },
    { type: 'link.silent', vouchedUntil: heardAt + 400 },
    { type: 'link.silent', vouchedUntil: Number.NEGATIVE_INFINITY },
    { type: 'read', read: 4 },
    { type: 'append.sent', peer: B, term, lastIndex: log.lastIndex, bytes: 5_000 },
    { type: 'snapshot.sent', peer: B, term, index: termAt(log, commit) === undefined ? null : commit },
    { type: 'snapshot.sent', peer: B, term, index: null },
  ];
}

/** For a member in this situation. */
export function everything(context: RaftContext): UntimedEvent[] {
  return [...elections(context), ...entries(context), ...answers(context), ...ofItsProcess(context)];
}
