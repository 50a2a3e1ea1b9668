// One shard, from its replica on this broker: by index, first from the log, then from the tail; one path, so that nothing falls
// between the two or comes twice.
//
// Invariants
//   1. The position only grows, and passes an entry only when what it shows was taken, or nothing of it was asked for.
//   2. What has left the log is told as a gap before the position passes it.
import { NOT_BEGUN } from '../../core/cursor.ts';
import type { AppliedEntry, HostState } from '../../core/frame.ts';
import type { HostId, LogIndex, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Shard } from '../shard.ts';
import type { Feed, Parcel, Positions } from './feed.ts';
import type { Selection } from './selection.ts';
import { changesOnly, type Tail } from './tail.ts';

/** What an event takes. */
const EVENT_BYTES = 64;

export interface LocalFeedPorts {
  readonly tail: Tail;
  readonly selection: Selection;
  readonly events: boolean;
  readonly positions: Positions;
  /** Where to begin when the shard has no position: null is now. */
  readonly sinceMs: Millis | null;
  readonly clock: Clock;
  /** Something was read. */
  readonly ready: () => void;
  readonly readFailed: (error: Error) => void;
}

export class LocalFeed implements Feed {
  readonly shards: readonly ShardId[];
  readonly answered = true;
  readonly shard: Shard;
  reading = false;
  readonly #ports: LocalFeedPorts;
  readonly #id: ShardId;
  /** Read from the log, not yet taken from `#at` on. */
  #chunk: readonly AppliedEntry[] = [];
  #at = 0;
  #next: { readonly parcel: Parcel; readonly index: LogIndex; readonly stampMs: Millis } | null = null;
  /** Entries stamped before this are older than what was asked for, until the first that is not. */
  #skipBefore: Millis = 0;
  /** Something is, or may be, missing since then. */
  #gap: { readonly fromMs: Millis; readonly certain: boolean } | null = null;
  /** A reading has shown that the log holds nothing up to here. */
  #nothingThrough: LogIndex = NOT_BEGUN;
  #states: Map<HostId, HostState> | null = null;
  #closed = false;

  constructor(ports: LocalFeedPorts) {
    this.#ports = ports;
    this.shard = ports.tail.shard;
    this.#id = this.shard.id;
    this.shards = [this.#id];
    if (this.#position === NOT_BEGUN) this.#begin(ports.sinceMs);
  }

  get #position(): LogIndex {
    return this.#ports.positions.indexes[this.#id] ?? NOT_BEGUN;
  }

  #moveTo(index: LogIndex, stampMs: Millis): void {
    const { indexes, stamps } = this.#ports.positions;
    indexes[this.#id] = index;
    stamps[this.#id] = Math.max(stamps[this.#id] ?? 0, stampMs);
  }

  #begin(sinceMs: Millis | null): void {
    const { shard } = this;
    if (sinceMs !== null) {
      const from = Math.max(shard.indexAt(sinceMs), shard.firstReadable);
      // Whether something of that time was before the first entry that is left, its stamp will tell.
      if (shard.firstReadable > 1 && from === shard.firstReadable) this.#gap = { fromMs: sinceMs, certain: false };
      this.#skipBefore = sinceMs;
      this.#moveTo(from - 1, sinceMs);
      return;
    }
    const { commit, leader } = shard.raft.status;
    const now = this.#ports.clock.now();
    // A replica that was just started applies what was committed long ago; that is told from news by time alone.
    if (leader === null || shard.appliedIndex < commit) this.#skipBefore = now - limits.subscriptions.skewMs;
    this.#moveTo(Math.max(shard.appliedIndex, commit), now - limits.subscriptions.skewMs);
  }

  get behind(): boolean {
    const next = Math.max(this.#position, this.#nothingThrough) + 1;
    return this.#at >= this.#chunk.length && next < this.#ports.tail.first && next <= this.shard.appliedIndex;
  }

  get caughtUp(): boolean {
    return this.peek() === null && !this.behind;
  }

  get waitingBytes(): number {
    return 0;
  }

  peek(): Parcel | null {
    while (this.#next === null) {
      const entry = this.#entryAfter(this.#position);
      if (entry === null) {
        this.#settle();
        break;
      }
      const gap = this.#gapBefore(entry);
      if (gap !== null) {
        this.#next = { parcel: gapParcel(gap), index: entry.index - 1, stampMs: gap.toMs };
        break;
      }
      const parcel = this.#parcelOf(entry);
      if (parcel === null) this.#moveTo(entry.index, entry.stampMs);
      else this.#next = { parcel, index: entry.index, stampMs: entry.stampMs };
    }
    return this.#next?.parcel ?? null;
  }

  take(): void {
    if (this.#next === null) return;
    this.#moveTo(this.#next.index, this.#next.stampMs);
    this.#next = null;
  }

  readOn(): void {
    if (this.reading || this.#closed || !this.behind) return;
    const { shard } = this;
    let from = this.#position + 1;
    if (from < shard.firstReadable) {
      this.#gap = { fromMs: this.#ports.positions.stamps[this.#id] ?? 0, certain: true };
      from = shard.firstReadable;
    }
    const through = shard.appliedIndex;
    if (from > through) {
      this.#nothingThrough = through;
      return this.#ports.ready();
    }
    this.reading = true;
    this.#ports.tail.read(from, (error, entries) => {
      this.reading = false;
      if (this.#closed) return;
      if (error !== null) return this.#ports.readFailed(error);
      this.#chunk = entries;
      this.#at = 0;
      if (entries.length === 0) this.#nothingThrough = through;
      this.#ports.ready();
    });
  }

  close(): void {
    this.#closed = true;
    this.#chunk = [];
  }

  /** Null when it has to be read first, or is not there yet. */
  #entryAfter(position: LogIndex): AppliedEntry | null {
    for (; this.#at < this.#chunk.length; this.#at++) {
      const entry = this.#chunk[this.#at];
      if (entry !== undefined && entry.index > position) return entry;
    }
    if (this.#chunk.length > 0) this.#chunk = [];
    this.#at = 0;
    return this.behind ? null : this.#ports.tail.after(position);
  }

  /** Nothing is left to take: what was applied since, if anything, shows nothing. */
  #settle(): void {
    if (this.behind) return;
    if (this.#gap !== null) {
      const { fromMs } = this.#gap;
      if (this.#gap.certain || this.shard.firstReadable > this.shard.appliedIndex) {
        const gap = this.#gapUntil(fromMs, this.#ports.clock.now());
        this.#next = { parcel: gapParcel(gap), index: Math.max(this.#position, this.shard.appliedIndex), stampMs: 0 };
      }
      this.#gap = null;
      return;
    }
    if (this.shard.appliedIndex >= this.#position) this.#moveTo(this.shard.appliedIndex, this.#coveredMs());
  }

  /** While this replica hears its leader, nothing older than the brokers' clocks may differ is still to come. Else: not known. */
  #coveredMs(): Millis {
    const { leader, commit } = this.shard.raft.status;
    const current = leader !== null && this.shard.appliedIndex >= commit;
    return current ? this.#ports.clock.now() - limits.subscriptions.skewMs : 0;
  }

  #gapBefore(entry: AppliedEntry): (vedette.v1.IGap & { toMs: Millis }) | null {
    if (this.#gap === null) return null;
    const { fromMs, certain } = this.#gap;
    this.#gap = null;
    // No-ops have no stamp: the next entry's tells; where there is none, no more than up to now can be missing.
    const stamped = [entry, ...this.#chunk.slice(this.#at)].find(({ stampMs }) => stampMs > 0);
    const toMs = stamped?.stampMs ?? this.#ports.clock.now();
    return certain || toMs > fromMs ? this.#gapUntil(fromMs, toMs) : null;
  }

  #gapUntil(fromMs: Millis, toMs: Millis): vedette.v1.IGap & { toMs: Millis } {
    const reason = `the log of shard ${this.#id} begins at entry ${this.shard.firstReadable}: what was before has left it`;
    return { fromMs: Math.min(fromMs, toMs), toMs, reason };
  }

  /** Null when it shows nothing that was asked for. */
  #parcelOf(entry: AppliedEntry): Parcel | null {
    if (entry.stampMs < this.#skipBefore) return null;
    if (entry.stampMs > 0) this.#skipBefore = 0;
    const { selection } = this.#ports;
    const { pieces, bytes } = selection.pick(entry);
    const events = this.#ports.events ? this.#eventsOf(entry) : [];
    if (pieces.length + events.length === 0) return null;
    return { pieces, events, bytes: bytes + EVENT_BYTES * events.length, gap: null, conflatedRows: 0 };
  }

  #eventsOf(entry: AppliedEntry): vedette.v1.IEvent[] {
    if (entry.hosts.length === 0) return [];
    this.#states ??= new Map();
    return changesOnly(entry.hosts, this.#states)
      .filter(({ host }) => this.#ports.selection.wantsHost(host))
      .map(({ host, state }) => ({
        kind: 'host',
        subject: host,
        state,
        message: `${host} is ${state}`,
        atMs: entry.stampMs,
      }));
  }
}

function gapParcel(gap: vedette.v1.IGap): Parcel {
  return { pieces: [], events: [], bytes: EVENT_BYTES, gap, conflatedRows: 0 };
}
