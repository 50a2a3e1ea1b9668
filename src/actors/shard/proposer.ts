// The leader's side of a shard: what is new in the proposals becomes entries, one on its way at a time as long as few rows come, one
// every few milliseconds when many do.
//
//   propose ─▶ waiting ─▶ filter (known rows out) ─▶ entry ─▶ Raft ─▶ outcome ─▶ everyone whose rows were in it, or waited for it
import { assert } from '../../core/assert.ts';
import type { HostRecord } from '../../core/frame.ts';
import type { BrokerId, HostId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import { pack, seriesToProto } from '../../core/series-codec.ts';
import { encodeShardEntry, hostToProto } from '../../core/shard-entry.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ForwardOutcome } from '../../streams/envelope.ts';
import type { ProposalOutcome, RaftGroup } from '../raft-group.ts';
import type { WritableWindow } from './hot-window.ts';
import { createInflightRows, filterRows } from './row-filter.ts';
import type { RowProposal } from './row-proposal.ts';
import type { SchemaTable } from './schema-table.ts';

export interface Proposer {
  propose(proposal: RowProposal, done: (outcome: ForwardOutcome) => void): void;
  /** A change of a host's record, as the leader. Best effort: the chart that asked for it asks again. */
  announce(record: HostRecord): void;
  /** Leadership began or ended: what was on its way under the old one is not this leader's any more. */
  leadershipChanged(): void;
  readonly duplicates: number;
  readonly conflicts: number;
  stop(): void;
}

export interface ProposerPorts {
  readonly raft: RaftGroup;
  readonly window: WritableWindow;
  readonly schemas: SchemaTable;
  readonly hosts: ReadonlyMap<HostId, HostRecord>;
  readonly clock: Clock;
  /** The stamp of the newest applied entry: stamps never go back within a shard. */
  readonly lastStamp: () => Millis;
}

interface Waiting {
  readonly proposal: RowProposal;
  readonly bytes: number;
  readonly done: (outcome: ForwardOutcome) => void;
}

/** One entry on its way, and who wants to know. */
interface Flight {
  outcome: ProposalOutcome | null;
  readonly waiters: ((outcome: ProposalOutcome) => void)[];
}

const { batchMs, batchBytes, waitingBytesMax, proposalTimeoutMs } = limits.shard;

export function createProposer(ports: ProposerPorts): Proposer {
  const { raft, window, schemas, hosts, clock } = ports;
  const inflight = createInflightRows<Flight>();
  const flights = new Set<Flight>();
  /** Hosts whose first record is on its way. */
  const announced = new Map<HostId, Flight>();
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let announcements: HostRecord[] = [];
  let timer: Timer | null = null;
  let deferred = false;
  let stamp: Millis = 0;
  let duplicates = 0;
  let conflicts = 0;
  let stopped = false;

  function schedule(): void {
    if (stopped || deferred) return;
    if (flights.size === 0 || waitingBytes >= batchBytes) {
      deferred = true;
      timer?.cancel();
      timer = null;
      clock.defer(() => {
        deferred = false;
        flush();
      });
      return;
    }
    timer ??= clock.after(batchMs, () => {
      timer = null;
      flush();
    });
  }

  function flush(): void {
    if (stopped || (waiting.length === 0 && announcements.length === 0)) return;
    if (!raft.status.serving) {
      refuseAll();
      return;
    }
    const taken = takeBatch();
    const entry: { schemas: vedette.v1.IHostSchema[]; rows: vedette.v1.IHostRows[]; hosts: vedette.v1.IHostChange[] } =
      { schemas: [], rows: [], hosts: [] };
    const flight: Flight = { outcome: null, waiters: [] };
    for (const record of announcements) entry.hosts.push(hostToProto(record));
    announcements = [];
    for (const { proposal, done } of taken) {
      const waitsFor = put(proposal, flight, entry);
      settleWith(waitsFor, done);
    }
    if (entry.rows.length + entry.hosts.length > 0) launch(flight, entry);
    else finish(flight, { outcome: 'applied', index: 0 });
    if (waiting.length > 0) schedule();
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const next of waiting) {
      if (count > 0 && bytes + next.bytes > batchBytes) break;
      bytes += next.bytes;
      count++;
    }
    const taken = waiting.slice(0, count);
    waiting = waiting.slice(count);
    waitingBytes -= bytes;
    return taken;
  }

  /** Puts what is new into the entry. Returns the flights that the proposal depends on. */
  function put(
    proposal: RowProposal,
    flight: Flight,
    entry: { schemas: vedette.v1.IHostSchema[]; rows: vedette.v1.IHostRows[]; hosts: vedette.v1.IHostChange[] },
  ): Set<Flight> {
    const waitsFor = new Set<Flight>();
    for (const hint of proposal.hosts) putHost(hint.host, hint.labels, flight, waitsFor, entry.hosts);
    for (const proposed of proposal.rows) {
      const filtered = filterRows(proposed, window, inflight);
      duplicates += filtered.duplicates;
      conflicts += filtered.conflicts;
      for (const other of filtered.waitsFor) waitsFor.add(other);
      const { rows } = filtered;
      if (rows === null) continue;
      putHost(rows.host, null, flight, waitsFor, entry.hosts);
      const { schema, fresh } = schemas.propose(rows.host, rows.series);
      if (fresh && !entry.schemas.some(({ schemaId }) => schemaId === schema.id))
        entry.schemas.push({ schemaId: schema.id, hostId: rows.host, series: rows.series.map(seriesToProto) });
      entry.rows.push({ schemaId: schema.id, timestampsMs: Array.from(rows.timestamps), packed: pack(rows.values) });
      inflight.add(flight, rows);
      waitsFor.add(flight);
    }
    return waitsFor;
  }

  /** A host that is new gets its record with its first rows; labels that changed are replicated. */
  function putHost(
    host: HostId,
    labels: Readonly<Record<string, string>> | null,
    flight: Flight,
    waitsFor: Set<Flight>,
    changes: vedette.v1.IHostChange[],
  ): void {
    const known = hosts.get(host);
    const moving = announced.get(host);
    if (known === undefined && moving !== undefined) {
      waitsFor.add(moving);
      if (labels === null) return;
    }
    const same = labels === null || (known !== undefined && JSON.stringify(known.labels) === JSON.stringify(labels));
    if (known !== undefined && same) return;
    const now = clock.now();
    const record: HostRecord = known ?? {
      host,
      state: 'unseen',
      labels: {},
      firstSeenMs: now,
      lastSeenMs: now,
      clockSkewMs: 0,
    };
    changes.push(hostToProto({ ...record, labels: labels ?? record.labels }));
    announced.set(host, flight);
    waitsFor.add(flight);
  }

  function launch(flight: Flight, entry: Omit<vedette.v1.IShardEntry, 'stampMs'>): void {
    stamp = Math.max(clock.now(), stamp, ports.lastStamp());
    flights.add(flight);
    raft.propose(encodeShardEntry({ ...entry, stampMs: stamp }), proposalTimeoutMs, (outcome) => {
      finish(flight, outcome);
      if (waiting.length > 0) schedule();
    });
  }

  function finish(flight: Flight, outcome: ProposalOutcome): void {
    assert(flight.outcome === null, 'an entry ends once');
    flight.outcome = outcome;
    flights.delete(flight);
    inflight.remove(flight);
    for (const [host, moving] of announced) if (moving === flight) announced.delete(host);
    for (const tell of flight.waiters) tell(outcome);
  }

  /** The outcome of a proposal is that of all entries that hold its rows. */
  function settleWith(waitsFor: ReadonlySet<Flight>, done: (outcome: ForwardOutcome) => void): void {
    let open = waitsFor.size;
    let worst: ProposalOutcome = { outcome: 'applied', index: 0 };
    const tell = (outcome: ProposalOutcome) => {
      if (outcome.outcome !== 'applied') worst = outcome;
      if (--open <= 0) done(forwardOutcome(worst, waitsFor.size));
    };
    if (open === 0) {
      clock.defer(() => done({ outcome: 'applied' }));
      return;
    }
    for (const flight of waitsFor) flight.waiters.push(tell);
  }

  function refuseAll(): void {
    const refused = waiting;
    waiting = [];
    waitingBytes = 0;
    announcements = [];
    const { leader } = raft.status;
    for (const { done } of refused) done(notLeading(leader));
  }

  return {
    propose(proposal, done) {
      const { serving, leader } = raft.status;
      if (stopped || !serving) {
        clock.defer(() => done(notLeading(leader)));
        return;
      }
      const bytes = proposal.rows.reduce(
        (total, { values, timestamps }) => total + values.byteLength + timestamps.byteLength,
        0,
      );
      if (waitingBytes + bytes > waitingBytesMax) {
        const message = `${waitingBytes} bytes of rows wait for shard ${raft.id}; at most ${waitingBytesMax} may`;
        clock.defer(() => done({ outcome: 'notApplied', code: 'RESOURCE_EXHAUSTED', message, leader }));
        return;
      }
      waiting.push({ proposal, bytes, done });
      waitingBytes += bytes;
      schedule();
    },
    announce(record) {
      announcements = [...announcements.filter(({ host }) => host !== record.host), record];
      schedule();
    },
    leadershipChanged() {
      inflight.clear();
      announced.clear();
      schemas.forgetProposed();
      if (!raft.status.serving) refuseAll();
    },
    get duplicates() {
      return duplicates;
    },
    get conflicts() {
      return conflicts;
    },
    stop() {
      stopped = true;
      timer?.cancel();
      refuseAll();
    },
  };
}

function notLeading(leader: BrokerId | null): ForwardOutcome {
  const message = leader === null ? 'the shard has no leader just now' : `${leader} leads the shard`;
  return { outcome: 'notApplied', code: 'UNAVAILABLE', message, leader };
}

function forwardOutcome(outcome: ProposalOutcome, entries: number): ForwardOutcome {
  if (outcome.outcome === 'applied') return { outcome: 'applied' };
  // Of several entries some may have been applied: only the whole is told, and to ask again is harmless.
  if (outcome.outcome === 'unknown' || entries > 1)
    return { outcome: 'unknown', message: 'the proposal was not settled in time' };
  const full = outcome.reason === 'logFull' || outcome.reason === 'uncommittedLimit';
  return {
    outcome: 'notApplied',
    code: full ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE',
    message: full ? `the log takes no more just now (${outcome.reason})` : `not applied: ${outcome.reason}`,
    leader: outcome.leader,
  };
}
