// A log store of the simulator's own: fast, and as unforgiving as the contract allows. A write becomes durable only with its sync;
// a crash keeps of the batch that was under way any beginning, and nothing of what waited behind it.
import { assert } from '../../../src/core/assert.ts';
import type { GroupId } from '../../../src/core/ids.ts';
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
  readonly entries: LogEntry[];
}

type Groups = Map<GroupId, Group>;

interface Waiting {
  readonly write: LogWrite;
  readonly synced: () => void;
}

function groupOf(groups: Groups, id: GroupId): Group {
  let group = groups.get(id);
  if (group === undefined) {
    group = { hard: { term: 0, votedFor: null }, entries: [] };
    groups.set(id, group);
  }
  return group;
}

function carryOut(groups: Groups, { group: id, hard, truncateAfter, entries = [] }: LogWrite): void {
  const group = groupOf(groups, id);
  if (hard !== undefined) group.hard = hard;
  if (truncateAfter !== undefined) group.entries.length = Math.min(group.entries.length, truncateAfter);
  for (const entry of entries) {
    assert(
      entry.index === group.entries.length + 1,
      `${id}: entry ${group.entries.length + 1} comes next, not ${entry.index}`,
    );
    group.entries.push(entry);
  }
}

function recoveredFrom({ hard, entries }: Group): RecoveredGroup {
  const runs: TermRun[] = [];
  for (const { index, term } of entries) if (runs.at(-1)?.term !== term) runs.push({ first: index, term });
  return { hard, firstIndex: 1, previousTerm: 0, lastIndex: entries.length, runs };
}

export function createMemoryStore(random: Random, options: DiskOptions): SimStore {
  const durable: Groups = new Map();
  let underWay: readonly Waiting[] = [];
  const latency = createLatency(random.fork('latency'), options);

  return {
    open(clock: Clock): LogStore {
      const live: Groups = new Map(
        [...durable].map(([id, { hard, entries }]) => [id, { hard, entries: [...entries] }]),
      );
      const recovered = new Map([...durable].map(([id, group]) => [id, recoveredFrom(group)]));
      let waiting: Waiting[] = [];
      let syncing = false;
      let pendingBytes = 0;

      function sync(): void {
        if (syncing || waiting.length === 0) return;
        syncing = true;
        const batch = waiting;
        waiting = [];
        underWay = batch;
        latency.wait(clock, () => {
          for (const { write } of batch) carryOut(durable, write);
          underWay = [];
          syncing = false;
          pendingBytes -= batch.reduce((sum, { write }) => sum + bytesOf(write), 0);
          for (const { synced } of batch) synced();
          sync();
        });
      }

      return {
        recovered: (group) => recovered.get(group) ?? recoveredFrom({ hard: { term: 0, votedFor: null }, entries: [] }),
        write(write, synced) {
          carryOut(live, write);
          waiting.push({ write, synced });
          pendingBytes += bytesOf(write);
          if (!syncing && waiting.length === 1) clock.defer(sync);
        },
        read(group, from, through, maxBytes, done) {
          const { entries } = groupOf(live, group);
          assert(
            from >= 1 && from <= through && through <= entries.length,
            `${group}: ${from} … ${through} is not in the log (1 … ${entries.length})`,
          );
          let end = from;
          for (let bytes = entries[from - 1]?.payload.length ?? 0; end < through; end++) {
            bytes += entries[end]?.payload.length ?? 0;
            if (bytes > maxBytes) break;
          }
          done(null, entries.slice(from - 1, end));
        },
        get pendingBytes() {
          return pendingBytes;
        },
        full: false,
        close: (done) => clock.defer(done),
      };
    },
    crash() {
      latency.forget();
      const survivors = random.integer(0, underWay.length);
      for (const { write } of underWay.slice(0, survivors)) carryOut(durable, write);
      underWay = [];
    },
    slow: latency.slow,
    calm: latency.calm,
  };
}

function bytesOf({ entries = [] }: LogWrite): number {
  return entries.reduce((sum, { payload }) => sum + payload.length, 0);
}
