// What a simulated process keeps its logs in. The store outlives the process; `open` is what a start of the process does.
import type { GroupId, Millis } from '../../../src/core/ids.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { LogStore } from '../../../src/actors/stores/log.ts';
import type { Latency, Slowness } from './latency.ts';
import type { DiskAwait } from './schedule.ts';
import type { SimDisk } from './sim-disk.ts';

/** A fault at work. The disk of the memory store is only ever slow, or hangs. */
export type DiskTrouble =
  | (Slowness & { readonly kind: 'slow' | 'hang' })
  | { readonly kind: 'full' | 'fsync-error'; touched: number };

export interface SimStore {
  /** @param failed the log is unusable: the process must end. @param warn what it found, in words. */
  open(clock: Clock, failed: (error: Error) => void, warn: (message: string) => void): LogStore;
  /** Whoever asks the disk is told of every place at which it asks, or is answered. */
  watch(reached: (at: DiskAwait) => boolean): void;
  /** The process died: what was not synced is lost, in whole or in part. */
  crash(): void;
  /** The disk was lost, and is replaced by an empty one. The process is down. */
  wipe(): void;
  impose(trouble: DiskTrouble): void;
  lift(trouble: DiskTrouble): void;
  /** Changes a bit of what lies there, of one group alone where one is given. @returns false: there is nothing, or it is not kept in bytes. */
  spoil(group: GroupId | null): boolean;
  /** `die` is called when the next write is under way, of which a crash then leaves a part. */
  tear(die: () => void): void;
  /** From now on no sync takes longer. */
  calm(syncMaxMs: Millis): void;
}

export function imposeOn({ faults }: SimDisk, latency: Latency, trouble: DiskTrouble): void {
  if ('factor' in trouble) return latency.impose(trouble);
  faults.touched = () => trouble.touched++;
  if (trouble.kind === 'full') faults.freeBytes = 0;
  else faults.failSyncs = true;
}

export function liftFrom({ faults }: SimDisk, latency: Latency, trouble: DiskTrouble): void {
  if ('factor' in trouble) latency.lift(trouble);
  else if (trouble.kind === 'full') faults.freeBytes = Number.MAX_SAFE_INTEGER;
  else faults.failSyncs = false;
}

export function calmDown({ faults }: SimDisk, latency: Latency, maxMs: Millis): void {
  latency.calm(maxMs);
  faults.failSyncs = false;
  faults.freeBytes = Number.MAX_SAFE_INTEGER;
  faults.tearing = null;
}
