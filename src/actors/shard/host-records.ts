// What a shard's leader knows of its hosts' records: what is committed, and over it what it has proposed since. A record is replicated
// whole, so one that is built on a committed one while another is on its way would take that one's news back.
import type { HostChange, HostRecord, HostState } from '../../core/frame.ts';
import type { HostId, Millis } from '../../core/ids.ts';

/** What is new of a host; what is left out stays. */
export interface HostNews {
  readonly host: HostId;
  readonly state?: HostState;
  readonly labels?: Readonly<Record<string, string>>;
  readonly lastSeenMs?: Millis;
  readonly clockSkewMs?: Millis;
}

export interface HostRecords<Entry> {
  /** The entry on its way that holds the host's newest record, if one does. */
  movingIn(host: HostId): Entry | undefined;
  /** The record with the news, as part of `entry`; null when there is nothing new in them. */
  change(news: HostNews, now: Millis, entry: Entry): HostChange | null;
  /** The entry has ended, one way or the other. */
  remove(entry: Entry): void;
  clear(): void;
}

export function createHostRecords<Entry>(committed: ReadonlyMap<HostId, HostRecord>): HostRecords<Entry> {
  const moving = new Map<HostId, { readonly entry: Entry; readonly record: HostRecord }>();
  return {
    movingIn: (host) => moving.get(host)?.entry,
    change({ host, ...news }, now, entry) {
      const settled = committed.get(host);
      const before = moving.get(host)?.record ?? settled;
      const fresh = { host, state: 'unseen', labels: {}, firstSeenMs: now, lastSeenMs: now, clockSkewMs: 0 } as const;
      const record: HostRecord = { ...(before ?? fresh), ...news };
      if (before !== undefined && sameRecord(before, record)) return null;
      const stateKept = settled?.state === record.state && !moving.has(host);
      moving.set(host, { entry, record });
      return { ...record, stateKept };
    },
    remove(entry) {
      for (const [host, { entry: holder }] of moving) if (holder === entry) moving.delete(host);
    },
    clear: () => moving.clear(),
  };
}

function sameRecord(a: HostRecord, b: HostRecord): boolean {
  return (
    a.state === b.state &&
    a.lastSeenMs === b.lastSeenMs &&
    a.clockSkewMs === b.clockSkewMs &&
    (a.labels === b.labels || sameLabels(a.labels, b.labels))
  );
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
