// Brings committed entries to the state machine: in order, each once, in bounded chunks, so that a long catch-up does not hold the
// loop.
import { assert } from '../../core/assert.ts';
import type { GroupId, LogIndex } from '../../core/ids.ts';
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
  readonly chunkBytes: number;
  /** After each chunk. */
  readonly onApplied: (entries: readonly LogEntry[]) => void;
  readonly onError: (error: Error) => void;
}

export function createApplier(ports: ApplierPorts): Applier {
  const { group, log, clock, machine, chunkBytes, onApplied, onError } = ports;
  let applied = ports.from;
  let target = ports.from;
  let reading = false;
  let stopped = false;

  function pump(): void {
    if (reading || stopped || applied >= target) return;
    reading = true;
    log.read(group, applied + 1, target, chunkBytes, (error, entries) => {
      reading = false;
      if (stopped) return;
      if (error !== null) {
        onError(error);
        return;
      }
      assert(entries[0]?.index === applied + 1, `${group}: the entry after ${applied} comes next, not ${entries[0]?.index}`);
      machine.apply(entries);
      applied += entries.length;
      onApplied(entries);
      if (applied < target) clock.defer(pump);
    });
  }

  return {
    get applied() {
      return applied;
    },
    committed(index) {
      assert(index >= target, 'the commit index never falls');
      target = index;
      pump();
    },
    stop() {
      stopped = true;
    },
  };
}
