// Brings committed entries to the state machine: in order, each once, in bounded chunks, so that a long catch-up does not hold the
// loop.
import { assert } from '../../core/assert.ts';
import type { GroupId, LogIndex } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { StateMachine } from '../raft-group.ts';
import type { LogEntry, LogStore } from '../stores/log.ts';

export interface Applier {
  readonly applied: LogIndex;
  /** Everything up to `index` is committed. */
  committed(index: LogIndex): void;
  stop(): void;
}

export interface ApplierPorts {
  readonly group: GroupId;
  /** The last entry that is applied already. */
  readonly from: LogIndex;
  readonly log: LogStore;
  readonly clock: Clock;
  readonly machine: StateMachine;
  /** After each chunk. */
  readonly onApplied: (entries: readonly LogEntry[]) => void;
  readonly onError: (error: Error) => void;
}

export function createApplier(ports: ApplierPorts): Applier {
  const { group, log, clock, machine, onApplied, onError } = ports;
  const { applyBytesMax, applyEntriesMax } = limits.raft;
  let applied = ports.from;
  let target = ports.from;
  /** A chunk is being read or applied, or the next one waits for its turn. */
  let busy = false;
  let stopped = false;

  function pump(): void {
    const through = Math.min(target, applied + applyEntriesMax);
    log.read(group, applied + 1, through, applyBytesMax, (error, entries) => {
      if (stopped) return;
      if (error !== null) {
        onError(error);
        return;
      }
      take(entries);
    });
  }

  function take(entries: readonly LogEntry[]): void {
    assert(
      entries[0]?.index === applied + 1,
      `${group}: the entry after ${applied} comes next, not ${entries[0]?.index}`,
    );
    machine.apply(entries);
    applied += entries.length;
    onApplied(entries);
    busy = applied < target;
    if (busy) clock.defer(next);
  }

  function next(): void {
    if (!stopped) pump();
  }

  return {
    get applied() {
      return applied;
    },
    committed(index) {
      assert(index >= target, 'the commit index never falls');
      target = index;
      if (busy || stopped || applied >= target) return;
      busy = true;
      pump();
    },
    stop() {
      stopped = true;
    },
  };
}
