// Whether there is room for what may still be proposed: by the log's own limit, by what is free on the disk, and by what the disk
// itself says. Looked at rarely; each change is said.
import type { Millis } from '../../../core/ids.ts';
import { sizeText } from '../../../core/units.ts';
import type { Clock } from '../../../streams/clock.ts';

export interface DiskRoom {
  readonly full: boolean;
  /** A write had to wait for want of space, or was taken. */
  told(there: boolean): void;
}

export interface DiskRoomPorts {
  readonly clock: Clock;
  readonly directory: string;
  readonly free: () => number;
  /** Of the log. */
  readonly bytes: () => number;
  readonly warn: (message: string) => void;
  readonly limits: { readonly bytesMax: number; readonly reserveBytes: number; readonly freeCheckMs: Millis };
}

export function createDiskRoom({ clock, directory, free, bytes, warn, limits }: DiskRoomPorts): DiskRoom {
  let checkedAt = Number.NEGATIVE_INFINITY;
  let starved = false;
  /** Why there is none. */
  let reason: string | null = null;

  function why(): string | null {
    if (starved) return `the disk of ${directory} is full`;
    if (bytes() >= limits.bytesMax)
      return `the log in ${directory} has reached its limit of ${sizeText(limits.bytesMax)}`;
    try {
      if (free() < limits.reserveBytes) return `less than ${sizeText(limits.reserveBytes)} are free for ${directory}`;
    } catch {
      // Nobody can tell how much is free. Writes themselves will show what is wrong, if anything is.
    }
    return null;
  }

  function check(): void {
    checkedAt = clock.monotonic();
    const now = why();
    if (now !== null && reason === null) warn(`${now}: writes are refused until there is room`);
    if (now === null && reason !== null) warn(`there is room for ${directory} again: writes are taken`);
    reason = now;
  }

  return {
    get full() {
      if (clock.monotonic() - checkedAt >= limits.freeCheckMs) check();
      return reason !== null;
    },
    told(there) {
      if (starved === !there) return;
      starved = !there;
      check();
    },
  };
}
