// The newest entries of a shard, kept for all subscriptions that keep up, and the readings of its log, shared by those that do not.
//
//   log ──apply──▶ | first … newest |        a subscription at position p:  p + 1 >= first: from here; else it reads the log
//
// Invariants
//   1. From `first` on every entry that shows anything is here. A subscription moves from the log to the tail by index, so
//      nothing is between the two and nothing in both.
//   2. It holds at most `tailBytes`; the oldest leave.
import type { Subscription } from 'rxjs';
import type { AppliedEntry, HostChange, HostState } from '../../core/frame.ts';
import type { HostId, LogIndex } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Shard } from '../shard.ts';

const { tailBytes, readBytes } = limits.subscriptions;
/** What an entry takes beside its values. */
const ENTRY_BYTES = 128;
/** Readings kept: those who were disconnected together come back together, and read the same. */
const READINGS_KEPT = 2;

export class Tail {
  readonly shard: Shard;
  /** Oldest first, from `#head` on. */
  #entries: AppliedEntry[] = [];
  #head = 0;
  #bytes = 0;
  #first: LogIndex;
  /** As the newest entry left them: what an event must differ from. */
  readonly #states = new Map<HostId, HostState>();
  readonly #readings: { readonly from: LogIndex; readonly entries: readonly AppliedEntry[] }[] = [];
  readonly #waiting = new Map<LogIndex, ((error: Error | null, entries: readonly AppliedEntry[]) => void)[]>();
  readonly #applied: Subscription;

  constructor(shard: Shard, news: () => void) {
    this.shard = shard;
    this.#first = shard.appliedIndex + 1;
    for (const { host, state } of shard.hosts.values()) this.#states.set(host, state);
    this.#applied = shard.applied.subscribe((entry) => {
      this.#add(entry);
      news();
    });
    this.#applied.add(
      shard.restored.subscribe(() => {
        this.#beginAnew();
        news();
      }),
    );
  }

  get first(): LogIndex {
    return this.#first;
  }

  /** The first entry after `position` that shows anything. Only for positions from `first` - 1 on. */
  after(position: LogIndex): AppliedEntry | null {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.index ?? 0) <= position) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low] ?? null;
  }

  /** Entries of the log from `from` on, `readBytes` or so. */
  read(from: LogIndex, done: (error: Error | null, entries: readonly AppliedEntry[]) => void): void {
    const kept = this.#readings.find((reading) => reading.from === from);
    if (kept !== undefined) return done(null, kept.entries);
    const waiting = this.#waiting.get(from);
    if (waiting !== undefined) {
      waiting.push(done);
      return;
    }
    this.#waiting.set(from, [done]);
    this.shard.readEntries(from, readBytes, (error, entries) => {
      const all = this.#waiting.get(from) ?? [];
      this.#waiting.delete(from);
      if (error === null && entries.length > 0) this.#readings.push({ from, entries });
      if (this.#readings.length > READINGS_KEPT) this.#readings.shift();
      for (const one of all) one(error, entries);
    });
  }

  close(): void {
    this.#applied.unsubscribe();
  }

  /** What was applied in between is not known, and maybe not even in the log. */
  #beginAnew(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#first = this.shard.appliedIndex + 1;
    this.#states.clear();
  }

  #add(entry: AppliedEntry): void {
    const hosts = changesOnly(entry.hosts, this.#states);
    this.#entries.push(hosts.length === entry.hosts.length ? entry : { ...entry, hosts });
    this.#bytes += sizeOf(entry);
    while (this.#bytes > tailBytes && this.#head < this.#entries.length - 1) this.#dropOldest();
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  #dropOldest(): void {
    const oldest = this.#entries[this.#head++];
    if (oldest === undefined) return;
    this.#bytes -= sizeOf(oldest);
    this.#first = oldest.index + 1;
  }
}

function sizeOf({ rows, hosts }: AppliedEntry): number {
  return rows.reduce((sum, { values }) => sum + values.byteLength + ENTRY_BYTES, ENTRY_BYTES * (1 + hosts.length));
}

/**
 * Of records those with another state than the one before: the log repeats a host's record to say when it was last seen. Where the
 * one before is not known (a reading that begins in the middle of the log), the record itself says whether its state is news.
 */
export function changesOnly(records: readonly HostChange[], states: Map<HostId, HostState>): readonly HostChange[] {
  if (records.length === 0) return records;
  return records.filter(({ host, state, stateKept }) => {
    const before = states.get(host);
    states.set(host, state);
    return before === undefined ? stateKept !== true : before !== state;
  });
}
