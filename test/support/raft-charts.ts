// A small network of role charts, without clock, disk or sockets: the driver contract (machines/raft/effects.ts) in its plainest
// form. Time stands still until `advance`, messages wait until `deliver` or `settle`, writes until `sync` or `settle`. After every
// step the safety of the whole group is checked, so a test needs to assert only what it is about.
import { strict as assert } from 'node:assert';
import type { BrokerId, LogIndex, Millis, Term } from '../../src/core/ids.ts';
import type { RaftContext, RaftOptions } from '../../src/machines/raft/context.ts';
import type { HardState, RaftEffect } from '../../src/machines/raft/effects.ts';
import type { RaftEvent } from '../../src/machines/raft/events.ts';
import {
  type Configuration,
  configurationAt,
  foundedBy,
  inForce,
  type MembershipTarget,
  type PlacedConfiguration,
  withEntries,
} from '../../src/machines/raft/membership.ts';
import type { RaftMessage, TermRun } from '../../src/machines/raft/messages.ts';
import { raftMachine } from '../../src/machines/raft/raft-machine.ts';
import { createStepper, type SteppedAction } from '../../src/streams/stepper.ts';

export interface Entry {
  readonly term: Term;
  /** Empty: a no-op. */
  readonly data: string;
  readonly configuration?: Configuration;
}
interface Write {
  readonly sound?: boolean;
  readonly hard?: HardState;
  readonly compactTo?: { readonly index: LogIndex; readonly term: Term };
  readonly truncateAfter?: LogIndex;
  readonly entries?: readonly Entry[];
}
interface Letter {
  readonly message: RaftMessage;
  readonly entries: readonly Entry[];
}
type Untimed<Event> = Event extends unknown ? Omit<Event, 'at'> : never;
export type UntimedEvent = Untimed<RaftEvent>;
export type Snapshot = ReturnType<ReturnType<typeof createStepper<typeof raftMachine>>['initial']>['snapshot'];

export interface Disk {
  hard: HardState;
  /** What was compacted is still in here, and not the chart's to see: `base` entries. */
  entries: Entry[];
  base?: LogIndex;
  /** How far the newest snapshot reaches, and the configuration there. */
  snapshot?: LogIndex;
  configuration?: PlacedConfiguration;
  sound?: boolean;
}

interface Member {
  readonly id: BrokerId;
  readonly disk: Disk;
  stepper: ReturnType<typeof createStepper<typeof raftMachine>>;
  snapshot: Snapshot;
  alive: boolean;
  /** Its writes stay unsynced, also in `settle`. */
  diskHangs: boolean;
  /** The log as the member itself sees it; the disk may be behind. */
  entries: Entry[];
  base: LogIndex;
  writes: {
    readonly at: Millis;
    readonly write: Write;
    readonly letters: Letter[];
    readonly last: { readonly index: LogIndex; readonly term: Term };
  }[];
  timer: { readonly id: string; readonly due: Millis; readonly type: string } | null;
  applied: Entry[];
  readonly refusals: string[];
  readonly readAnswers: Map<number, LogIndex | 'refused'>;
}

export const DEFAULTS: RaftOptions = {
  heartbeatMs: 50,
  electionMinMs: 250,
  electionMaxMs: 500,
  closedConnectionHint: true,
  leaseReads: false,
  diskPatienceMs: 2_000,
  boot: 1,
  inflightMax: 64,
  inflightBytesMax: 4_194_304,
  uncommittedBytesMax: 33_554_432,
};

export interface ChartsOptions {
  readonly options?: Partial<RaftOptions>;
  readonly seed?: number;
  /** Terms of the entries that a member begins with, and its durable term. */
  readonly logs?: Readonly<Record<string, readonly Term[]>>;
  readonly hard?: Readonly<Record<string, HardState>>;
  readonly watch?: (happening: Happening) => void;
  /** The voters of the founding; default: all. The others have no configuration yet. */
  readonly founders?: readonly string[];
}

/** For who writes down what happens. */
export type Happening =
  | {
      readonly kind: 'step';
      readonly name: BrokerId;
      /** Null: it starts. */
      readonly event: RaftEvent | null;
      readonly before: Snapshot | null;
      readonly after: Snapshot;
      /** Asked for; those that send are followed by their messages, once these leave. */
      readonly effects: readonly RaftEffect[];
    }
  /** A write is durable, the log up to `last`. */
  | {
      readonly kind: 'synced';
      readonly name: BrokerId;
      readonly hard: HardState | undefined;
      readonly last: { readonly index: LogIndex; readonly term: Term };
    }
  /** A message leaves, and will come to its receiver or not. */
  | { readonly kind: 'sent' | 'lost'; readonly message: RaftMessage };

const effectsOf = (actions: readonly SteppedAction[]): readonly RaftEffect[] =>
  actions.filter(({ type }) => !type.startsWith('xstate.')) as unknown as RaftEffect[];

export const id = (name: string) => name as BrokerId;

export function runsOf(terms: readonly Term[], firstIndex = 1): TermRun[] {
  const runs: TermRun[] = [];
  terms.forEach((term, at) => {
    if (runs.at(-1)?.term !== term) runs.push({ first: firstIndex + at, term });
  });
  return runs;
}

export type Charts = ReturnType<typeof createCharts>;

export function createCharts(names: readonly string[], setup: ChartsOptions = {}) {
  const options = { ...DEFAULTS, ...setup.options };
  const { watch = () => {} } = setup;
  const ids = names.map(id);
  const members = new Map<string, Member>();
  const leaders = new Map<Term, BrokerId>();
  /** What was committed, anywhere, when a read was asked for. */
  const floors = new Map<number, LogIndex>();
  const votes = new Map<string, BrokerId>();
  const committed: Entry[] = [];
  const cuts = new Set<string>();
  let transfers: { readonly from: BrokerId; readonly to: BrokerId; readonly term: Term }[] = [];
  const sent: RaftMessage[] = [];
  let letters: Letter[] = [];
  let isLost: (message: RaftMessage) => boolean = () => false;
  let at: Millis = 1_000;
  let nextBeat = at + options.heartbeatMs;
  let tickets = 0;
  let reads = 0;
  let seed = setup.seed ?? 1;

  function member(name: string): Member {
    const found = members.get(name);
    assert.ok(found, `no member ${name}`);
    return found;
  }

  // ---------------------------------------------------------------- a member's life

  const placed = (entries: readonly Entry[], before: LogIndex): PlacedConfiguration[] =>
    entries.flatMap(({ configuration }, position) =>
      configuration === undefined ? [] : [{ index: before + position + 1, configuration }],
    );

  function configurationsOf(name: BrokerId, { configuration, entries, base = 0 }: Disk) {
    const founders = setup.founders?.map(id) ?? ids;
    const first = configuration === undefined ? foundedBy(founders.includes(name) ? founders : []) : [configuration];
    return withEntries(first, placed(entries.slice(base), base), Number.MAX_SAFE_INTEGER);
  }

  function boot(name: BrokerId, disk: Disk): void {
    const terms = disk.entries.map(({ term }) => term);
    const { base = 0, snapshot = 0 } = disk;
    const log = {
      firstIndex: base + 1,
      previousTerm: terms[base - 1] ?? 0,
      runs: runsOf(terms.slice(base), base + 1),
      lastIndex: terms.length,
    };
    const applied = committed[snapshot - 1]?.term === terms[snapshot - 1] ? Math.max(base, snapshot) : base;
    const stepper = createStepper(raftMachine, {
      self: name,
      configurations: configurationsOf(name, disk),
      sound: disk.sound ?? true,
      options: { ...options, boot: seed },
      ...disk.hard,
      log,
      applied,
      seed: seed++,
      at,
    });
    const first = stepper.initial();
    const fresh: Member = {
      id: name,
      disk,
      stepper,
      snapshot: first.snapshot,
      alive: true,
      diskHangs: false,
      entries: [...disk.entries],
      base,
      writes: [],
      timer: null,
      applied: committed.slice(0, applied),
      refusals: members.get(name)?.refusals ?? [],
      readAnswers: new Map(),
    };
    members.set(name, fresh);
    watch({ kind: 'step', name, event: null, before: null, after: first.snapshot, effects: effectsOf(first.actions) });
    carryOut(fresh, first.actions, null);
  }

  function step(name: string, untimed: UntimedEvent, carried: readonly Entry[] = []): void {
    const self = member(name);
    if (!self.alive) return;
    const held =
      untimed.type === 'installSnapshot'
        ? { held: self.disk.snapshot ?? 0, heldConfiguration: self.disk.configuration }
        : {};
    const configurations = untimed.type === 'append' ? placed(carried, untimed.prevIndex) : [];
    const brought = configurations.length > 0 ? { configurations } : {};
    const pending = untimed.type === 'beat' && self.diskHangs ? { diskPendingMs: at - (self.writes[0]?.at ?? at) } : {};
    const event = { ...untimed, ...held, ...brought, ...pending, at } as RaftEvent;
    const before = self.snapshot;
    const stepped = self.stepper.step(before, event);
    self.snapshot = stepped.snapshot;
    const effects = effectsOf(stepped.actions);
    watch({ kind: 'step', name: self.id, event, before, after: stepped.snapshot, effects });
    carryOut(self, stepped.actions, event, carried);
    checkStep(before.context, self);
  }

  function carryOut(
    self: Member,
    actions: readonly SteppedAction[],
    event: RaftEvent | null,
    carried: readonly Entry[] = [],
  ): void {
    const write: { -readonly [Key in keyof Write]: Write[Key] } = {};
    const sends: Extract<RaftEffect, { type: 'send' }>['params'][] = [];
    let through = 0;
    let restored: LogIndex | null = null;
    for (const action of actions) {
      if (action.type === 'xstate.cancel') self.timer = null;
      if (action.type === 'xstate.raise') {
        const {
          delay,
          id: timer,
          event: due,
        } = action.params as { delay?: number; id: string; event: { type: string } };
        if (delay !== undefined) self.timer = { id: timer, due: at + delay, type: due.type };
      }
      if (action.type.startsWith('xstate.')) continue;
      const effect = action as RaftEffect;
      if (effect.type === 'persist') write.hard = effect.params.hard;
      if (effect.type === 'compact') write.compactTo = { index: effect.params.through, term: effect.params.term };
      if (effect.type === 'restore') restored = effect.params.base;
      if (effect.type === 'sendSnapshot') transfers.push({ from: self.id, ...effect.params });
      if (effect.type === 'truncate') write.truncateAfter = effect.params.after;
      if (effect.type === 'append') write.entries = entriesOf(effect.params, event, carried);
      if (effect.type === 'send') sends.push(effect.params);
      if (effect.type === 'apply') through = effect.params.through;
      if (effect.type === 'markSound') write.sound = true;
      if (effect.type === 'refuseProposal' || effect.type === 'refuseChange' || effect.type === 'endTransfer')
        self.refusals.push(effect.params.reason);
      if (effect.type === 'answerReads')
        for (const read of effect.params.reads) answerRead(self, read, effect.params.index);
      if (effect.type === 'refuseReads') for (const read of effect.params.reads) self.readAnswers.set(read, 'refused');
    }
    if (Object.keys(write).length > 0) put(self, write);
    for (const { message, when } of sends) post(self, message, when);
    if (restored !== null) restore(self, restored);
    if (through > 0) applyThrough(self, through);
  }

  function answerRead(self: Member, read: number, index: LogIndex): void {
    const floor = floors.get(read) ?? 0;
    assert.ok(
      index >= floor,
      `read ${read} at ${self.id}: ${floor} was committed before it, and it is answered at ${index}`,
    );
    self.readAnswers.set(read, index);
  }

  function restore(self: Member, base: LogIndex): void {
    assert.ok((self.disk.snapshot ?? 0) >= base, `${self.id} has a snapshot that reaches ${base}`);
    self.applied = committed.slice(0, base);
    step(self.id, { type: 'applied', index: base });
  }

  function entriesOf(
    { first, last, term, source, configuration }: Extract<RaftEffect, { type: 'append' }>['params'],
    event: RaftEvent | null,
    carried: readonly Entry[],
  ): Entry[] {
    if (source === 'noop') return [{ term, data: '' }];
    if (configuration !== undefined) return [{ term, data: '', configuration }];
    if (source === 'proposal') return carried.map(({ data }) => ({ term, data }));
    assert.equal(event?.type, 'append');
    return event?.type === 'append' ? carried.slice(first - event.prevIndex - 1, last - event.prevIndex) : [];
  }

  function put(self: Member, write: Write): void {
    change(self, write);
    const index = self.entries.length;
    const term = self.entries.at(-1)?.term ?? 0;
    assert.equal(
      index,
      self.snapshot.context.log.lastIndex,
      `${self.id}: the chart's log and the real one have the same end`,
    );
    self.writes.push({ at, write, letters: [], last: { index, term } });
  }

  function change(
    target: { entries: Entry[]; base?: LogIndex; hard?: HardState; sound?: boolean },
    { hard, sound, compactTo, truncateAfter, entries }: Write,
  ): void {
    if (compactTo !== undefined) {
      const { index, term } = compactTo;
      assert.ok(index <= committed.length, `entry ${index} leaves the log, and was never committed`);
      if (target.entries[index - 1]?.term !== term) target.entries = committed.slice(0, index);
      target.base = index;
    }
    if (truncateAfter !== undefined) target.entries = target.entries.slice(0, truncateAfter);
    if (entries !== undefined) target.entries = [...target.entries, ...entries];
    if (hard !== undefined && 'hard' in target) target.hard = hard;
    if (sound !== undefined && 'hard' in target) target.sound = sound;
  }

  function post(self: Member, message: RaftMessage, when: 'now' | 'synced'): void {
    if (message.type === 'append' && message.lastIndex > message.prevIndex)
      assert.ok(message.prevIndex >= self.base, `${self.id} sends what has left its log`);
    const carried = message.type === 'append' ? self.entries.slice(message.prevIndex, message.lastIndex) : [];
    const letter = { message, entries: carried };
    const waitsFor = when === 'synced' ? self.writes.at(-1) : undefined;
    if (waitsFor === undefined) send(letter);
    else waitsFor.letters.push(letter);
  }

  function send(letter: Letter): void {
    sent.push(letter.message);
    const { from, to } = letter.message;
    checkVote(letter.message);
    const arrives = !cuts.has(`${from}>${to}`) && !isLost(letter.message);
    watch({ kind: arrives ? 'sent' : 'lost', message: letter.message });
    if (arrives) letters.push(letter);
  }

  function applyThrough(self: Member, through: LogIndex): void {
    for (const entry of self.entries.slice(self.applied.length, through)) {
      const index = self.applied.length;
      if (committed[index] === undefined) committed.push(entry);
      assert.deepEqual(entry, committed[index], `${self.id} applies at ${index + 1} what others applied there`);
      self.applied.push(entry);
    }
    assert.equal(self.applied.length, through, `${self.id} holds everything up to its commit index`);
    step(self.id, { type: 'applied', index: through });
  }

  // ---------------------------------------------------------------- safety

  /** Whatever became of its disk: who was told of a vote can rely on it. */
  function checkVote(message: RaftMessage): void {
    if (message.type !== 'voteReply' || !message.granted) return;
    const key = `${message.from} in term ${message.term}`;
    const given = votes.get(key) ?? message.to;
    assert.equal(message.to, given, `${key} votes once`);
    votes.set(key, message.to);
  }

  function checkStep(before: RaftContext, self: Member): void {
    const { term, commit, applied, log, durable } = self.snapshot.context;
    assert.ok(term >= before.term, `${self.id}: the term never falls`);
    assert.ok(commit >= before.commit, `${self.id}: the commit index never falls`);
    assert.ok(
      applied <= commit && commit <= log.lastIndex && durable <= log.lastIndex,
      `${self.id}: applied ≤ commit ≤ last`,
    );
    if (before.term === term && before.votedFor !== null) {
      assert.equal(self.snapshot.context.votedFor, before.votedFor, `${self.id}: one vote in term ${term}`);
    }
    if (!self.snapshot.matches('leader')) return;
    const known = leaders.get(term) ?? self.id;
    assert.equal(known, self.id, `term ${term} has one leader`);
    if (!leaders.has(term)) {
      leaders.set(term, self.id);
      // Leader completeness: whatever was ever applied anywhere is in a new leader's log.
      assert.deepEqual(
        self.entries.slice(0, committed.length),
        committed,
        `${self.id} leads term ${term} with everything committed`,
      );
    }
  }

  // ---------------------------------------------------------------- the world

  function sync(name: string): void {
    const self = member(name);
    const writes = self.writes;
    self.writes = [];
    writes.forEach(({ write, letters: waiting, last }, position) => {
      change(self.disk, write);
      watch({ kind: 'synced', name: self.id, hard: write.hard, last });
      waiting.forEach(send);
      const isCutSince = writes
        .slice(position + 1)
        .some((later) => (later.write.truncateAfter ?? Number.POSITIVE_INFINITY) < last.index);
      if (!isCutSince) step(name, { type: 'log.synced', ...last });
    });
  }

  /** Delivers the messages that wait now, or those of them that are `wanted`; what they cause waits. Returns how many. */
  function deliver(wanted: (message: RaftMessage) => boolean = () => true): number {
    const now = letters.filter(({ message }) => wanted(message));
    letters = letters.filter(({ message }) => !wanted(message));
    for (const { message, entries } of now) step(message.to, message, entries);
    return now.length;
  }

  /** Until nobody has anything to say: every write synced, every message delivered. */
  function settle(): void {
    for (let round = 0; round < 10_000; round++) {
      for (const self of members.values()) if (self.alive && !self.diskHangs) sync(self.id);
      if (
        deliver() === 0 &&
        [...members.values()].every((self) => !self.alive || self.diskHangs || self.writes.length === 0)
      )
        return;
    }
    throw new Error('the network does not come to rest');
  }

  function fire(self: Member): void {
    const { timer } = self;
    assert.ok(timer, `${self.id} has a timer`);
    self.timer = null;
    // Only xstate knows this event's type.
    step(self.id, { type: timer.type } as unknown as UntimedEvent);
  }

  /** Time passes: beats come, timers fire, and after each the network settles. */
  function advance(ms: Millis): void {
    const end = at + ms;
    for (;;) {
      const timers = [...members.values()].filter((self) => self.alive && self.timer !== null);
      const next = timers.sort((a, b) => (a.timer?.due ?? 0) - (b.timer?.due ?? 0))[0];
      const due = Math.min(next?.timer?.due ?? Number.POSITIVE_INFINITY, nextBeat);
      if (due > end) break;
      at = Math.max(at, due);
      if (due === nextBeat) {
        nextBeat += options.heartbeatMs;
        for (const self of members.values()) step(self.id, { type: 'beat' });
      } else if (next !== undefined) fire(next);
      settle();
    }
    at = end;
  }

  /** Nobody is heard for long, and this member's timer is the first to fire: it asks for pre-votes. */
  function expire(name: string): void {
    const self = member(name);
    at += options.electionMaxMs;
    nextBeat = at + options.heartbeatMs;
    fire(self);
    assert.notEqual(role(name), 'follower', `${name} has waited long enough`);
  }

  function role(name: string): string {
    const { value } = member(name).snapshot;
    return typeof value === 'string' ? value : 'leader';
  }

  function crash(name: string): void {
    const self = member(name);
    self.alive = false;
    self.writes = [];
    self.timer = null;
    letters = letters.filter(({ message }) => message.to !== self.id);
  }

  for (const name of ids) {
    const entries = (setup.logs?.[name] ?? []).map((term, position) => ({ term, data: `${position + 1}@${term}` }));
    boot(name, { hard: setup.hard?.[name] ?? { term: entries.at(-1)?.term ?? 0, votedFor: null }, entries });
  }

  return {
    ids,
    sent,
    step,
    sync,
    deliver,
    settle,
    advance,
    expire,
    role,
    crash,
    member,
    get at() {
      return at;
    },
    /** Time passes, and nothing happens. */
    skip(ms: Millis): void {
      at += ms;
    },
    /** Its timer fires now. */
    timeout: (name: string): void => fire(member(name)),
    /** Campaigns, and wins. */
    elect(name: string): void {
      expire(name);
      settle();
      assert.equal(role(name), 'leader', `${name} wins the election`);
    },
    beat(...who: string[]): void {
      for (const name of who.length > 0 ? who : ids) step(name, { type: 'beat' });
    },
    propose(name: string, ...data: string[]): void {
      const bytes = data.reduce((sum, { length }) => sum + length, 0);
      step(
        name,
        { type: 'propose', ticket: ++tickets, count: data.length, bytes },
        data.map((text) => ({ term: 0, data: text })),
      );
    },
    read(name: string): number {
      floors.set(++reads, committed.length);
      step(name, { type: 'read', read: reads });
      return reads;
    },
    restart(name: string): void {
      crash(name);
      boot(id(name), member(name).disk);
    },
    /** Its disk is empty, or has lost the entries behind `kept`, and it knows that what it acknowledged may be lost. */
    restartUncertain(name: string, kept: LogIndex = 0): void {
      crash(name);
      const { entries } = member(name).disk;
      boot(id(name), { hard: { term: 0, votedFor: null }, entries: entries.slice(0, kept), sound: false });
    },
    /** Asks for other members, by the configuration in force there. */
    change(
      name: string,
      target: Partial<Record<keyof MembershipTarget, readonly string[]>>,
      seen = inForce(member(name).snapshot.context.configurations).index,
    ): void {
      const { configuration } = inForce(member(name).snapshot.context.configurations);
      const {
        voters = configuration.voters,
        learners = configuration.learners,
        joining = configuration.joining,
      } = target;
      const others = [...new Set([...learners, ...joining])];
      const wanted = { voters: voters.map(id), learners: others.map(id), joining: joining.map(id) };
      step(name, { type: 'changeMembership', ticket: ++tickets, seen, target: wanted });
    },
    handOver(name: string, to: string): void {
      step(name, { type: 'transfer', to: id(to) });
    },
    membership: (name: string): PlacedConfiguration => inForce(member(name).snapshot.context.configurations),
    configuration: (name: string): Configuration => inForce(member(name).snapshot.context.configurations).configuration,
    cut(from: string, to: string): void {
      cuts.add(`${from}>${to}`);
    },
    isolate(name: string): void {
      for (const other of ids) {
        cuts.add(`${name}>${other}`);
        cuts.add(`${other}>${name}`);
      }
      letters = letters.filter(({ message }) => message.from !== name && message.to !== name);
    },
    heal(): void {
      cuts.clear();
      isLost = () => false;
    },
    /** From now on these messages are lost when sent. */
    lose(which: (message: RaftMessage) => boolean): void {
      isLost = which;
    },
    /** Throws away the messages that wait, or those that are `unwanted`. */
    drop(unwanted: (message: RaftMessage) => boolean = () => true): RaftMessage[] {
      const dropped = letters.filter(({ message }) => unwanted(message)).map(({ message }) => message);
      letters = letters.filter(({ message }) => !unwanted(message));
      return dropped;
    },
    /** The network delivers this waiting message twice. */
    repeat(message: RaftMessage): void {
      letters.push(...letters.filter((letter) => letter.message === message));
    },
    waiting(): readonly RaftMessage[] {
      return letters.map(({ message }) => message);
    },
    /** A durable snapshot holds what is applied; what is up to `through` leaves the log. */
    compact(name: string, through: LogIndex): void {
      const self = member(name);
      self.disk.snapshot = self.applied.length;
      self.disk.configuration = configurationAt(self.snapshot.context.configurations, self.applied.length);
      step(name, { type: 'compact', through });
    },
    /** Snapshots that were asked for and not brought yet. */
    get transfers() {
      return transfers;
    },
    /** Brings them, or does not; the senders are told. */
    transfer(arrives = true): void {
      const now = transfers;
      transfers = [];
      for (const { from, to, term } of now) {
        const { snapshot = 0 } = member(from).disk;
        const target = member(to).disk;
        const { configuration } = member(from).disk;
        if (arrives && (target.snapshot ?? 0) < snapshot)
          Object.assign(target, { snapshot }, configuration === undefined ? {} : { configuration });
        step(from, { type: 'snapshot.sent', peer: to, term, index: arrives ? snapshot : null });
      }
    },
    context: (name: string): RaftContext => member(name).snapshot.context,
    state: (name: string): unknown => member(name).snapshot.value,
    terms: (name: string): readonly Term[] => member(name).entries.map(({ term }) => term),
    /** What clients wrote and this member applied, in order. */
    applied: (name: string): readonly string[] =>
      member(name)
        .applied.map(({ data }) => data)
        .filter((data) => data !== ''),
    leader: (): string | undefined => ids.find((name) => member(name).alive && role(name) === 'leader'),
    timerLeft: (name: string): number => (member(name).timer?.due ?? Number.POSITIVE_INFINITY) - at,
  };
}
