// What a member makes of everything that may happen to it, as text: for each situation the events, and below each where it leads, what
// changes, and what is asked for. The tables are written by the program and reviewed by people, line by line.
//
//   b->a vote t4 last 4@3
//     → follower, waits an election timeout   it was in another state, or its timer was started anew
//     term: 3 → 4                             a part of its context; `now` is the moment of the event
//     persist t4 vote b                       an effect; `when synced`: the message waits for the disk
//
// Events that change nothing and ask for nothing stand together at the end. Of a situation that is like another one, only what comes
// to something else is listed.
import { isDeepStrictEqual } from 'node:util';
import type { RaftContext } from '../../src/machines/raft/context.ts';
import type { RaftEffect } from '../../src/machines/raft/effects.ts';
import type { RaftEvent } from '../../src/machines/raft/events.ts';
import type { RaftMessage } from '../../src/machines/raft/messages.ts';
import { raftMachine } from '../../src/machines/raft/raft-machine.ts';
import { createStepper, type SteppedAction } from '../../src/streams/stepper.ts';
import { everything } from './raft-chart-events.ts';
import { INPUT, type Situation } from './raft-chart-situations.ts';
import type { Snapshot } from './raft-charts.ts';
import { effectLine, entries, membershipOf, messageLine, stateOf } from './raft-script-trace.ts';

/** The timer that runs, if one does. */
interface Timer {
  readonly type: string;
  readonly delay: number;
}
interface Position {
  readonly snapshot: Snapshot;
  readonly timer: Timer | null;
  readonly at: number;
}
interface Row {
  readonly type: string;
  readonly event: string;
  /** Nothing, when nothing changes and nothing is asked for. */
  readonly comes: readonly string[];
}
interface Table {
  readonly standing: readonly string[];
  /** As many, of the same events, in each situation. */
  readonly rows: readonly Row[];
}

const BEGIN_MS = 1_000;
/** So that what is noted of the moment is seen to change. */
const LATER_MS = 10;

// ---------------------------------------------------------------- stepping

function timerAfter(before: Timer | null, actions: readonly SteppedAction[]): Timer | null {
  let timer = before;
  for (const { type, params } of actions) {
    if (type === 'xstate.cancel') timer = null;
    if (type !== 'xstate.raise') continue;
    const { delay, event } = params as { readonly delay?: number; readonly event: { readonly type: string } };
    if (delay !== undefined) timer = { type: event.type, delay };
  }
  return timer;
}

/** Where no timer runs, nothing comes of it. */
const timeout = ({ timer }: Position, at: number): RaftEvent =>
  ({ type: timer?.type ?? 'xstate.after.none', at }) as unknown as RaftEvent;

const typeOf = ({ type }: RaftEvent): string => (type.startsWith('xstate.') ? 'timeout' : type);

function rowsOf({ input, way, waitMs = LATER_MS }: Situation): Table {
  const stepper = createStepper(raftMachine, { ...INPUT, at: BEGIN_MS, ...input });
  const first = stepper.initial();
  let here: Position = { snapshot: first.snapshot, timer: timerAfter(null, first.actions), at: BEGIN_MS };

  function after({ snapshot, timer }: Position, event: RaftEvent) {
    const { snapshot: next, actions } = stepper.step(snapshot, event);
    return { actions, position: { snapshot: next, timer: timerAfter(timer, actions), at: event.at } };
  }

  for (const event of way) {
    const isTimeout = event === 'timeout';
    const next = isTimeout ? timeout(here, here.at + (here.timer?.delay ?? 0)) : { ...event, at: here.at };
    here = after(here, next as RaftEvent).position;
  }
  const at = here.at + waitMs;
  const events = everything(here.snapshot.context).map((event) => ({ ...event, at }) as RaftEvent);
  const rows = [...events, timeout(here, at)].map((event): Row => {
    const row = { type: typeOf(event), event: eventLine(event) };
    try {
      const { actions, position } = after(here, event);
      return { ...row, comes: comes(here, position, actions) };
    } catch (error) {
      return { ...row, comes: [`the process ends: ${error instanceof Error ? error.message : error}`] };
    }
  });
  return { standing: standing(here), rows };
}

// ---------------------------------------------------------------- wording

/** @param others those that this one may be like. */
export function tableOf(situation: Situation, others: readonly Situation[]): string {
  const { what, like, about } = situation;
  const { standing: where, rows } = rowsOf(situation);
  const model = others.find(({ name }) => name === like);
  const known = model === undefined ? [] : rowsOf(model).rows;
  const told = rows.filter(
    (row, at) => (about?.includes(row.type as 'timeout') ?? true) && !isDeepStrictEqual(row.comes, known[at]?.comes),
  );
  const head = [
    `# ${what}${like === undefined ? '' : `; all else as in ${like}.txt`}`,
    ...where.map((line) => `# ${line}`),
  ];
  const busy = told.filter(({ comes: lines }) => lines.length > 0);
  const idle = told.filter(({ comes: lines }) => lines.length === 0);
  return [
    ...head,
    '',
    ...busy.flatMap(({ event, comes: lines }) => [event, ...lines.map((line) => `  ${line}`)]),
    ...(idle.length === 0 ? [] : ['', '# Nothing comes of', ...new Set(idle.map(({ event }) => event))]),
    '',
  ].join('\n');
}

const squeezed = (text: string): string => text.replace(/ +/g, ' ').trim();

function standing({ snapshot }: Position): string[] {
  const { term, votedFor, leader, log, commit, applied, durable } = snapshot.context;
  return [
    `${stateOf(snapshot)}, term ${term}, vote ${votedFor ?? '-'}, leader ${leader ?? '-'}`,
    `log ${entries(log.runs, log.lastIndex)}, durable ${durable}, commit ${commit}, applied ${applied}`,
    membershipOf(snapshot.context),
  ];
}

function eventLine(event: RaftEvent): string {
  const { type, at: _, ...fields } = event;
  if (typeOf(event) === 'timeout') return 'timeout';
  if (!('from' in event)) return squeezed(`${type} ${worded(fields).replace(/[{}]/g, '')}`);
  const more = ('configurations' in event ? ' a configuration' : '') + ('held' in event ? ', held' : '');
  return `${squeezed(messageLine(event as RaftMessage))}${more}`;
}

function comes(before: Position, { snapshot, timer, at }: Position, actions: readonly SteppedAction[]): string[] {
  const [was, is] = [before.snapshot.context, snapshot.context];
  const lines = differences(partsOf(was), partsOf(is), at);
  const isElsewhere = stateOf(before.snapshot) !== stateOf(snapshot);
  const waits = timer === null || timer === before.timer ? '' : `, waits ${patience(timer.delay, is)}`;
  if (isElsewhere || waits !== '') lines.unshift(`→ ${stateOf(snapshot)}${waits}`);
  for (const action of actions) {
    if (action.type.startsWith('xstate.')) continue;
    const effect = action as RaftEffect;
    const text = effect.type === 'send' ? messageLine(effect.params.message) : effectLine('', effect, was, is);
    lines.push(squeezed(`${text}${effect.type === 'send' && effect.params.when === 'synced' ? ', when synced' : ''}`));
  }
  return lines;
}

/** A whole one that was drawn by chance means nothing. */
const patience = (delay: number, { timer }: RaftContext): string =>
  delay === timer.timeout ? 'an election timeout' : `${delay} ms`;

/** As far as they mean something: what is drawn by chance does not, and long ones have a short form. */
function partsOf(context: RaftContext): Readonly<Record<string, unknown>> {
  const { self: _self, options: _options, timer: _timer, configurations: _all, log, leadership, ...others } = context;
  return {
    ...others,
    log: entries(log.runs, log.lastIndex),
    members: membershipOf(context),
    leads: leadership !== null,
    ...(leadership === null ? {} : { leadership }),
  };
}

/** Where two contexts differ, as deep as that can be said in a few words. */
function differences(before: unknown, after: unknown, now: number, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  // It has begun or ended.
  if (path === 'leadership' && !(isTable(before) && isTable(after))) return [];
  if (!isTable(before) || !isTable(after))
    return [`${path}: ${worded(before)} → ${after === now ? 'now' : worded(after)}`];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => differences(before[key], after[key], now, path === '' ? key : `${path}.${key}`));
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function worded(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(worded).join(' ')}]`;
  if (!isTable(value))
    return value === Number.NEGATIVE_INFINITY ? '-' : String((value as string | number | null) ?? '-');
  return `{${Object.entries(value)
    .map(([key, of]) => `${key} ${worded(of)}`)
    .join(' ')}}`;
}
