// The leader's side of a shard: what is new in the proposals becomes entries, one on its way at a time as long as few rows come, one
// every few milliseconds when many do.
//
//   propose ─▶ waiting ─▶ filter (known rows out) ─▶ entry ─▶ Raft ─▶ outcome ─▶ everyone whose rows were in it, or waited for it
//
// Invariants
//   1. A row of an entry that may yet be applied is not proposed again: an entry that takes long is answered `unknown` to those who
//      wait, but it stays known until its outcome is certain, or another term has settled it.
//   2. No entry is larger than Raft takes, whatever waits: it ends when it is full, and the rest goes in the next one.
import { assert } from '../../core/assert.ts';
import type { HostRecord } from '../../core/frame.ts';
import type { BrokerId, HostId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { encodeShardEntry } from '../../core/shard-entry.ts';
import { sizeText } from '../../core/units.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ForwardOutcome } from '../../streams/envelope.ts';
import type { ProposalOutcome, RaftGroup } from '../raft-group.ts';
import { createEntryDraft, type EntryDraft } from './entry-draft.ts';
import { createHostRecords, type HostNews } from './host-records.ts';
import type { WritableWindow } from './hot-window.ts';
import { createInflightRows, filterRows } from './row-filter.ts';
import type { RowProposal } from './row-proposal.ts';
import type { SchemaTable } from './schema-table.ts';

export interface Proposer {
  propose(proposal: RowProposal, done: (outcome: ForwardOutcome) => void): void;
  /** News of a host, as the leader. Best effort: whose news they are looks now and then whether they were replicated. */
  announce(news: HostNews): void;
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
  /** Who waited was told `unknown`, and who comes now is, too. */
  overdue: boolean;
  waiters: ((outcome: ProposalOutcome) => void)[];
}

const { batchMs, batchBytes, waitingBytesMax, proposalTimeoutMs, settleTimeoutMs } = limits.shard;
const OVERDUE: ProposalOutcome = { outcome: 'unknown', reason: 'timeout' };

export function createProposer(ports: ProposerPorts): Proposer {
  const { raft, window, schemas, clock } = ports;
  const inflight = createInflightRows<Flight>();
  const records = createHostRecords<Flight>(ports.hosts);
  const flights = new Set<Flight>();
  const announcements = new Map<HostId, HostNews>();
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
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
    if (stopped || (waiting.length === 0 && announcements.size === 0)) return;
    if (!raft.status.serving) {
      refuseAll();
      return;
    }
    const draft = createEntryDraft();
    const flight: Flight = { outcome: null, overdue: false, waiters: [] };
    for (const [host, news] of announcements) {
      if (draft.bytes >= batchBytes) break;
      announcements.delete(host);
      putHost(news, flight, draft);
    }
    let taken = 0;
    for (const { proposal, bytes, done } of waiting) {
      if (taken > 0 && draft.bytes >= batchBytes) break;
      taken++;
      waitingBytes -= bytes;
      settleWith(put(proposal, flight, draft), done);
    }
    waiting = waiting.slice(taken);
    if (draft.empty) finish(flight, { outcome: 'applied', index: 0 });
    else launch(flight, draft);
    if (waiting.length + announcements.size > 0) schedule();
  }

  /** Puts what is new into the entry. Returns the flights that the proposal depends on. */
  function put(proposal: RowProposal, flight: Flight, draft: EntryDraft): Set<Flight> {
    const waitsFor = new Set<Flight>();
    const dependOnHost = (news: HostNews) => {
      putHost(news, flight, draft);
      const holder = records.movingIn(news.host);
      if (holder !== undefined) waitsFor.add(holder);
    };
    for (const hint of proposal.hosts) dependOnHost(hint);
    for (const proposed of proposal.rows) {
      const filtered = filterRows(proposed, window, inflight);
      duplicates += filtered.duplicates;
      conflicts += filtered.conflicts;
      for (const other of filtered.waitsFor) waitsFor.add(other);
      const { rows } = filtered;
      if (rows === null) continue;
      // A host that is new gets its record with its first rows.
      dependOnHost({ host: rows.host });
      const { schema, fresh } = schemas.propose(rows.host, rows.series);
      draft.addRows(rows, schema, fresh);
      inflight.add(flight, rows);
      waitsFor.add(flight);
    }
    return waitsFor;
  }

  function putHost(news: HostNews, flight: Flight, draft: EntryDraft): void {
    const change = records.change(news, clock.now(), flight);
    if (change !== null) draft.setHost(change);
  }

  function launch(flight: Flight, draft: EntryDraft): void {
    stamp = Math.max(clock.now(), stamp, ports.lastStamp());
    flights.add(flight);
    const patience = clock.after(proposalTimeoutMs, () => {
      flight.overdue = true;
      tellWaiters(flight, OVERDUE);
    });
    raft.propose(encodeShardEntry({ ...draft.finish(), stampMs: stamp }), settleTimeoutMs, (outcome) => {
      patience.cancel();
      finish(flight, outcome);
      if (waiting.length + announcements.size > 0) schedule();
    });
  }

  function finish(flight: Flight, outcome: ProposalOutcome): void {
    assert(flight.outcome === null, 'an entry ends once');
    flight.outcome = outcome;
    flights.delete(flight);
    inflight.remove(flight);
    records.remove(flight);
    tellWaiters(flight, outcome);
  }

  function tellWaiters(flight: Flight, outcome: ProposalOutcome): void {
    const { waiters } = flight;
    flight.waiters = [];
    for (const tell of waiters) tell(outcome);
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
    for (const flight of waitsFor) {
      if (flight.overdue) clock.defer(() => tell(OVERDUE));
      else flight.waiters.push(tell);
    }
  }

  function refuseAll(): void {
    const refused = waiting;
    waiting = [];
    waitingBytes = 0;
    announcements.clear();
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
        const message = `no more than ${sizeText(waitingBytesMax)} of rows may wait for shard ${raft.id}`;
        clock.defer(() => done({ outcome: 'notApplied', code: 'RESOURCE_EXHAUSTED', message, leader }));
        return;
      }
      waiting.push({ proposal, bytes, done });
      waitingBytes += bytes;
      schedule();
    },
    announce(news) {
      announcements.set(news.host, { ...announcements.get(news.host), ...news });
      schedule();
    },
    leadershipChanged() {
      inflight.clear();
      records.clear();
      flights.clear();
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
