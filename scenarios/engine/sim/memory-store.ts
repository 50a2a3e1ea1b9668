// A log store of the simulator's own: fast, and as unforgiving as the contract allows. A write becomes durable only with its sync;
// a crash keeps of the batch that was under way any beginning, and nothing of what waited behind it.
import { assert } from '../../../src/core/assert.ts';
import type { GroupId, LogIndex, Millis, Term } from '../../../src/core/ids.ts';
import type { LogEntry, LogStore, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { HardState } from '../../../src/machines/raft/effects.ts';
import type { TermRun } from '../../../src/machines/raft/messages.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import { createLatency } from './latency.ts';
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

export function createMemoryStore(random: Random, options: DiskOptions): SimStore {
  const durable: Groups = new Map();
  let underWay: readonly Waiting[] = [];
  const latency = createLatency(random.fork('latency'), options);

  return {
    open(clock: Clock): LogStore {
      const live: Groups = new Map(
        [...durable].map(([id, { entries, ...rest }]) => [id, { ...rest, entries: [...entries] }]),
      );
      const recovered = new Map([...durable].map(([id, group]) => [id, recoveredFrom(group)]));
      let waiting: Waiting[] = [];
      let syncing = false;
      let pendingBytes = 0;
      let busySince: Millis | null = null;
      let closing: (() => void) | null = null;

      function close(): void {
        if (closing !== null && !syncing && waiting.length === 0) clock.defer(closing);
      }

      function sync(): void {
        if (syncing || waiting.length === 0) return;
        syncing = true;
        busySince = clock.monotonic();
        const batch = waiting;
        waiting = [];
        underWay = batch;
        latency.wait(clock, () => {
          for (const { write } of batch) carryOut(durable, write);
          underWay = [];
          syncing = false;
          busySince = null;
          pendingBytes -= batch.reduce((sum, { write }) => sum + bytesOf(write), 0);
          for (const { synced } of batch) synced();
          sync();
          close();
        });
      }

      return {
        recovered: (group) => recovered.get(group) ?? recoveredFrom(newGroup(), true),
        write(write, synced) {
          carryOut(live, write);
          if (write.forget === true) recovered.set(write.group, recoveredFrom(groupOf(live, write.group)));
          waiting.push({ write, synced });
          pendingBytes += bytesOf(write);
          if (!syncing && waiting.length === 1) clock.defer(sync);
        },
        read(group, from, through, maxBytes, done) {
          const { base, entries } = groupOf(live, group);
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
        },
        get pendingBytes() {
          return pendingBytes;
        },
        get busySince() {
          return busySince;
        },
        full: false,
        close(done) {
          closing = done;
          close();
        },
      };
    },
    watch() {},
    crash() {
      latency.forget();
      const survivors = random.integer(0, underWay.length);
      for (const { write } of underWay.slice(0, survivors)) carryOut(durable, write);
      underWay = [];
    },
    wipe() {
      durable.clear();
      underWay = [];
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
