// The snapshots of one simulated process: the real store on a disk that forgets, the real transfers over the simulated network. What
// they hold is the state that the checker can recompute: a fold over everything that was committed.
import { Observable } from 'rxjs';
import { createSnapshotReceiver } from '../../../src/actors/cluster/snapshot-receiver.ts';
import { createSnapshotSender } from '../../../src/actors/cluster/snapshot-sender.ts';
import { kernels } from '../../../src/actors/kernels.ts';
import type { SnapshotPorts } from '../../../src/actors/raft/group-snapshots.ts';
import type { RaftGroup, StateMachine } from '../../../src/actors/raft-group.ts';
import type { LogEntry } from '../../../src/actors/stores/log.ts';
import { openSnapshots, type SnapshotStore } from '../../../src/actors/stores/snapshots.ts';
import type { BrokerId, GroupId, LogIndex, Millis } from '../../../src/core/ids.ts';
import type { SnapshotLimits } from '../../../src/core/limits.ts';
import type { ClockView } from '../../../src/streams/clock-view.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { SnapshotMessage } from '../../../src/streams/snapshot-message.ts';
import type { Wire } from '../../../src/streams/wire.ts';
import type { GroupChecker } from './checker.ts';
import { createLatency } from './latency.ts';
import { fingerprint, foldEntry } from './log-shadow.ts';
import type { DiskOptions } from './options.ts';
import type { Planted } from './planted.ts';
import { createSimDisk } from './sim-disk.ts';
import type { DiskAwait } from './schedule.ts';
import { calmDown, type DiskTrouble, imposeOn, liftFrom } from './store.ts';
import { rule } from './violation.ts';

/** What survives the process. */
export interface SnapshotDisk {
  open(life: ClockView, self: BrokerId, groups: readonly GroupId[], ports: LifePorts): ProcessSnapshots;
  watch(reached: (at: DiskAwait) => boolean): void;
  crash(): void;
  /** Nothing is left on it. */
  wipe(): void;
  impose(trouble: DiskTrouble): void;
  lift(trouble: DiskTrouble): void;
  /** Changes a bit of one. @returns false: there is none. */
  spoil(): boolean;
  /** `die` is called when the next write is under way, of which a crash then leaves a part. */
  tear(die: () => void): void;
  calm(maxMs: Millis): void;
}

export interface LifePorts {
  readonly planted: Planted;
  readonly dial: Dial;
  /** A message has arrived. @returns true when the process is dead: it does not hear it. */
  readonly heard: () => boolean;
  readonly warn: (message: string) => void;
  /** The process must end. */
  readonly failed: (error: Error) => void;
}

/** In one life. */
export interface ProcessSnapshots extends SnapshotPorts {
  accept(wire: Wire<SnapshotMessage>): void;
  /** As a broker does that stops in order. */
  stop(): void;
}

/** By the name of a broker, which is its address here. */
type Dial = (to: BrokerId) => Wire<SnapshotMessage>;

export function createSnapshotDisk(
  random: Random,
  diskOptions: DiskOptions,
  options: Partial<SnapshotLimits>,
): SnapshotDisk {
  const latency = createLatency(random.fork('latency'), diskOptions);
  const disk = createSimDisk(random.fork('crashes'), latency);
  /** Of each group, how far the newest one reached when the process died; nothing that has happened since may cost it. */
  const known = new Map<GroupId, LogIndex>();
  let opened: SnapshotStore | null = null;
  /** One of those that lie there may be damaged, whether that is known by now or not. */
  let spoiled = false;

  return {
    open(life, self, groups, { planted, dial, heard, warn, failed }) {
      const mounted = disk.mount(life);
      const store = openSnapshots({
        disk: planted.snapshotDisk?.(mounted, life) ?? mounted,
        directory: '/snapshots',
        clock: life,
        crc32c: kernels.crc32c,
        cluster: '',
        warn,
        failed,
      });
      opened = store;
      for (const [group, index] of known) {
        const found = store.newest(group)?.meta.index ?? 0;
        rule(
          'a snapshot that was whole survives',
          found >= index,
          () => `${self} had a snapshot of ${group} that reached ${index}; the newest there is now reaches ${found}`,
        );
      }
      const common = { self, clock: life, store, warn() {}, options };
      const transfers = createSnapshotSender({
        ...common,
        dial: (address) => within(life, heard, dial(address as BrokerId)),
        addressOf: (broker) => broker,
      });
      const receiver = createSnapshotReceiver({
        ...common,
        crc32c: kernels.crc32c,
        cluster: () => '',
        isMember: () => true,
        hasGroup: (group) => groups.includes(group),
      });
      return {
        store,
        transfers,
        cluster: () => '',
        options,
        accept: (wire) => receiver.accept(within(life, heard, wire)),
        stop() {
          transfers.stop();
          receiver.stop();
          store.close();
        },
      };
    },
    watch(reached) {
      disk.faults.reached = reached;
    },
    crash() {
      if (!spoiled)
        for (const group of opened?.groups() ?? []) known.set(group, opened?.newest(group)?.meta.index ?? 0);
      opened = null;
      latency.forget();
      disk.faults.failSyncs = false;
      disk.crash();
    },
    wipe() {
      known.clear();
      spoiled = false;
      disk.wipe();
    },
    impose: (trouble) => imposeOn(disk, latency, trouble),
    lift: (trouble) => liftFrom(disk, latency, trouble),
    spoil() {
      if (!disk.spoil('/snapshots/')) return false;
      known.clear();
      spoiled = true;
      return true;
    },
    tear(die) {
      disk.faults.tearing = die;
    },
    calm: (maxMs) => calmDown(disk, latency, maxMs),
  };
}

/** What arrives, arrives in this life of the process, in a turn of its own, or not at all. */
function within(
  life: ClockView,
  heard: () => boolean,
  { inbox, outbox }: Wire<SnapshotMessage>,
): Wire<SnapshotMessage> {
  return {
    outbox,
    inbox: new Observable((subscriber) =>
      inbox.subscribe({
        next: (message) => life.enter(() => heard() || subscriber.next(message)),
        error: (error) => life.enter(() => subscriber.error(error)),
        complete: () => life.enter(() => subscriber.complete()),
      }),
    ),
  };
}

const STATE_BYTES = 12;

/** A state machine that folds what it applies, and whose every move the checker follows. */
export function createFold(number: number, checker: GroupChecker, status: () => RaftGroup['status']): StateMachine {
  let fold = 0;
  let index: LogIndex = 0;
  const told = (entries: readonly LogEntry[]) => checker.applied(number, entries, status());
  return {
    apply(entries) {
      for (const entry of entries) fold = foldEntry(fold, entry.term, fingerprint(entry));
      index = entries.at(-1)?.index ?? index;
      told(entries);
    },
    saved: {
      pass: told,
      snapshot() {
        const state = new Uint8Array(STATE_BYTES);
        const view = new DataView(state.buffer);
        view.setFloat64(0, index, true);
        view.setInt32(8, fold, true);
        // In several chunks, so that something can happen between them.
        return Array.from({ length: STATE_BYTES / 2 }, (_, at) => state.subarray(2 * at, 2 * at + 2));
      },
      restore() {
        const chunks: Uint8Array[] = [];
        return {
          take: (chunk) => void chunks.push(chunk.slice()),
          finish(position) {
            const view = new DataView(Uint8Array.from(chunks.flatMap((chunk) => [...chunk])).buffer);
            index = view.getFloat64(0, true);
            fold = view.getInt32(8, true);
            checker.restored(number, index, fold, position);
          },
          abandon() {},
        };
      },
    },
  };
}
