// The replicas of shards on this broker: they come and go while it runs.
//
//   a log of the group is here ────────────────▶ opened at once
//   the layout names this broker ──────────────▶ opened, without a log: a founder, or whoever leads makes it a member
//   whoever leads says that this broker is no member, and the layout does not name it
//        └▶ not served from any more ─▶ stopped ─▶ its log forgotten, durably ─▶ its snapshots removed
//
// Invariants
//   1. A replica serves (reads, subscriptions, rows) while it is a voter, and not one that may have lost what it knew. Subscribers that
//      are served from one that goes are told before it goes, and go on elsewhere.
//   2. Nothing is dropped that counts: the leader's word is about a committed configuration, not older than the one that is known here.
//   3. What was dropped is unsound from then on, so that a replica that begins here again is not taken for one that still holds what
//      this one acknowledged. Snapshots go only when the log is forgotten: without them it could not be opened.
import { type Observable, Subject, type Subscription } from 'rxjs';
import { type BrokerId, type GroupId, groupNumber, type LogIndex, type ShardId, shardGroup } from '../../core/ids.ts';
import { isMemberOf, isVoterIn } from '../../machines/raft/membership.ts';
import type { Clock } from '../../streams/clock.ts';
import type { ShardLead } from '../../streams/envelope.ts';
import type { Shard, ShardCounters } from '../shard.ts';
import type { BrokerLog } from '../stores/log.ts';
import type { SnapshotStore } from '../stores/snapshots.ts';
import type { Layouts } from './layout.ts';

export interface ShardHost {
  /** All that are here. */
  readonly replicas: ReadonlyMap<ShardId, Shard>;
  /** Those that count, or will when they are vouched for. */
  readonly voting: ReadonlyMap<ShardId, Shard>;
  /** Those that serve. */
  readonly serving: ReadonlyMap<ShardId, Shard>;
  /** A replica came, went, or knows something new of its group. */
  readonly changes: Observable<void>;
  /** Of all replicas that there have been since the start. */
  readonly counters: ShardCounters;
  /** The layout, or what leaders say, may be another. */
  look(): void;
  stop(): void;
}

export interface ShardHostPorts {
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly layouts: Layouts;
  readonly log: Pick<BrokerLog, 'groups' | 'write'>;
  readonly snapshots: { readonly store: Pick<SnapshotStore, 'groups'>; forget(group: GroupId): void };
  /** Who belongs to the cluster: false while that may be otherwise than is known here. */
  readonly knowsMembers: () => boolean;
  /** The founders of its group, or nobody. */
  readonly create: (shard: ShardId, founders: readonly BrokerId[]) => Shard;
  readonly remove: (group: GroupId) => void;
  /** By the latest that says that it leads the shard; null: nobody does. */
  readonly claimOf: (shard: ShardId) => ShardLead | null;
}

const NOTHING: ShardCounters = { rowsApplied: 0, samplesApplied: 0, duplicates: 0, conflicts: 0 };

export function createShardHost(ports: ShardHostPorts): ShardHost {
  const { self, clock, layouts, log, snapshots } = ports;
  const replicas = new Map<ShardId, Shard>();
  const voting = new Map<ShardId, Shard>();
  const serving = new Map<ShardId, Shard>();
  const watching = new Map<ShardId, Subscription>();
  /** Their logs are being forgotten. */
  const going = new Set<ShardId>();
  const changes = new Subject<void>();
  let gone = NOTHING;
  let looking = false;
  let stopped = false;

  function open(id: ShardId): void {
    const shard = ports.create(id, layouts.foundersOf(id));
    replicas.set(id, shard);
    watching.set(
      id,
      shard.raft.statusChanges.subscribe(({ role, configuration: { configuration } }) => {
        const votes = isVoterIn(configuration, self);
        if (votes) voting.set(id, shard);
        else voting.delete(id);
        if (votes && role !== 'storageUncertain') serving.set(id, shard);
        else serving.delete(id);
        changes.next();
      }),
    );
  }

  function drop(id: ShardId, shard: Shard): void {
    const group = shardGroup(id);
    going.add(id);
    watching.get(id)?.unsubscribe();
    watching.delete(id);
    replicas.delete(id);
    voting.delete(id);
    serving.delete(id);
    gone = sum(gone, shard.counters);
    changes.next();
    shard.stop();
    ports.remove(group);
    log.write({ group, forget: true }, () => {
      if (stopped) return;
      snapshots.forget(group);
      going.delete(id);
      lookLater();
    });
  }

  /** Invariant 2. */
  function isOut(id: ShardId, since: LogIndex): boolean {
    const claim = ports.claimOf(id);
    if (claim === null || !claim.settled) return false;
    const { index, configuration } = claim.configuration;
    return index >= since && !isMemberOf(configuration, self);
  }

  function lookNow(): void {
    looking = false;
    if (stopped) return;
    const isNamed = (id: ShardId) => layouts.current.replicas[id]?.includes(self) === true;
    for (const [id, shard] of [...replicas])
      if (!isNamed(id) && isOut(id, shard.raft.status.configuration.index)) drop(id, shard);
    if (!ports.knowsMembers()) return;
    layouts.current.replicas.forEach((_, id) => {
      if (isNamed(id) && !replicas.has(id) && !going.has(id)) open(id);
    });
    // The process ended before they were removed.
    for (const group of snapshots.store.groups()) {
      const id = groupNumber(group) - 1;
      if (group !== 'control' && !replicas.has(id) && !going.has(id) && isOut(id, 0)) snapshots.forget(group);
    }
  }

  function lookLater(): void {
    if (looking || stopped) return;
    looking = true;
    clock.defer(lookNow);
  }

  for (const group of log.groups) if (group !== 'control') open(groupNumber(group) - 1);
  lookLater();

  return {
    replicas,
    voting,
    serving,
    changes,
    get counters() {
      return [...replicas.values()].reduce((total, { counters }) => sum(total, counters), gone);
    },
    look: lookLater,
    stop() {
      stopped = true;
      for (const subscription of watching.values()) subscription.unsubscribe();
      for (const shard of replicas.values()) shard.stop();
      changes.complete();
    },
  };
}

function sum(one: ShardCounters, other: ShardCounters): ShardCounters {
  return {
    rowsApplied: one.rowsApplied + other.rowsApplied,
    samplesApplied: one.samplesApplied + other.samplesApplied,
    duplicates: one.duplicates + other.duplicates,
    conflicts: one.conflicts + other.conflicts,
  };
}
