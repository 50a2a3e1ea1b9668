// The trace of a script: one line for each message when it leaves, each effect, and each change of a member's role or term, in columns.
//
//   1->2  append          t1   prev 1@1 entries 2..3@1 commit 1        a message: who to whom, what, of which term
//   2     append               2..3@1                                  an effect at a member
//   2     follower        t1   vote - leader 1                         what a member has become
//   2     ignores              1->2 append t0 …                        it changed nothing and asked for nothing
//   @ 350 ms                                                           what follows happened then
//
// `3@1` is entry 3, of term 1.
import { isDeepStrictEqual } from 'node:util';
import type { LogIndex, Term } from '../../src/core/ids.ts';
import type { RaftContext } from '../../src/machines/raft/context.ts';
import type { RaftEffect } from '../../src/machines/raft/effects.ts';
import type { RaftEvent } from '../../src/machines/raft/events.ts';
import { runsBetween } from '../../src/machines/raft/log-view.ts';
import { inForce } from '../../src/machines/raft/membership.ts';
import type { RaftMessage, TermRun } from '../../src/machines/raft/messages.ts';
import type { Happening, Snapshot } from './raft-charts.ts';

/** Who, what, of which term, and the rest. */
export function line(who: string, what: string, term: Term | null, rest: string): string {
  const columns = `${who.padEnd(5)} ${what.padEnd(15)} ${(term === null ? '' : `t${term}`).padEnd(4)}`;
  return `${columns} ${rest}`.trimEnd();
}

const at = (index: LogIndex, term: Term): string => `${index}@${term}`;

/** `4..5@1 6@2`. */
export function entries(runs: readonly TermRun[], last: LogIndex): string {
  const parts = runs.map(({ first, term }, position) => {
    const end = (runs[position + 1]?.first ?? last + 1) - 1;
    return end > first ? `${first}..${at(end, term)}` : at(first, term);
  });
  return parts.length === 0 ? 'none' : parts.join(' ');
}

function value(of: unknown): string {
  if (Array.isArray(of)) return of.map(value).join(',');
  if (typeof of === 'object' && of !== null) return plain(of as Record<string, unknown>);
  return String(of);
}

/** Fields by their names. */
const plain = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .map(([name, of]) => `${name} ${value(of)}`)
    .join(' ');

const doubtOf = ({ uncertain }: { readonly uncertain?: number | undefined }): string =>
  uncertain === undefined ? '' : ` uncertain ${uncertain}`;

function content(message: RaftMessage): string {
  switch (message.type) {
    case 'preVote':
      return `last ${at(message.lastIndex, message.lastTerm)}`;
    case 'vote':
      return `last ${at(message.lastIndex, message.lastTerm)}${message.transfer === true ? ' by transfer' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return message.granted ? 'granted' : 'refused';
    case 'append': {
      const { prevIndex, prevTerm, runs, lastIndex, commit } = message;
      return `prev ${at(prevIndex, prevTerm)} entries ${entries(runs, lastIndex)} commit ${commit}`;
    }
    case 'appendReply':
      return message.rejected
        ? `refused behind ${message.index} hint ${at(message.hintIndex, message.hintTerm)}${doubtOf(message)}`
        : `holds ${message.index}${doubtOf(message)}`;
    // Round 0 wants no answer.
    case 'heartbeat':
      return `commit ${message.commit}${message.round > 0 ? ` round ${message.round}` : ''}`;
    case 'heartbeatReply':
      return `round ${message.round}${doubtOf(message)}`;
    case 'installSnapshot':
      return `log begins behind ${at(message.index, message.indexTerm)}`;
    case 'timeoutNow':
      return 'campaign at once';
    case 'readIndex':
      return `read ${message.read}`;
    case 'readIndexReply':
      return `read ${message.read} ${message.index === null ? 'refused' : `at ${message.index}`}`;
    case 'vouch':
      return `boot ${message.boot} entry ${message.index}`;
    case 'vouchReply':
      return `boot ${message.boot}`;
  }
}

export const messageLine = (message: RaftMessage): string =>
  line(`${message.from}->${message.to}`, message.type, message.term, content(message));

function effectContent(effect: RaftEffect, before: RaftContext | undefined, after: RaftContext): string {
  switch (effect.type) {
    case 'persist':
      return `vote ${effect.params.hard.votedFor ?? '-'}`;
    case 'truncate':
      return `behind ${effect.params.after}`;
    case 'compact':
      return `through ${at(effect.params.through, effect.params.term)}`;
    case 'append':
      return entries(runsBetween(after.log, effect.params.first, effect.params.last), effect.params.last);
    case 'apply':
      return `${(before?.commit ?? 0) + 1}..${effect.params.through}`;
    case 'answerReads':
      return `${effect.params.reads.join(',')} at ${effect.params.index}`;
    default:
      return plain(effect.params as unknown as Record<string, unknown>);
  }
}

export function effectLine(
  name: string,
  effect: RaftEffect,
  before: RaftContext | undefined,
  after: RaftContext,
): string {
  const term = effect.type === 'persist' ? effect.params.hard.term : null;
  return line(name, effect.type, term, effectContent(effect, before, after));
}

/** `voters 1,2,4 outgoing 1,2,3 learners 5 joining 5 (entry 7)`. */
export function membershipOf({ configurations }: RaftContext): string {
  const { index, configuration } = inForce(configurations);
  const { voters, outgoing, learners, joining } = configuration;
  const parts = Object.entries({ voters, outgoing, learners, joining }).filter(([, ids]) => ids.length > 0);
  return [...parts.map(([name, ids]) => `${name} ${ids.join(',')}`), `(entry ${index})`].join(' ');
}

/** `leader.serving`. */
export function stateOf({ value: state }: Snapshot): string {
  return typeof state === 'string' ? state : Object.entries(state).flat().join('.');
}

function standing(snapshot: Snapshot): string {
  const { self, term, votedFor, leader } = snapshot.context;
  return line(self, stateOf(snapshot), term, `vote ${votedFor ?? '-'} leader ${leader ?? '-'}`);
}

/** The time at which it was heard is no news. */
function isUnchanged(before: Snapshot, after: Snapshot): boolean {
  return isDeepStrictEqual({ ...before.context, heardAt: 0 }, { ...after.context, heardAt: 0 });
}

const isMessage = (event: RaftEvent): event is RaftEvent & RaftMessage => 'from' in event && 'to' in event;

/** Of most events it shows in what comes of them. */
function cause(name: string, event: RaftEvent, isIdle: boolean): string[] {
  if (event.type.startsWith('xstate.after') && !isIdle) return [line(name, 'timeout', null, '')];
  if (isIdle && isMessage(event)) return [line(name, 'ignores', null, messageLine(event).replace(/ +/g, ' '))];
  return [];
}

function stepLines({ name, event, before, after, effects }: Extract<Happening, { kind: 'step' }>): string[] {
  const lines: string[] = [];
  if (event !== null && before !== null) {
    const isSame = standing(before) === standing(after);
    const isQuiet = effects.length === 0 && isSame;
    lines.push(...cause(name, event, isQuiet && (!isMessage(event) || isUnchanged(before, after))));
    if (!isSame) lines.push(standing(after));
  }
  const membership = membershipOf(after.context);
  if (before !== null && membership !== membershipOf(before.context))
    lines.push(line(name, 'members', null, membership));
  const shown = effects.filter(({ type }) => type !== 'send');
  return [...lines, ...shown.map((effect) => effectLine(name, effect, before?.context, after.context))];
}

export function linesOf(happening: Happening): string[] {
  if (happening.kind === 'step') return stepLines(happening);
  if (happening.kind === 'synced') {
    const { name, hard, last } = happening;
    const vote = hard === undefined ? '' : `vote ${hard.votedFor ?? '-'} `;
    return [line(name, 'synced', hard?.term ?? null, `${vote}log to ${at(last.index, last.term)}`)];
  }
  const text = messageLine(happening.message);
  return [happening.kind === 'lost' ? `${text}  (lost)` : text];
}
