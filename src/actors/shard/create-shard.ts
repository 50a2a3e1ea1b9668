// A shard's replica, put together.
//
//   Raft ─▶ apply ─▶ schemas, window, hosts ─▶ applied (what subscribers see)
//             ▲
//   propose ─▶ proposer (leader only) ◀─ host charts (leader only) ◀─ heartbeats
import { Subject } from 'rxjs';
import { unavailable } from '../../core/errors.ts';
import type { AppliedEntry, HostRecord, RowBlock } from '../../core/frame.ts';
import type { BrokerId, HostId, LogIndex, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { seriesFromProto, unpack } from '../../core/series-codec.ts';
import { decodeShardEntry, hostFromProto } from '../../core/shard-entry.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { RaftGroup, Restoring, StateMachine } from '../raft-group.ts';
import type { Shard } from '../shard.ts';
import type { LogEntry, LogStore } from '../stores/log.ts';
import { createHostSessions } from './host-sessions.ts';
import { createHotWindow, type WindowBudget } from './hot-window.ts';
import { createProposer } from './proposer.ts';
import { createSchemaTable } from './schema-table.ts';
import { createShardDecoder, encodeShard } from './shard-snapshot.ts';
import { createStampIndex } from './stamp-index.ts';

export interface ShardPorts {
  readonly id: ShardId;
  readonly self: BrokerId;
  /** Makes this shard's Raft member, which drives `machine`. */
  readonly raft: (machine: StateMachine) => RaftGroup;
  readonly log: LogStore;
  readonly clock: Clock;
  readonly inspector: Inspector;
  readonly budget: WindowBudget;
}

export function createShard(ports: ShardPorts): Shard {
  const { id, self, log, clock, inspector } = ports;
  const window = createHotWindow(ports.budget);
  const schemas = createSchemaTable();
  const hosts = new Map<HostId, HostRecord>();
  const applied = new Subject<AppliedEntry>();
  const restored = new Subject<void>();
  const stamps = createStampIndex(limits.shard.stampEvery, limits.shard.stampsMax);
  let appliedIndex: LogIndex = 0;
  let lastStamp: Millis = 0;
  let rowsApplied = 0;
  let samplesApplied = 0;

  const raft = ports.raft({
    apply: (entries) => entries.forEach(apply),
    saved: { pass: (entries) => entries.forEach(pass), snapshot, restore },
  });
  const proposer = createProposer({ raft, window, schemas, hosts, clock, lastStamp: () => lastStamp });
  const sessions = createHostSessions({
    self,
    hosts,
    clock,
    inspector,
    announce: (news) => proposer.announce(news),
  });

  let serving = false;
  let stopped = false;
  const leading = raft.statusChanges.subscribe((status) => {
    if (status.serving === serving) return;
    serving = status.serving;
    proposer.leadershipChanged();
    if (serving) sessions.begin();
    else sessions.end();
  });

  function apply(entry: LogEntry): void {
    appliedIndex = entry.index;
    if (entry.kind !== 'data') return;
    const decoded = decode(entry, true);
    lastStamp = decoded.stampMs;
    stamps.note(entry.index, decoded.stampMs);
    for (const { stateKept: _, ...record } of decoded.hosts) {
      hosts.set(record.host, record);
      sessions.applied(record);
    }
    for (const block of decoded.rows) {
      window.add(block);
      rowsApplied += block.timestamps.length;
      samplesApplied += block.values.length;
    }
    applied.next(decoded);
  }

  /** The state holds it already; who follows the log has not seen it. */
  function pass(entry: LogEntry): void {
    appliedIndex = entry.index;
    if (entry.kind === 'data') applied.next(decode(entry, false));
  }

  function snapshot(): Iterable<Uint8Array> {
    const totals = { lastStamp, rowsApplied, samplesApplied };
    const parts = { totals, stamps: [...stamps.marks], schemas: schemas.all(), hosts: [...hosts.values()] };
    return encodeShard(parts, window, limits.snapshots.chunkBytes);
  }

  function restore(): Restoring {
    const fresh = createHotWindow(ports.budget);
    const decoder = createShardDecoder(fresh);
    return {
      take: decoder.take,
      finish(position) {
        const parts = decoder.parts();
        window.takeOver(fresh);
        schemas.replace(parts.schemas);
        hosts.clear();
        for (const record of parts.hosts) hosts.set(record.host, record);
        stamps.replace(parts.stamps);
        ({ lastStamp, rowsApplied, samplesApplied } = parts.totals);
        appliedIndex = position;
        restored.next();
      },
      abandon: () => fresh.takeOver(createHotWindow(ports.budget)),
    };
  }

  /** @param first the entry is applied, so that its schemas are news; else it is read back. */
  function decode(entry: LogEntry, first: boolean): AppliedEntry {
    const { stampMs, schemas: announced, rows, hosts: changes } = decodeShardEntry(entry.payload);
    if (first) {
      for (const { schemaId, hostId, series } of announced) {
        schemas.add({ id: schemaId ?? 0, host: (hostId ?? '') as HostId, series: (series ?? []).map(seriesFromProto) });
      }
    }
    const blocks: RowBlock[] = rows.map(({ schemaId, timestampsMs, packed }) => ({
      schema: schemas.get(schemaId ?? 0),
      timestamps: Float64Array.from(timestampsMs ?? []),
      values: unpack(packed ?? new Uint8Array(0)),
    }));
    return { index: entry.index, stampMs, rows: blocks, hosts: changes.map(hostFromProto) };
  }

  return {
    id,
    raft,
    window,
    hosts,
    applied,
    get appliedIndex() {
      return appliedIndex;
    },
    restored,
    get firstReadable() {
      return raft.status.firstIndex;
    },
    indexAt: (stampMs) => (stampMs > lastStamp ? appliedIndex + 1 : stamps.atOrBefore(stampMs)),
    readEntries(from, maxBytes, done) {
      // Its log may be forgotten.
      if (stopped) return clock.defer(() => done(unavailable(`shard ${id} has gone from ${self}`), []));
      log.read(raft.id, from, appliedIndex, maxBytes, (error, entries) => {
        // No-ops have nothing to show, but they move a cursor on.
        if (error !== null) done(error, []);
        else
          done(
            null,
            entries.map((entry) =>
              entry.kind === 'data' ? decode(entry, false) : { index: entry.index, stampMs: 0, rows: [], hosts: [] },
            ),
          );
      });
    },
    propose: (proposal, done) => proposer.propose(proposal, done),
    beats(beats) {
      for (const beat of beats) sessions.beat(beat);
    },
    get counters() {
      return { rowsApplied, samplesApplied, duplicates: proposer.duplicates, conflicts: proposer.conflicts };
    },
    stop() {
      stopped = true;
      leading.unsubscribe();
      sessions.end();
      proposer.stop();
      raft.stop();
      applied.complete();
      restored.complete();
      window.takeOver(createHotWindow(ports.budget));
    },
  };
}
