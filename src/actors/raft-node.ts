// One member of one group, in the world: steps the chart, and carries out its effects by the driver contract of
// machines/raft/effects.ts.
//
//   peers ─▶ receive ─┐                        ┌▶ log store ─▶ synced ─▶ messages that waited
//   propose ──────────┼▶ chart ─▶ effects, in ─┼▶ messages that may go at once
//   clock, beats ─────┘   order                └▶ applier ─▶ state machine ─▶ outcomes of proposals, reads
//
// Entries' bytes never enter the chart: they wait beside the event that announced them, until `append` says which are taken. The
// effects of a step are gathered, and done when it is over: first the one write, so that what is sent and applied can be read; then
// the messages; then the entries that are committed.
import { BehaviorSubject } from 'rxjs';
import { unavailable, type VedetteError } from '../core/errors.ts';
import type { BrokerId, GroupId, Millis, Term } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { RaftEffect } from '../machines/raft/effects.ts';
import type { LinkNews, RaftEvent } from '../machines/raft/events.ts';
import { membersOf } from '../machines/raft/membership.ts';
import type { RaftMessage } from '../machines/raft/messages.ts';
import { raftMachine } from '../machines/raft/raft-machine.ts';
import type { Clock } from '../streams/clock.ts';
import type { RaftEnvelope } from '../streams/envelope.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import { runMachine } from '../streams/run-machine.ts';
import { createApplier } from './raft/applier.ts';
import { beatEvent } from './raft/beat-event.ts';
import { createCarriedEntries } from './raft/carried-entries.ts';
import { createCarryOut } from './raft/carry-out.ts';
import { createChanges } from './raft/changes.ts';
import { inputFor } from './raft/chart-input.ts';
import { configurationsIn } from './raft/configurations.ts';
import { createDurability } from './raft/durability.ts';
import { createEntrySender } from './raft/entry-sender.ts';
import { createGroupSnapshots, type SnapshotPorts } from './raft/group-snapshots.ts';
import { checkRaftOptions, type RaftNodeOptions } from './raft/options.ts';
import { appendEvent, eventOf } from './raft/message-event.ts';
import { createPendingReads } from './raft/pending-reads.ts';
import { type Batch, createProposals, type ProposalRefusal } from './raft/proposals.ts';
import { statusOf } from './raft/status.ts';
import { startFrom } from './raft/start.ts';
import { createTransfers } from './raft/transfers.ts';
import type { RaftGroup, RaftStatus, StateMachine } from './raft-group.ts';
import type { LogEntry, LogStore } from './stores/log.ts';

export { checkRaftOptions, type RaftNodeOptions } from './raft/options.ts';

export interface RaftNodePorts {
  readonly self: BrokerId;
  readonly group: GroupId;
  /** The voters that the group was founded with; none: this member waits to be added to it. */
  readonly members: readonly BrokerId[];
  /** False: this member may have acknowledged what it does not hold any more, for its directory was lost. */
  readonly sound?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogStore;
  readonly inspector: Inspector;
  readonly outbox: (envelope: RaftEnvelope) => void;
  readonly machine: StateMachine;
  readonly options: RaftNodeOptions;
  /** What the link to the leader's broker knows; `heardAt`: when the group itself last heard it. */
  readonly link?: (leader: BrokerId, term: Term, heardAt: Millis) => LinkNews;
  /** Without them the log is never compacted. */
  readonly snapshots?: SnapshotPorts;
  /** The role chart; another one only where it is to be shown that a wrong one is found. */
  readonly chart?: typeof raftMachine;
  /** What people should know of what was found here. */
  readonly warn?: (message: string) => void;
  /** The log cannot be read: this member must not go on. */
  readonly failed: (error: Error) => void;
}

const ANSWERS: ReadonlySet<RaftMessage['type']> = new Set([
  'preVoteReply',
  'voteReply',
  'appendReply',
  'heartbeatReply',
  'vouchReply',
]);

/**
 * Starts this member from its newest snapshot, and from what the log store has recovered. Everything behind the snapshot is applied
 * again as the commit index comes to be known.
 * @throws VedetteError INVALID_ARGUMENT when the options break a rule, DATA_LOSS when nothing here or elsewhere holds what has left the log.
 */
export function createRaftNode(ports: RaftNodePorts): RaftGroup {
  const { self, group, clock, log, options } = ports;
  checkRaftOptions(options);
  const { recovered, start } = startFrom({
    self,
    group,
    members: ports.members,
    log,
    saved: ports.machine.saved,
    store: ports.snapshots?.store,
    warn: ports.warn ?? (() => {}),
  });
  const carried = createCarriedEntries();
  // The own vote, where it suffices alone, is told to nobody else.
  const durability = createDurability((envelope) =>
    envelope.message.to === self ? send(eventOf(envelope.message, clock.monotonic())) : ports.outbox(envelope),
  );
  const proposals = createProposals(clock, propose);
  const changes = createChanges(clock);
  const patienceMs = limits.raft.answerTimeouts * options.electionMaxMs;
  const transfers = createTransfers(group, clock, patienceMs);
  const reads = createPendingReads(
    clock,
    ports.random.integer(1, 0xffff_ffff),
    (read) => send({ type: 'read', read, at: clock.monotonic() }),
    () => (leads() ? null : patienceMs),
  );
  const sender = createEntrySender({
    group,
    log,
    out: ports.outbox,
    isCurrent: ({ term, prevIndex }) => context().term === term && leads() && prevIndex >= context().log.firstIndex - 1,
    onSent: ({ to, term }, lastIndex, bytes) =>
      send({ type: 'append.sent', peer: to, term, lastIndex, bytes, at: clock.monotonic() }),
    onError: ports.failed,
  });
  const applier = createApplier({
    group,
    from: start.position,
    state: start.state,
    log,
    clock,
    machine: ports.machine,
    onApplied: noteApplied,
    onError: ports.failed,
  });
  let stopped = false;
  const carryOut = createCarryOut({
    group,
    log,
    out: ports.outbox,
    durability,
    carried,
    sender,
    applier,
    proposals,
    changes,
    transfers,
    reads,
    snapshots: () => snapshots,
    context: () => context(),
    otherLeader,
    notLeading,
    synced: (end) => send({ type: 'log.synced', ...end, at: clock.monotonic() }),
    isStopped: () => stopped,
  });
  /** False only in the chart's first step, which asks for nothing: a member begins by waiting. */
  let started = false;

  const machine = runMachine<typeof raftMachine, RaftEffect>(ports.chart ?? raftMachine, {
    id: `${self}/raft/${group}`,
    kind: 'raft',
    input: inputFor(ports, recovered, start),
    clock,
    inspector: ports.inspector,
    timerFacts: () => ({ link: link() }),
    onEffect: (effect, event) => {
      if (started) noteStatus();
      carryOut.gather(effect, event);
    },
    onStep: (_snapshot, event) => {
      if (!started) return;
      noteStatus();
      carryOut.finish(event);
      tellStatus();
    },
  });
  started = true;
  // Before anything else is written: it must not be taken for sound after another restart.
  if (ports.sound === false && recovered.sound) log.write({ group, sound: false }, () => {});
  const context = () => machine.snapshot.context;
  const statusChanges = new BehaviorSubject<RaftStatus>(statusOf(machine.snapshot, applier.applied));
  const send = (event: RaftEvent) => machine.send(event);
  const { saved } = ports.machine;
  const snapshots =
    ports.snapshots === undefined || saved === undefined
      ? null
      : createGroupSnapshots({
          ...ports.snapshots,
          group,
          clock,
          state: saved,
          applier,
          context,
          send,
          restored: tellApplied,
          failed: ports.failed,
        });

  function noteApplied(entries: readonly LogEntry[]): void {
    const leader = otherLeader();
    for (const { index, term } of entries) {
      proposals.applied(index, term, leader);
      changes.applied(index, term, leader);
    }
    tellApplied();
    snapshots?.noted(entries);
  }

  function tellApplied(): void {
    noteStatus();
    send({ type: 'applied', index: applier.applied, at: clock.monotonic() });
    reads.applied(applier.applied);
  }

  // ---------------------------------------------------------------- requests

  function propose({ ticket, payloads, bytes }: Batch): void {
    send({ type: 'propose', ticket, count: payloads.length, bytes, at: clock.monotonic() });
  }

  /** What is in the way that the chart does not see. Whoever does not lead says so, whatever its disk is like. */
  function obstacle(payload: Uint8Array): ProposalRefusal | null {
    if (stopped) return 'stopped';
    if (payload.length > limits.raft.entryBytesMax) return 'tooLarge';
    if (!leads()) return null;
    if (log.full) return 'logFull';
    return log.pendingBytes > limits.raft.pendingWriteBytesMax ? 'uncommittedLimit' : null;
  }

  /** What the chart cannot know of its leader. */
  function link(): LinkNews | undefined {
    const { leader, term, heardAt } = context();
    return leader === null || leader === self ? undefined : ports.link?.(leader, term, heardAt);
  }

  function leads(): boolean {
    return context().leadership !== null;
  }

  function otherLeader(): BrokerId | null {
    const { leader } = context();
    return leader === self ? null : leader;
  }

  function notLeading(): VedetteError {
    const leader = otherLeader();
    return unavailable(leader === null ? `${group} has no leader just now` : `${leader} leads ${group}`);
  }

  // ---------------------------------------------------------------- status

  /** After all that it tells of: each step, and each change of the state machine. The same object while nothing has changed. */
  function noteStatus(): void {
    if (machine.snapshot === shown && member.status.applied === applier.applied) return;
    shown = machine.snapshot;
    member.status = statusOf(shown, applier.applied);
  }

  function tellStatus(): void {
    const told = statusChanges.value;
    const { status } = member;
    const { leader, configuration } = status;
    if (
      told.term === status.term &&
      told.leader === leader &&
      told.role === status.role &&
      told.serving === status.serving &&
      told.configuration === configuration
    )
      return;
    if (told.configuration !== configuration) member.members = membersOf(configuration.configuration);
    statusChanges.next(status);
    transfers.leads(leader, self);
  }

  let shown = machine.snapshot;
  // Fields, no accessors: V8 keeps an object that is written with one as a dictionary, and slows down all that is asked of it.
  const member: RaftGroup & { status: RaftStatus; members: readonly BrokerId[] } = {
    id: group,
    members: membersOf(statusChanges.value.configuration.configuration),
    status: statusChanges.value,
    statusChanges,
    propose(payload, timeoutMs, done) {
      const refusal = obstacle(payload);
      if (refusal === null) proposals.open(payload, timeoutMs, done);
      else proposals.refuse(done, refusal, otherLeader());
    },
    read: (done) => reads.ask(done),
    changeMembership(seen, target, timeoutMs, done) {
      const refusal = log.full && leads() ? 'logFull' : stopped ? 'stopped' : null;
      const begin = (ticket: number): void => {
        if (refusal !== null) changes.refused(ticket, refusal, '', otherLeader());
        else send({ type: 'changeMembership', ticket, seen, target, at: clock.monotonic() });
      };
      changes.open(timeoutMs, begin, done);
    },
    trust: () => send({ type: 'trusted', at: clock.monotonic() }),
    transfer(to, done) {
      const begin = (): void => {
        if (stopped) return;
        send({ type: 'transfer', to, at: clock.monotonic() });
        if (to === self) transfers.ended(to, 'cancelled');
      };
      transfers.open(to, begin, (error) => done(to === self && leads() ? null : error));
    },
    receive({ message, entries }) {
      // A leader or candidate may be new to this member; whoever answers was asked.
      if (stopped || message.to !== self) return;
      if (ANSWERS.has(message.type) && !context().peers.includes(message.from)) return;
      const at = clock.monotonic();
      if (message.type === 'vote' || message.type === 'preVote') {
        send({ at, link: link(), ...message });
        return;
      }
      if (message.type === 'append') {
        const event = appendEvent(message, at, configurationsIn(message, entries));
        carried.carry(event, entries);
        send(event);
      } else if (message.type === 'installSnapshot')
        send({ at, held: snapshots?.held() ?? 0, heldConfiguration: snapshots?.heldConfiguration(), ...message });
      else send(eventOf(message, at));
    },
    beat(links) {
      // Nobody else does anything at a beat, and most groups of a broker are led elsewhere.
      if (!leads()) return;
      const at = clock.monotonic();
      const beat = beatEvent(context(), links, at, log.busySince === null ? 0 : at - log.busySince);
      if (beat !== null) send(beat);
    },
    keepsUp(peer) {
      const { leadership, commit } = context();
      const known = leadership?.progress[peer];
      return known?.state === 'replicate' && known.doubt === null && known.match + limits.raft.nearlyEntries >= commit;
    },
    claimTo(peer) {
      const { term, leadership } = context();
      const known = leadership?.progress[peer];
      return known === undefined ? null : { term, commit: known.toldCommit };
    },
    follows(leader, term, commit) {
      const known = context();
      return known.sound && known.leader === leader && known.term === term && known.commit >= commit;
    },
    linkSilent(leader, term, vouchedUntil) {
      if (otherLeader() !== leader || context().term !== term) return;
      send({ type: 'link.silent', vouchedUntil, link: link(), at: clock.monotonic() });
    },
    peerClosed: (peer) => send({ type: 'peer.closed', peer, at: clock.monotonic() }),
    peerOpened: (peer) => send({ type: 'peer.opened', peer, at: clock.monotonic() }),
    snapshot(done) {
      if (snapshots === null || stopped)
        clock.defer(() => done(unavailable(`no snapshots are taken of ${group} here`), 0));
      else snapshots.take(done);
    },
    stop() {
      if (stopped) return;
      stopped = true;
      snapshots?.stop();
      machine.stop();
      sender.stop();
      applier.stop();
      proposals.stop();
      changes.stop();
      transfers.stop();
      reads.stop();
      statusChanges.complete();
    },
  };
  return member;
}
