// What a simulated process keeps its logs in. The store outlives the process; `open` is what a start of the process does.
import type { Millis } from '../../../src/core/ids.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { LogStore } from '../../../src/actors/stores/log.ts';
import type { Slowness } from './latency.ts';

/** A fault at work. The disk of the memory store is only ever slow, or hangs. */
export type DiskTrouble =
  | (Slowness & { readonly kind: 'slow' | 'hang' })
  | { readonly kind: 'full' | 'fsync-error'; touched: number };

export interface SimStore {
  /** @param failed the log is unusable: the process must end. */
  open(clock: Clock, failed: (error: Error) => void): LogStore;
  /** The process died: what was not synced is lost, in whole or in part. */
  crash(): void;
  /** The disk was lost, and is replaced by an empty one. The process is down. */
  wipe(): void;
  impose(trouble: DiskTrouble): void;
  lift(trouble: DiskTrouble): void;
  /** Changes a bit of what lies there. @returns false: there is nothing, or it is not kept in bytes. */
  spoil(): boolean;
  /** `die` is called when the next write is under way, of which a crash then leaves a part. */
  tear(die: () => void): void;
  /** From now on no sync takes longer. */
  calm(syncMaxMs: Millis): void;
}
