// A log store in memory, for tests of what stands on one: group commit with a delay, a disk that hangs or is full, and a crash that
// keeps only what was synced. Entries before `cachedFrom` answer later, as from a disk.
import { assert } from '../../src/core/assert.ts';
import type { GroupId, LogIndex, Millis, Term } from '../../src/core/ids.ts';
import type { TermRun } from '../../src/machines/raft/messages.ts';
import type { LogEntry, LogStore, LogWrite, RecoveredGroup } from '../../src/actors/stores/log.ts';
import type { Clock } from '../../src/streams/clock.ts';

interface GroupState {
  hard: RecoveredGroup['hard'];
  sound: boolean;
  /** The last entry that was compacted; zeros when none was. */
  base: { readonly index: LogIndex; readonly term: Term };
  entries: LogEntry[];
}
/** What survives a crash. */
export type MemoryDisk = Map<GroupId, GroupState>;

export interface MemoryLogOptions {
  readonly clock: Clock;
  readonly disk: MemoryDisk;
  /** From a write's turn to its being durable; what comes meanwhile shares the next sync. */
  readonly syncMs?: Millis;
  /** How long a read takes that is not cached. */
  readonly readMs?: Millis;
}

export interface MemoryLog extends LogStore {
  full: boolean;
  pendingBytes: number;
  busySince: Millis | null;
  /** Entries before this index are read from disk. */
  cachedFrom: LogIndex;
  /** The error of all reads from disk, if any. */
  readError: Error | null;
  readonly writes: readonly LogWrite[];
  syncs: number;
  /** Nothing becomes durable until `release`. */
  hang(): void;
  release(): void;
  /** The process is gone: what was not synced is lost, nobody is called back. */
  crash(): void;
}

const newGroup = (): GroupState => ({
  hard: { term: 0, votedFor: null },
  sound: true,
  base: { index: 0, term: 0 },
  entries: [],
});

function change(
  groups: MemoryDisk,
  { group, hard, sound, compactTo, truncateAfter, forget, entries = [] }: LogWrite,
): void {
  const state = groups.get(group) ?? newGroup();
  groups.set(group, state);
  if (hard !== undefined) state.hard = hard;
  if (sound !== undefined) state.sound = sound;
  if (compactTo !== undefined && compactTo.index > state.base.index) {
    const held = state.entries[compactTo.index - state.base.index - 1];
    state.entries = held?.term === compactTo.term ? state.entries.slice(compactTo.index - state.base.index) : [];
    state.base = compactTo;
  }
  if (forget === true) Object.assign(state, { sound: false, base: { index: 0, term: 0 }, entries: [] });
  const { index: base } = state.base;
  if (truncateAfter !== undefined) state.entries.length = Math.min(state.entries.length, truncateAfter - base);
  for (const entry of entries) {
    const last = base + state.entries.length;
    assert(entry.index === last + 1, `entry ${entry.index} does not follow ${last}`);
    state.entries.push(entry);
  }
}

function runsOf(entries: readonly LogEntry[]): TermRun[] {
  let term: Term = 0;
  const runs: TermRun[] = [];
  for (const entry of entries) {
    if (entry.term !== term) runs.push({ first: entry.index, term: entry.term });
    term = entry.term;
  }
  return runs;
}

export function createMemoryLog({ clock, disk, syncMs = 1, readMs = 2 }: MemoryLogOptions): MemoryLog {
  const groups: MemoryDisk = new Map(
    [...disk].map(([group, { entries, ...rest }]) => [group, { ...rest, entries: [...entries] }]),
  );
  const writes: LogWrite[] = [];
  let waiting: { readonly write: LogWrite; readonly synced: () => void }[] = [];
  let syncing = false;
  let hanging = false;
  let crashed = false;

  function sync(): void {
    if (syncing || hanging || crashed || waiting.length === 0) return;
    syncing = true;
    log.busySince = clock.monotonic();
    const batch = waiting;
    waiting = [];
    clock.after(syncMs, () => {
      syncing = false;
      if (crashed) return;
      if (hanging) {
        waiting = [...batch, ...waiting];
        return;
      }
      log.busySince = null;
      log.syncs++;
      for (const { write } of batch) change(disk, write);
      for (const { synced } of batch) if (!crashed) synced();
      sync();
    });
  }

  const log: MemoryLog = {
    full: false,
    pendingBytes: 0,
    busySince: null,
    cachedFrom: 1,
    readError: null,
    writes,
    syncs: 0,
    recovered(group) {
      const { hard, sound, base, entries } = groups.get(group) ?? newGroup();
      const lastIndex = base.index + entries.length;
      const configurations = entries.filter(({ kind }) => kind === 'configuration');
      return {
        isNew: !groups.has(group),
        hard,
        sound,
        firstIndex: base.index + 1,
        previousTerm: base.term,
        lastIndex,
        runs: runsOf(entries),
        configurations,
      };
    },
    write(write, synced) {
      assert(!crashed, 'a dead process writes nothing');
      change(groups, write);
      writes.push(write);
      waiting.push({ write, synced });
      if (hanging) log.busySince ??= clock.monotonic();
      sync();
    },
    read(group, from, through, maxBytes, done) {
      const { base, entries } = groups.get(group) ?? newGroup();
      assert(
        from > base.index && from <= through && through <= base.index + entries.length,
        `${from} … ${through} are not all in the log ${base.index + 1} … ${base.index + entries.length}`,
      );
      let bytes = 0;
      const taken = entries.slice(from - base.index - 1, through - base.index).filter(({ index, payload }) => {
        bytes += payload.length;
        return index === from || bytes <= maxBytes;
      });
      if (from >= log.cachedFrom) {
        done(null, taken);
        return;
      }
      clock.after(readMs, () => {
        if (!crashed) done(log.readError, log.readError === null ? taken : []);
      });
    },
    hang() {
      hanging = true;
    },
    release() {
      hanging = false;
      sync();
    },
    crash() {
      crashed = true;
      waiting = [];
    },
    close(done) {
      clock.defer(done);
    },
  };
  return log;
}
