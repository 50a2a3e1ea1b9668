// What the steps of a script do, over the network of charts of raft-charts.ts. Members are named 1, 2, 3 …; time stands still but for
// `campaign` and `advance`; messages and writes wait until they are delivered, synced, or all of it is settled.
//
//   add-nodes 3 [log.1=1,2*3] [term.1=2] [vote.1=2] [founders=1,2] [OPTION=NUMBER]   terms of the entries that 1 begins with: one of 1, three of 2
//   campaign 1              its timer is the first to fire after a long silence
//   timeout 1               its timer fires now
//   elect 1                 … and all is settled; told in one line
//   propose 1 x y           one proposal of two entries
//   deliver [1->2] [TYPE] [first=1]   the messages that wait, or those between these (`*`: all) and of this type, or the first
//                           of them; what they cause waits
//   drop, repeat            instead: throw them away, have them twice
//   lose [1->2] [TYPE]      from now on such messages are lost when they leave, until `heal`
//   sync 1                  its writes are durable now: what waited for them leaves
//   hang 1, unhang 1        its disk syncs nothing more, also in `settle`
//   settle [1 2]            syncs and delivers until nothing is left to do, of all or at these alone
//   beat [1], skip 300      the common heartbeat; time goes on, and nothing happens
//   advance 300             time goes on, with beats and timers; heartbeats are not told
//   partition 1 [2], cut 1->2, heal
//   crash 1, restart 1      what was not synced is lost
//   compact 1 through=5     1 has a snapshot of what it has applied; what is up to 5 leaves its log
//   transfer [fails]        the snapshots that were asked for arrive, or do not
//   read 1
//   change-members 1 [voters=1,2,4] [learners=5] [joining=4] [seen=3]   seen: the entry of the configuration that its author knew
//   transfer-leadership 1 2
//   wipe 3                  it comes back with an empty disk, and knows that it was there before
//   closed 1 2, opened 1 2  1 sees that the connection to 2 was closed by its end, or is there anew
//   sent 1->2 last=3 bytes=90   1 has weighed what it sent
//   raft-log [1], state [1], members [1], status 1, messages, applied [1]   tell
//
// `quietly` before a command leaves out its trace; `fails` says that it ends the process, which else ends the script.
import type { LogIndex } from '../../src/core/ids.ts';
import type { RaftOptions } from '../../src/machines/raft/context.ts';
import type { RaftMessage } from '../../src/machines/raft/messages.ts';
import { type Charts, createCharts, DEFAULTS, type Happening, id, type UntimedEvent } from './raft-charts.ts';
import type { Command } from './raft-script.ts';
import { entries, line, linesOf, membershipOf, messageLine, stateOf } from './raft-script-trace.ts';

type Run = (command: Command) => string[];
type Verb = (charts: Charts, command: Command, say: (text: string) => void) => void;

function wordAt({ verb, words }: Command, position: number): string {
  const word = words[position];
  if (word === undefined) throw new Error(`${verb} lacks a word`);
  return word;
}

function numberOf({ verb, options }: Command, name: string): number {
  const number = Number(options.get(name));
  if (Number.isNaN(number)) throw new Error(`${verb} lacks ${name}=NUMBER`);
  return number;
}

/** `1->2 append`, `1->*`, `*->3`, `vote`, or nothing: all. */
function wanted({ words }: Command): (message: RaftMessage) => boolean {
  const [from = '*', to = '*'] = words.find((word) => word.includes('->'))?.split('->') ?? [];
  const type = words.find((word) => !word.includes('->'));
  return (message) =>
    (from === '*' || message.from === from) &&
    (to === '*' || message.to === to) &&
    (type === undefined || message.type === type);
}

/** These members, or all. */
const named = (charts: Charts, { words }: Command): readonly string[] => (words.length > 0 ? words : charts.ids);

// ---------------------------------------------------------------- doing

function settleSome(charts: Charts, names: readonly string[]): void {
  for (;;) {
    const writers = names.filter((name) => charts.member(name).writes.length > 0 && !charts.member(name).diskHangs);
    for (const name of writers) charts.sync(name);
    const delivered = charts.deliver(({ to }) => names.includes(to));
    if (writers.length === 0 && delivered === 0) return;
  }
}

/** Away from all but those that are cut off with it. */
function partition(charts: Charts, side: readonly string[]): void {
  for (const inside of side)
    for (const outside of charts.ids.filter((name) => !side.includes(name))) {
      charts.cut(inside, outside);
      charts.cut(outside, inside);
    }
  charts.drop(({ from, to }) => side.includes(from) !== side.includes(to));
}

function peer(type: 'peer.closed' | 'peer.opened'): Verb {
  return (charts, command) =>
    charts.step(wordAt(command, 0), { type, peer: id(wordAt(command, 1)) } satisfies UntimedEvent);
}

const idsOf = (text = '') => (text === '' ? [] : text.split(',').map(id));

const lost = ({ from, to, type }: RaftMessage): string => `${from}->${to} ${type}`;

// ---------------------------------------------------------------- telling

function tellLog(charts: Charts, name: string): string {
  const { log, durable, commit, applied } = charts.context(name);
  const begins = log.firstIndex > 1 ? `behind ${log.firstIndex - 1}@${log.previousTerm}: ` : '';
  const rest = `${begins}${entries(log.runs, log.lastIndex)} durable ${durable} commit ${commit} applied ${applied}`;
  return line(name, 'log', null, rest);
}

function tellState(charts: Charts, name: string): string {
  const { alive, snapshot } = charts.member(name);
  const { term, votedFor, leader } = snapshot.context;
  return line(name, alive ? stateOf(snapshot) : 'down', term, `vote ${votedFor ?? '-'} leader ${leader ?? '-'}`);
}

function tellProgress(charts: Charts, name: string): string[] {
  const { leadership } = charts.context(name);
  if (leadership === null) return [`${name} does not lead`];
  return Object.entries(leadership.progress).map(([of, { state, match, next, inflight, probing }]) => {
    const waits = probing ? ' waits' : '';
    const flying = inflight.map(({ last }): LogIndex => last);
    const window = flying.length > 0 ? ` in flight to ${flying.join(', ')}` : '';
    return line(`${name}:${of}`, state, null, `match ${match} next ${next}${waits}${window}`);
  });
}

// ---------------------------------------------------------------- the verbs

const VERBS: Readonly<Record<string, Verb>> = {
  campaign: (charts, command) => charts.expire(wordAt(command, 0)),
  timeout: (charts, command) => charts.timeout(wordAt(command, 0)),
  elect: (charts, command) => charts.elect(wordAt(command, 0)),
  propose: (charts, { words: [name = '', ...data] }) => charts.propose(name, ...data),
  deliver: (charts, command) => {
    const most = command.options.get('first');
    const now = charts.waiting().filter(wanted(command));
    const chosen = new Set(most === undefined ? now : now.slice(0, Number(most)));
    charts.deliver((message) => chosen.has(message));
  },
  drop: (charts, command, say) => {
    for (const message of charts.drop(wanted(command))) say(`${messageLine(message)}  (lost)`);
  },
  repeat: (charts, command, say) => {
    for (const message of charts.waiting().filter(wanted(command))) {
      charts.repeat(message);
      say(`${lost(message)} comes twice`);
    }
  },
  lose: (charts, command) => charts.lose(wanted(command)),
  sync: (charts, command) => charts.sync(wordAt(command, 0)),
  hang: (charts, command) => {
    charts.member(wordAt(command, 0)).diskHangs = true;
  },
  unhang: (charts, command) => {
    charts.member(wordAt(command, 0)).diskHangs = false;
  },
  settle: (charts, { words }) => (words.length === 0 ? charts.settle() : settleSome(charts, words)),
  skip: (charts, command) => charts.skip(Number(wordAt(command, 0))),
  beat: (charts, { words }) => charts.beat(...words),
  advance: (charts, command) => charts.advance(Number(wordAt(command, 0))),
  partition: (charts, { words }) => partition(charts, words),
  cut: (charts, command) => {
    const [from = '', to = ''] = wordAt(command, 0).split('->');
    charts.cut(from, to);
  },
  heal: (charts) => charts.heal(),
  crash: (charts, command) => charts.crash(wordAt(command, 0)),
  restart: (charts, command) => charts.restart(wordAt(command, 0)),
  compact: (charts, command) => charts.compact(wordAt(command, 0), numberOf(command, 'through')),
  transfer: (charts, { words }) => charts.transfer(words[0] !== 'fails'),
  read: (charts, command) => {
    charts.read(wordAt(command, 0));
  },
  'change-members': (charts, { words, options }) => {
    const given = ['voters', 'learners', 'joining'].filter((part) => options.has(part));
    const target = Object.fromEntries(given.map((part) => [part, idsOf(options.get(part))]));
    const seen = options.get('seen');
    charts.change(words[0] ?? '', target, seen === undefined ? undefined : Number(seen));
  },
  'transfer-leadership': (charts, command) => charts.handOver(wordAt(command, 0), wordAt(command, 1)),
  wipe: (charts, command) => charts.restartUncertain(wordAt(command, 0)),
  closed: peer('peer.closed'),
  opened: peer('peer.opened'),
  sent: (charts, command) => {
    const [from = '', to = ''] = wordAt(command, 0).split('->');
    const weight = { lastIndex: numberOf(command, 'last'), bytes: numberOf(command, 'bytes') };
    charts.step(from, { type: 'append.sent', peer: id(to), term: charts.context(from).term, ...weight });
  },
  'raft-log': (charts, command, say) => named(charts, command).forEach((name) => say(tellLog(charts, name))),
  state: (charts, command, say) => named(charts, command).forEach((name) => say(tellState(charts, name))),
  members: (charts, command, say) =>
    named(charts, command).forEach((name) => say(line(name, 'members', null, membershipOf(charts.context(name))))),
  status: (charts, command, say) => tellProgress(charts, wordAt(command, 0)).forEach(say),
  messages: (charts, _command, say) => charts.waiting().forEach((message) => say(messageLine(message))),
  applied: (charts, command, say) =>
    named(charts, command).forEach((name) => say(line(name, 'applied', null, charts.applied(name).join(' ')))),
};

// ---------------------------------------------------------------- the group

function optionsOf(options: Command['options']): Partial<RaftOptions> {
  const given = Object.entries(DEFAULTS).filter(([name]) => options.has(name));
  return Object.fromEntries(
    given.map(([name, usual]) => {
      const text = options.get(name) ?? '';
      return [name, typeof usual === 'boolean' ? text === 'true' : Number(text)];
    }),
  );
}

/** `1,2*3` is 1, 2, 2, 2. */
function termsOf(text: string): number[] {
  const parts = text === '' ? [] : text.split(',').map((part) => part.split('*').map(Number));
  return parts.flatMap(([term = 0, count = 1]) => Array.from({ length: count }, () => term));
}

function addNodes({ words, options }: Command, watch: (happening: Happening) => void): Charts {
  const names = Array.from({ length: Number(words[0]) }, (_, at) => String(at + 1));
  const logs: Record<string, number[]> = {};
  const hard: Record<string, { term: number; votedFor: ReturnType<typeof id> | null }> = {};
  for (const name of names) {
    const terms = termsOf(options.get(`log.${name}`) ?? '');
    logs[name] = terms;
    const term = Number(options.get(`term.${name}`) ?? terms.at(-1) ?? 0);
    const vote = options.get(`vote.${name}`);
    hard[name] = { term, votedFor: vote === undefined ? null : id(vote) };
  }
  const founders = options.has('founders') ? idsOf(options.get('founders')) : names;
  return createCharts(names, { options: optionsOf(options), logs, hard, founders, watch });
}

const isPulse = (happening: Happening): boolean =>
  happening.kind !== 'step' && happening.kind !== 'synced' && happening.message.type.startsWith('heartbeat');

/** A group of its own, to which the commands happen one by one. Each gives its trace. */
export function createVerbs(): Run {
  let lines: string[] = [];
  let charts: Charts | null = null;
  let began = 0;
  let toldAt = 0;
  let leavesOutPulses = false;

  const say = (text: string): void => {
    lines.push(text);
  };

  function watch(happening: Happening): void {
    const told = leavesOutPulses && isPulse(happening) ? [] : linesOf(happening);
    if (charts !== null && told.length > 0 && charts.at !== toldAt) {
      toldAt = charts.at;
      say(`@ ${toldAt - began} ms`);
    }
    told.forEach(say);
  }

  function carryOut(command: Command): void {
    if (command.verb === 'add-nodes') {
      charts = addNodes(command, watch);
      began = charts.at;
      toldAt = began;
      return;
    }
    const verb = VERBS[command.verb];
    if (verb === undefined || charts === null) throw new Error(`no such step now: ${command.verb}`);
    leavesOutPulses = command.verb === 'advance';
    verb(charts, command, say);
  }

  function fail(command: Command): void {
    try {
      carryOut(command);
    } catch (error) {
      say(`error: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    throw new Error(`${command.verb} does not fail`);
  }

  return (command) => {
    lines = [];
    const [verb = '', ...words] = command.words;
    const inner = { ...command, verb, words };
    if (command.verb === 'fails') fail(inner);
    else carryOut(command.verb === 'quietly' ? inner : command);
    return command.verb === 'quietly' ? [] : lines;
  };
}
