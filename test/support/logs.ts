// Log stores over a disk in memory, for tests of what opening finds and of what lets segments go.
import { openLog } from '../../src/actors/stores/log-store.ts';
import type { BrokerLog, EntryKind, LogEntry, LogStore, LogWrite } from '../../src/actors/stores/log.ts';
import type { Disk } from '../../src/actors/stores/disk.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import type { GroupId } from '../../src/core/ids.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { VirtualClock } from '../../src/streams/virtual-clock.ts';

export type LogOptions = NonNullable<Parameters<typeof openLog>[0]['options']>;

export interface OpenedLog {
  readonly log: BrokerLog;
  readonly warnings: readonly string[];
  readonly failures: readonly VedetteError[];
}

export const segmentPath = (number: number): string => `/log/${String(number).padStart(8, '0')}.log`;

const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

export function entryOf(index: number, payload: string, term = 1, kind: EntryKind = 'data'): LogEntry {
  return { index, term, kind, payload: new TextEncoder().encode(payload) };
}

export function openLogOn(disk: Disk, clock: VirtualClock, options: LogOptions = {}): OpenedLog {
  const warnings: string[] = [];
  const failures: VedetteError[] = [];
  const log = openLog({
    disk,
    directory: '/log',
    clock,
    random: createRandom('log'),
    kernels: { crc32c, native: false },
    warn: (message) => warnings.push(message),
    failed: (error) => failures.push(error),
    options: { preallocateBytes: 0, ...options },
  });
  return { log, warnings, failures };
}

export function settle(clock: VirtualClock): void {
  for (let steps = 0; clock.step(); steps++) if (steps > 1_000_000) throw new Error('the clock never rests');
}

/** Writes, and waits until it is durable. */
export function put(log: LogStore, clock: VirtualClock, write: LogWrite): void {
  let synced = false;
  log.write(write, () => {
    synced = true;
  });
  settle(clock);
  if (!synced) throw new Error('it is not durable');
}

/** Entries as 'index/term:payload'. */
export function entriesIn(
  log: LogStore,
  clock: VirtualClock,
  group: GroupId,
  first: number,
  last: number,
): readonly string[] {
  const found: string[] = [];
  for (let at = first; at <= last; ) {
    let got: readonly LogEntry[] = [];
    log.read(group, at, last, 1 << 20, (error, entries) => {
      if (error !== null) throw error;
      got = entries;
    });
    settle(clock);
    if (got.length === 0) throw new Error(`entry ${at} was not answered`);
    for (const { index, term, payload } of got) found.push(`${index}/${term}:${text(payload)}`);
    at += got.length;
  }
  return found;
}

/** What opening found of a group's log. */
export function recoveredEntries(log: LogStore, clock: VirtualClock, group: GroupId): readonly string[] {
  const { firstIndex, lastIndex } = log.recovered(group);
  return entriesIn(log, clock, group, firstIndex, lastIndex);
}
