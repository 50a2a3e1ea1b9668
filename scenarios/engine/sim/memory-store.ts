// A log store of the simulator's own: fast, and as unforgiving as the contract allows. A write becomes durable only with its sync;
// a crash keeps of the batch that was under way any beginning, and nothing of what waited behind it.
import { assert } from '../../../src/core/assert.ts';
import type { GroupId, LogIndex, Millis, Term } from '../../../src/core/ids.ts';
import type { LogEntry, LogStore, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { HardState } from '../../../src/machines/raft/effects.ts';
import type { TermRun } from '../../../src/machines/raft/messages.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import { createLatency, type Latency } from './latency.ts';
import type { DiskOptions } from './options.ts';
import type { SimStore } from './store.ts';

interface Group {
  hard: HardState;
  sound: boolean;
  /** The last entry that was compacted; zeros when none was. */
  base: { readonly index: LogIndex; readonly term: Term };
  readonly entries: LogEntry[];
}

type Groups = Map<GroupId, Group>;

interface Waiting {
  readonly write: LogWrite;
  readonly synced: () => void;
}

/** What outlives a process. */
interface MemoryDisk {
  readonly durable: Groups;
  /** A sync has begun on these. */
  underWay: readonly Waiting[];
}

const newGroup = (): Group => ({
  hard: { term: 0, votedFor: null },
  sound: true,
  base: { index: 0, term: 0 },
  entries: [],
});

function groupOf(groups: Groups, id: GroupId): Group {
  let group = groups.get(id);
  if (group === undefined) {
    group = newGroup();
    groups.set(id, group);
  }
  return group;
}

function carryOut(
  groups: Groups,
  { group: id, hard, sound, compactTo, truncateAfter, forget, entries = [] }: LogWrite,
): void {
  const group = groupOf(groups, id);
  if (forget === true) {
    group.sound = false;
    group.base = { index: 0, term: 0 };
    group.entries.length = 0;
  }
  if (hard !== undefined) group.hard = hard;
  if (sound !== undefined) group.sound = sound;
  if (compactTo !== undefined && compactTo.index > group.base.index) {
    const through = compactTo.index - group.base.index;
    const holdsIt = group.entries[through - 1]?.term === compactTo.term;
    group.entries.splice(0, holdsIt ? through : group.entries.length);
    group.base = compactTo;
  }
  const { index: base } = group.base;
  if (truncateAfter !== undefined) group.entries.length = Math.min(group.entries.length, truncateAfter - base);
  for (const entry of entries) {
    const next = base + group.entries.length + 1;
    assert(entry.index === next, `${id}: entry ${next} comes next, not ${entry.index}`);
    group.entries.push(entry);
  }
}

function recoveredFrom({ hard, sound, base, entries }: Group, isNew = false): RecoveredGroup {
  const runs: TermRun[] = [];
  for (const { index, term } of entries) if (runs.at(-1)?.term !== term) runs.push({ first: index, term });
  const lastIndex = base.index + entries.length;
  const configurations = entries.filter(({ kind }) => kind === 'configuration');
  return { isNew, hard, sound, firstIndex: base.index + 1, previousTerm: base.term, lastIndex, runs, configurations };
}

/** What one life of a process sees of it. */
class MemoryLog implements LogStore {
  pendingBytes = 0;
  busySince: Millis | null = null;
  readonly full = false;
  readonly #clock: Clock;
  readonly #latency: Latency;
  readonly #disk: MemoryDisk;
  readonly #live: Groups;
  readonly #recovered: Map<GroupId, RecoveredGroup>;
  #waiting: Waiting[] = [];
  #syncing = false;
  #closing: (() => void) | null = null;

  constructor(clock: Clock, latency: Latency, disk: MemoryDisk) {
    this.#clock = clock;
    this.#latency = latency;
    this.#disk = disk;
    this.#live = new Map(
      [...disk.durable].map(([id, { entries, ...rest }]) => [id, { ...rest, entries: [...entries] }]),
    );
    this.#recovered = new Map([...disk.durable].map(([id, group]) => [id, recoveredFrom(group)]));
  }

  recovered(group: GroupId): RecoveredGroup {
    return this.#recovered.get(group) ?? recoveredFrom(newGroup(), true);
  }

  write(write: LogWrite, synced: () => void): void {
    carryOut(this.#live, write);
    if (write.forget === true) this.#recovered.set(write.group, recoveredFrom(groupOf(this.#live, write.group)));
    this.#waiting.push({ write, synced });
    this.pendingBytes += bytesOf(write);
    if (!this.#syncing && this.#waiting.length === 1) this.#clock.defer(() => this.#sync());
  }

  read(
    group: GroupId,
    from: LogIndex,
    through: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly LogEntry[]) => void,
  ): void {
    const { base, entries } = groupOf(this.#live, group);
    assert(
      from > base.index && from <= through && through <= base.index + entries.length,
      `${group}: ${from} … ${through} is not in the log (${base.index + 1} … ${base.index + entries.length})`,
    );
    const first = from - base.index - 1;
    let end = first + 1;
    for (let bytes = entries[first]?.payload.length ?? 0; end < through - base.index; end++) {
      bytes += entries[end]?.payload.length ?? 0;
      if (bytes > maxBytes) break;
    }
    done(null, entries.slice(first, end));
  }

  close(done: () => void): void {
    this.#closing = done;
    this.#end();
  }

  #end(): void {
    if (this.#closing !== null && !this.#syncing && this.#waiting.length === 0) this.#clock.defer(this.#closing);
  }

  #sync(): void {
    if (this.#syncing || this.#waiting.length === 0) return;
    this.#syncing = true;
    this.busySince = this.#clock.monotonic();
    const batch = this.#waiting;
    this.#waiting = [];
    this.#disk.underWay = batch;
    this.#latency.wait(this.#clock, () => this.#synced(batch));
  }

  #synced(batch: readonly Waiting[]): void {
    for (const { write } of batch) carryOut(this.#disk.durable, write);
    this.#disk.underWay = [];
    this.#syncing = false;
    this.busySince = null;
    for (const { write } of batch) this.pendingBytes -= bytesOf(write);
    for (const { synced } of batch) synced();
    this.#sync();
    this.#end();
  }
}

export function createMemoryStore(random: Random, options: DiskOptions): SimStore {
  const disk: MemoryDisk = { durable: new Map(), underWay: [] };
  const latency = createLatency(random.fork('latency'), options);

  return {
    open: (clock) => new MemoryLog(clock, latency, disk),
    watch() {},
    crash() {
      latency.forget();
      const survivors = random.integer(0, disk.underWay.length);
      for (const { write } of disk.underWay.slice(0, survivors)) carryOut(disk.durable, write);
      disk.underWay = [];
    },
    wipe() {
      disk.durable.clear();
      disk.underWay = [];
    },
    impose(trouble) {
      if ('factor' in trouble) latency.impose(trouble);
    },
    lift(trouble) {
      if ('factor' in trouble) latency.lift(trouble);
    },
    spoil: () => false,
    tear() {},
    calm: latency.calm,
  };
}

function bytesOf({ entries = [] }: LogWrite): number {
  return entries.reduce((sum, { payload }) => sum + payload.length, 0);
}
