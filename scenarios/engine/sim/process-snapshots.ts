// The snapshots of one simulated process: the real store on a disk that forgets, the real transfers over the simulated network. What
// they hold is the state that the checker can recompute: a fold over everything that was committed.
import { Observable } from 'rxjs';
import { createSnapshotReceiver } from '../../../src/actors/cluster/snapshot-receiver.ts';
import { createSnapshotSender } from '../../../src/actors/cluster/snapshot-sender.ts';
import { kernels } from '../../../src/actors/kernels.ts';
import type { SnapshotPorts } from '../../../src/actors/raft/group-snapshots.ts';
import type { RaftGroup, StateMachine } from '../../../src/actors/raft-group.ts';
import type { LogEntry } from '../../../src/actors/stores/log.ts';
import { openSnapshots } from '../../../src/actors/stores/snapshots.ts';
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
import { createSimDisk } from './sim-disk.ts';
import type { DiskTrouble } from './store.ts';
import { Violation } from './violation.ts';

/** What survives the process. */
export interface SnapshotDisk {
  open(life: ClockView, self: BrokerId, groups: readonly GroupId[], dial: Dial): ProcessSnapshots;
  crash(): void;
  /** Nothing is left on it. */
  wipe(): void;
  /** Whatever else may be wrong with a disk, the snapshots' is only ever slow, or hangs. */
  impose(trouble: DiskTrouble): void;
  lift(trouble: DiskTrouble): void;
  calm(maxMs: Millis): void;
}

/** In one life. */
export interface ProcessSnapshots extends SnapshotPorts {
  accept(wire: Wire<SnapshotMessage>): void;
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
  return {
    open(life, self, groups, dial) {
      const broken = (what: string): never => {
        throw new Violation('no member fails', `${self}: ${what}`);
      };
      const store = openSnapshots({
        disk: disk.mount(life),
        directory: '/snapshots',
        clock: life,
        crc32c: kernels.crc32c,
        cluster: '',
        warn: broken,
        failed: (error) => broken(error.message),
      });
      const common = { self, clock: life, store, warn() {}, options };
      const transfers = createSnapshotSender({
        ...common,
        dial: (address) => within(life, dial(address as BrokerId)),
        addressOf: (broker) => broker,
      });
      const receiver = createSnapshotReceiver({
        ...common,
        crc32c: kernels.crc32c,
        cluster: () => '',
        isMember: () => true,
        hasGroup: (group) => groups.includes(group),
      });
      return { store, transfers, cluster: () => '', options, accept: (wire) => receiver.accept(within(life, wire)) };
    },
    crash() {
      latency.forget();
      disk.crash();
    },
    wipe: disk.wipe,
    impose(trouble) {
      if ('factor' in trouble) latency.impose(trouble);
    },
    lift(trouble) {
      if ('factor' in trouble) latency.lift(trouble);
    },
    calm: latency.calm,
  };
}

/** What arrives, arrives in this life of the process, in a turn of its own, or not at all. */
function within(life: ClockView, { inbox, outbox }: Wire<SnapshotMessage>): Wire<SnapshotMessage> {
  return {
    outbox,
    inbox: new Observable((subscriber) =>
      inbox.subscribe({
        next: (message) => life.enter(() => subscriber.next(message)),
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
