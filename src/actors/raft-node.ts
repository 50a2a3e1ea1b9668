// One member of one group, in the world: steps the chart, and carries out its effects by the driver contract of
// machines/raft/effects.ts.
//
//   peers ─▶ receive ─┐                        ┌▶ log store ─▶ synced ─▶ messages that waited
//   propose ──────────┼▶ chart ─▶ effects, in ─┼▶ messages that may go at once
//   clock, beats ─────┘   order                └▶ applier ─▶ state machine ─▶ outcomes of proposals, reads
//
// Entries' bytes never enter the chart: they wait beside the event that announced them, until `append` says which are taken.
import { BehaviorSubject } from 'rxjs';
import { assert, present, unreachable } from '../core/assert.ts';
import { invalidArgument, unavailable } from '../core/errors.ts';
import type { BrokerId, GroupId, LogIndex, Millis } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RaftEffect, ReadId } from '../machines/raft/effects.ts';
import type { RaftEvent } from '../machines/raft/events.ts';
import { termAt } from '../machines/raft/log-view.ts';
import type { Append, RaftMessage } from '../machines/raft/messages.ts';
import { raftMachine } from '../machines/raft/raft-machine.ts';
import type { Clock } from '../streams/clock.ts';
import type { CarriedEntry, RaftEnvelope } from '../streams/envelope.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import { runMachine } from '../streams/run-machine.ts';
import { createApplier } from './raft/applier.ts';
import { createDurableOutbox } from './raft/durable-outbox.ts';
import { createProposals, type Proposal } from './raft/proposals.ts';
import type { RaftGroup, RaftRole, RaftStatus, StateMachine } from './raft-group.ts';
import type { LogEntry, LogStore, LogWrite } from './stores/log.ts';

export interface RaftNodeOptions {
  readonly heartbeatMs: Millis;
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  readonly closedConnectionHint: boolean;
}

export interface RaftNodePorts {
  readonly self: BrokerId;
  readonly group: GroupId;
  readonly members: readonly BrokerId[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogStore;
  readonly inspector: Inspector;
  readonly outbox: (envelope: RaftEnvelope) => void;
  readonly machine: StateMachine;
  readonly options: RaftNodeOptions;
  /** The log cannot be read: this member must not go on. */
  readonly failed: (error: Error) => void;
}

/** @throws VedetteError INVALID_ARGUMENT naming the rule that the settings break. */
export function checkRaftOptions({ heartbeatMs, electionMinMs, electionMaxMs }: RaftNodeOptions): void {
  if (!(heartbeatMs > 0)) throw invalidArgument('heartbeat', 'the heartbeat interval must be above 0');
  if (electionMinMs < 3 * heartbeatMs) {
    throw invalidArgument('election-min', `the shortest election timeout (${electionMinMs} ms) must be at least three heartbeats (${heartbeatMs} ms): a single late one must not depose a leader`);
  }
  if (electionMaxMs < 1.2 * electionMinMs) {
    throw invalidArgument('election-max', `the longest election timeout (${electionMaxMs} ms) must exceed the shortest (${electionMinMs} ms) by a fifth: equal timeouts split votes for ever`);
  }
}

const NO_PAYLOAD = new Uint8Array(0);

export function createRaftNode(ports: RaftNodePorts): RaftGroup {
  const { self, group, members, clock, log, options } = ports;
  checkRaftOptions(options);
  assert(members.includes(self), `${self} is no member of ${group}`);
  const recovered = log.recovered(group);
  const carried = new WeakMap<object, readonly CarriedEntry[]>();
  const proposals = createProposals(clock);
  const outbox = createDurableOutbox((envelope) => ports.outbox(envelope));
  const proposing = new Map<number, readonly Proposal[]>();
  const reads = new Map<ReadId, (error: Error | null) => void>();
  let answered: { readonly index: LogIndex; readonly done: (error: Error | null) => void }[] = [];
  let queued: Proposal[] = [];
  let queuedBytes = 0;
  let flushing = false;
  let nextTicket = 1;
  let nextRead = 1;
  let stopped = false;

  /** What the step under way asks for. */
  let write: Partial<Omit<LogWrite, 'group'>> | null = null;
  let sends: { readonly message: RaftMessage; readonly when: 'now' | 'synced' }[] = [];
  let committed: LogIndex = 0;
  /** The chart's first step asks for nothing: a member begins as a follower. */
  let started = false;

  const applier = createApplier({
    group,
    from: recovered.firstIndex - 1,
    log,
    clock,
    machine: ports.machine,
    chunkBytes: limits.raft.applyBytesMax,
    onApplied: applied,
    onError: ports.failed,
  });

  const machine = runMachine<typeof raftMachine, RaftEffect>(raftMachine, {
    id: `${self}/raft/${group}`,
    kind: 'raft',
    input: {
      self,
      members,
      options: { ...options, inflightMax: limits.raft.inflightMax, uncommittedBytesMax: limits.raft.uncommittedBytesMax },
      term: recovered.hard.term,
      votedFor: recovered.hard.votedFor,
      log: recovered,
      seed: ports.random.integer(0, 0xffff_ffff),
      at: clock.monotonic(),
    },
    clock,
    inspector: ports.inspector,
    onEffect: carryOut,
    onStep: finishStep,
  });
  started = true;
  const context = () => machine.snapshot.context;
  const statusChanges = new BehaviorSubject<RaftStatus>(statusNow());
  const send = (event: RaftEvent) => machine.send(event);

  function carryOut(effect: RaftEffect, event: RaftEvent | null): void {
    switch (effect.type) {
      case 'persist':
        write = { ...write, hard: effect.params.hard };
        return;
      case 'truncate':
        write = { ...write, truncateAfter: effect.params.after };
        return;
      case 'append':
        write = { ...write, entries: entriesFor(effect.params, event) };
        return;
      case 'send':
        sends.push(effect.params);
        return;
      case 'apply':
        // After the write of the same step, so that what is applied can be read.
        committed = effect.params.through;
        return;
      case 'answerReads':
        for (const read of effect.params.reads) answerRead(read, effect.params.index);
        return;
      case 'refuseReads':
        for (const read of effect.params.reads) endRead(read, notLeading());
        return;
      case 'refuseProposal':
        refuse(effect.params.ticket, effect.params.reason);
        return;
      default:
        unreachable(effect);
    }
  }

  function entriesFor(range: Extract<RaftEffect, { type: 'append' }>['params'], event: RaftEvent | null): LogEntry[] {
    const { first, last, term, source } = range;
    if (source === 'noop') return [{ index: first, term, kind: 'noop', payload: NO_PAYLOAD }];
    const event_ = present(event, 'entries come with an event');
    const payloads = present(carried.get(event_), 'entries wait beside the event that announced them');
    if (event_.type === 'propose') {
      const batch = proposing.get(event_.ticket) ?? [];
      proposing.delete(event_.ticket);
      batch.forEach((proposal, at) => proposals.appended(proposal, first + at, term));
      return payloads.map(({ kind, payload }, at) => ({ index: first + at, term, kind, payload }));
    }
    assert(event_.type === 'append', `${event_.type} carries no entries`);
    return takeFrom(event_, payloads, first, last);
  }

  function finishStep(): void {
    if (!started) return;
    if (write !== null) {
      const asked = { group, ...write };
      write = null;
      const number = outbox.writing();
      const { lastIndex } = context().log;
      const term = termAt(context().log, lastIndex) ?? 0;
      log.write(asked, () => {
        if (stopped) return;
        outbox.synced(number);
        send({ type: 'log.synced', index: lastIndex, term, at: clock.monotonic() });
      });
    }
    const leaving = sends;
    sends = [];
    for (const { message, when } of leaving) dispatch(message, when);
    if (committed > 0) {
      const through = committed;
      committed = 0;
      applier.committed(through);
    }
    tellStatus();
  }

  function dispatch(message: RaftMessage, when: 'now' | 'synced'): void {
    if (message.type === 'append') {
      sendEntries(message);
      return;
    }
    const envelope = { group, message, entries: [] };
    if (when === 'now') ports.outbox(envelope);
    else outbox.afterSync(envelope);
  }

  function sendEntries(message: Append): void {
    const { prevIndex, lastIndex, term, to } = message;
    if (lastIndex === prevIndex) {
      ports.outbox({ group, message, entries: [] });
      return;
    }
    log.read(group, prevIndex + 1, lastIndex, limits.raft.appendBytesMax, (error, entries) => {
      if (stopped) return;
      if (error !== null) {
        ports.failed(error);
        return;
      }
      // Read later from disk: leadership, and with it the log, may have passed on.
      if (context().term !== term || context().leader !== self) return;
      const last = prevIndex + entries.length;
      const cut = last < lastIndex ? { ...message, lastIndex: last, runs: message.runs.filter(({ first }) => first <= last) } : message;
      ports.outbox({ group, message: cut, entries });
      if (last < lastIndex) send({ type: 'append.cut', peer: to, term, lastIndex: last, at: clock.monotonic() });
    });
  }

  function applied(entries: readonly LogEntry[]): void {
    for (const { index, term } of entries) proposals.applied(index, term, context().leader);
    send({ type: 'applied', index: applier.applied, at: clock.monotonic() });
    const ready = answered.filter(({ index }) => index <= applier.applied);
    if (ready.length > 0) {
      answered = answered.filter(({ index }) => index > applier.applied);
      for (const { done } of ready) done(null);
    }
    tellStatus();
  }

  function answerRead(read: ReadId, index: LogIndex): void {
    const done = reads.get(read);
    if (done === undefined) return;
    reads.delete(read);
    if (applier.applied >= index) clock.defer(() => done(stopped ? notLeading() : null));
    else answered.push({ index, done });
  }

  function endRead(read: ReadId, error: Error): void {
    const done = reads.get(read);
    reads.delete(read);
    if (done !== undefined) clock.defer(() => done(error));
  }

  function notLeading(): Error {
    const { leader } = context();
    return unavailable(leader === null ? `${group} has no leader just now` : `${leader} leads ${group}`);
  }

  function refuse(ticket: number, reason: 'notLeader' | 'uncommittedLimit' | 'transferring'): void {
    const batch = proposing.get(ticket) ?? [];
    proposing.delete(ticket);
    const { leader } = context();
    for (const proposal of batch) proposal.settle({ outcome: 'notApplied', reason, leader: leader === self ? null : leader });
  }

  /** Proposals of one turn of the loop become one event, one write and one message per follower. */
  function flush(): void {
    flushing = false;
    if (stopped || queued.length === 0) return;
    const batch = queued;
    const bytes = queuedBytes;
    queued = [];
    queuedBytes = 0;
    const ticket = nextTicket++;
    proposing.set(ticket, batch);
    const event: RaftEvent = { type: 'propose', ticket, count: batch.length, bytes, at: clock.monotonic() };
    carried.set(event, batch.map(({ payload }) => ({ kind: 'data', payload })));
    send(event);
  }

  function statusNow(): RaftStatus {
    const { term, leader, commit, log: view } = context();
    const { value } = machine.snapshot;
    const role: RaftRole = typeof value === 'string' ? value : 'leader';
    const serving = typeof value !== 'string' && value.leader === 'serving';
    return { role, term, leader, serving, commit, applied: applier.applied, lastIndex: view.lastIndex };
  }

  function tellStatus(): void {
    const { role, term, leader, serving } = statusChanges.value;
    const now = statusNow();
    if (now.role !== role || now.term !== term || now.leader !== leader || now.serving !== serving) statusChanges.next(now);
  }

  return {
    id: group,
    members,
    get status() {
      return statusNow();
    },
    statusChanges,
    propose(payload, timeoutMs, done) {
      const proposal = proposals.open(payload, timeoutMs, done);
      const { leader } = context();
      const refusal = stopped ? 'stopped' : log.full ? 'logFull' : payload.length > limits.raft.entryBytesMax ? 'tooLarge' : leader !== self ? 'notLeader' : null;
      if (refusal !== null) {
        clock.defer(() => proposal.settle({ outcome: 'notApplied', reason: refusal, leader: leader === self ? null : leader }));
        return;
      }
      queued.push(proposal);
      queuedBytes += payload.length;
      if (flushing) return;
      flushing = true;
      clock.defer(flush);
    },
    read(done) {
      if (stopped) {
        clock.defer(() => done(unavailable('this broker is stopping')));
        return;
      }
      const read = nextRead++;
      reads.set(read, done);
      send({ type: 'read', read, at: clock.monotonic() });
    },
    receive({ message, entries }) {
      if (stopped) return;
      const event: RaftEvent = { ...message, at: clock.monotonic() };
      if (message.type === 'append') {
        assert(entries.length === message.lastIndex - message.prevIndex, 'an append message carries the entries that it announces');
        carried.set(event, entries);
      }
      send(event);
    },
    beat: () => send({ type: 'beat', at: clock.monotonic() }),
    peerClosed: (peer) => send({ type: 'peer.closed', peer, at: clock.monotonic() }),
    peerOpened: (peer) => send({ type: 'peer.opened', peer, at: clock.monotonic() }),
    stop() {
      if (stopped) return;
      stopped = true;
      machine.stop();
      applier.stop();
      proposals.stop();
      const ended = [...reads.values(), ...answered.map(({ done }) => done)];
      reads.clear();
      answered = [];
      for (const done of ended) done(unavailable('this broker is stopping'));
      statusChanges.complete();
    },
  };
}

/** The entries first … last of a message, with their terms. */
function takeFrom(message: Append, payloads: readonly CarriedEntry[], first: LogIndex, last: LogIndex): LogEntry[] {
  const entries: LogEntry[] = [];
  let run = 0;
  for (let index = first; index <= last; index++) {
    while ((message.runs[run + 1]?.first ?? Number.POSITIVE_INFINITY) <= index) run++;
    const { kind, payload } = present(payloads[index - message.prevIndex - 1], `entry ${index} is in the message`);
    entries.push({ index, term: present(message.runs[run], `entry ${index} has a term`).term, kind, payload });
  }
  return entries;
}
