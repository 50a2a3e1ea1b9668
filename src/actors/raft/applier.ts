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
  /** The state is being replaced: nothing is applied until `restored`. */
  hold(): void;
  /** The state holds everything up to `state` now; the entry after `position` comes next. */
  restored(position: LogIndex, state: LogIndex): void;
  stop(): void;
}

export interface ApplierPorts {
  readonly group: GroupId;
  /** The entry after this one comes next. */
  readonly from: LogIndex;
  /** The state holds everything up to here: entries before it are passed, not applied. */
  readonly state: LogIndex;
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
  let target = ports.from;
  let { state } = ports;
  /** Counts up when the state is replaced: what was being read for the old one is not for the new. */
  let life = 0;
  /** A chunk is being read or applied, or the next one waits for its turn. */
  let busy = false;
  let stopped = false;

  // Fields, no accessor: V8 keeps an object that is written with one as a dictionary.
  const applier = { applied: ports.from, committed, hold, restored, stop };

  function pump(): void {
    const through = Math.min(target, applier.applied + applyEntriesMax);
    const born = life;
    log.read(group, applier.applied + 1, through, applyBytesMax, (error, entries) => {
      if (stopped || born !== life) return;
      if (error !== null) {
        onError(error);
        return;
      }
      take(entries);
    });
  }

  function take(entries: readonly LogEntry[]): void {
    assert(
      entries[0]?.index === applier.applied + 1,
      () => `${group}: the entry after ${applier.applied} comes next, not ${entries[0]?.index}`,
    );
    const known = applier.applied >= state ? [] : entries.filter(({ index }) => index <= state);
    if (known.length > 0) machine.saved?.pass(known);
    if (known.length < entries.length) machine.apply(known.length === 0 ? entries : entries.slice(known.length));
    applier.applied += entries.length;
    onApplied(entries);
    goOn();
  }

  function goOn(): void {
    busy = applier.applied < target;
    const born = life;
    if (busy)
      clock.defer(() => {
        if (!stopped && born === life) pump();
      });
  }

  function committed(index: LogIndex): void {
    assert(index >= target, 'the commit index never falls');
    target = index;
    if (busy || stopped || applier.applied >= target) return;
    busy = true;
    pump();
  }

  function hold(): void {
    life++;
    busy = true;
  }

  function restored(position: LogIndex, reached: LogIndex): void {
    assert(position >= applier.applied && reached >= position, () => `${group}: the state never goes back`);
    applier.applied = position;
    target = Math.max(target, position);
    state = reached;
    goOn();
  }

  function stop(): void {
    stopped = true;
  }

  return applier;
}
