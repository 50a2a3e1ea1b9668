// Carries out what one step of a member's chart asks for, by the driver contract of machines/raft/effects.ts: first the one write, so
// that what is sent and applied can be read; then the messages; then the entries that are committed.
import { assert, unreachable } from '../../core/assert.ts';
import type { VedetteError } from '../../core/errors.ts';
import type { BrokerId, GroupId } from '../../core/ids.ts';
import type { RaftContext } from '../../machines/raft/context.ts';
import type { RaftEffect } from '../../machines/raft/effects.ts';
import type { RaftEvent } from '../../machines/raft/events.ts';
import { lastTerm } from '../../machines/raft/log-view.ts';
import type { RaftMessage } from '../../machines/raft/messages.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';
import type { LogEntry, LogStore } from '../stores/log.ts';
import type { Applier } from './applier.ts';
import type { CarriedEntries } from './carried-entries.ts';
import type { Changes } from './changes.ts';
import { encodeConfiguration } from './configuration-codec.ts';
import type { Durability, DurableEntry } from './durability.ts';
import type { EntrySender } from './entry-sender.ts';
import type { GroupSnapshots } from './group-snapshots.ts';
import type { PendingReads } from './pending-reads.ts';
import type { Proposals } from './proposals.ts';
import { newStep, type SendParams, type Step } from './step.ts';
import type { Transfers } from './transfers.ts';

export interface CarryOut {
  /** An effect of the step under way. */
  gather(effect: RaftEffect, event: RaftEvent | null): void;
  /** The step is over: all of it is done now. */
  finish(event: RaftEvent | null): void;
}

export interface CarryOutPorts {
  readonly group: GroupId;
  readonly log: LogStore;
  readonly out: (envelope: RaftEnvelope) => void;
  readonly durability: Durability;
  readonly carried: CarriedEntries;
  readonly sender: EntrySender;
  readonly applier: Applier;
  readonly proposals: Proposals;
  readonly changes: Changes;
  readonly transfers: Transfers;
  readonly reads: PendingReads;
  readonly snapshots: () => GroupSnapshots | null;
  readonly context: () => RaftContext;
  readonly otherLeader: () => BrokerId | null;
  readonly notLeading: () => VedetteError;
  /** How far the log is durable now. */
  readonly synced: (end: DurableEntry) => void;
  readonly isStopped: () => boolean;
}

type AppendParams = Extract<RaftEffect, { type: 'append' }>['params'];

export function createCarryOut(ports: CarryOutPorts): CarryOut {
  const { group, log, out, durability, carried, sender, applier, proposals, changes, transfers, reads } = ports;
  let step = newStep();

  function writing(): NonNullable<Step['write']> {
    step.write ??= { group };
    return step.write;
  }

  function gather(effect: RaftEffect, event: RaftEvent | null): void {
    switch (effect.type) {
      case 'persist':
        writing().hard = effect.params.hard;
        return;
      case 'truncate':
        writing().truncateAfter = effect.params.after;
        return;
      case 'compact':
        writing().compactTo = { index: effect.params.through, term: effect.params.term };
        return;
      case 'restore':
        return ports.snapshots()?.restore(effect.params.base);
      case 'sendSnapshot':
        return ports.snapshots()?.send(effect.params.to, effect.params.term);
      case 'markSound':
        writing().sound = true;
        return;
      case 'append':
        writing().entries = entriesFor(effect.params, event);
        return;
      case 'send':
        step.sends.push(effect.params);
        return;
      case 'apply':
        step.committed = effect.params.through;
        return;
      case 'answerReads':
        reads.provenAt(effect.params.reads, effect.params.index);
        return;
      case 'refuseReads':
        reads.refused(effect.params.reads, ports.notLeading());
        return;
      case 'refuseChange':
        changes.refused(effect.params.ticket, effect.params.reason, effect.params.detail, ports.otherLeader());
        return;
      case 'endTransfer':
        transfers.ended(effect.params.to, effect.params.reason);
        return;
      case 'refuseProposal':
        proposals.refused(effect.params.ticket, effect.params.reason, ports.otherLeader());
        return;
      default:
        unreachable(effect);
    }
  }

  function entriesFor({ first, last, term, source, configuration }: AppendParams, event: RaftEvent | null): LogEntry[] {
    if (source === 'noop') return [{ index: first, term, kind: 'noop', payload: new Uint8Array(0) }];
    if (configuration !== undefined) {
      if (event?.type === 'changeMembership') changes.appended(event.ticket, first, term);
      return [{ index: first, term, kind: 'configuration', payload: encodeConfiguration(configuration) }];
    }
    if (event?.type === 'propose') {
      const payloads = proposals.appended(event.ticket, first, term);
      return payloads.map((payload, at) => ({ index: first + at, term, kind: 'data', payload }));
    }
    assert(event?.type === 'append', () => `${event?.type} carries no entries`);
    return carried.take(event, first, last);
  }

  function finish(event: RaftEvent | null): void {
    const { write, sends, committed } = step;
    step = newStep();
    if (write !== null) put(write);
    if (event?.type === 'append.sent') sender.resume(event.peer);
    for (const { message, when } of sends) dispatch(message, when);
    if (committed !== null) applier.committed(committed);
  }

  function put(write: NonNullable<Step['write']>): void {
    const { log: view } = ports.context();
    if (write.truncateAfter !== undefined) durability.cutting(write.truncateAfter);
    // What the log goes on with is behind it, and what it held before is not reported any more.
    if (write.compactTo?.index === view.lastIndex) durability.cutting(0);
    const number = durability.writing(
      write.entries === undefined ? null : { index: view.lastIndex, term: lastTerm(view) },
    );
    log.write(write, () => {
      if (ports.isStopped()) return;
      const end = durability.synced(number);
      if (end !== null) ports.synced(end);
    });
  }

  function dispatch(message: RaftMessage, when: SendParams['when']): void {
    if (message.type === 'append') sender.send(message);
    else if (when === 'now') out({ group, message, entries: [] });
    else durability.sendAfterSync({ group, message, entries: [] });
  }

  return { gather, finish };
}
