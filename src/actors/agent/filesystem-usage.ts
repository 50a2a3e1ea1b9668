// How full the local file systems are. Asked in the background, since even a local statfs may wait for a sick disk: a sample
// takes the newest answers, and an answer older than STALE_AFTER counts as unknown.
import { statfs } from 'node:fs';
import type { Mount } from '../../core/linux-proc.ts';
import type { Millis } from '../../core/ids.ts';

export interface FilesystemUsage {
  readonly mount: Mount;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Held back for the superuser. */
  readonly reservedBytes: number;
}

export interface FilesystemWatch {
  /** Newest answers, in the order of the mounts; asks again. */
  usage(mounts: readonly Mount[], now: Millis): readonly FilesystemUsage[];
}

const STALE_AFTER: Millis = 15_000;

interface Known {
  usage: FilesystemUsage | null;
  answeredAt: Millis;
  asking: boolean;
}

export function watchFilesystems(): FilesystemWatch {
  const known = new Map<string, Known>();

  function ask(mount: Mount, entry: Known, now: Millis): void {
    entry.asking = true;
    statfs(mount.mountpoint, (error, stats) => {
      entry.asking = false;
      if (error !== null) {
        entry.usage = null;
        return;
      }
      const { bsize, blocks, bfree, bavail } = stats;
      entry.answeredAt = now;
      entry.usage = {
        mount,
        usedBytes: (blocks - bfree) * bsize,
        freeBytes: bavail * bsize,
        reservedBytes: (bfree - bavail) * bsize,
      };
    });
  }

  return {
    usage(mounts, now) {
      const answers: FilesystemUsage[] = [];
      for (const mount of mounts) {
        let entry = known.get(mount.mountpoint);
        if (entry === undefined) {
          entry = { usage: null, answeredAt: now, asking: false };
          known.set(mount.mountpoint, entry);
        }
        if (entry.usage !== null) {
          const stale = now - entry.answeredAt > STALE_AFTER;
          answers.push(stale ? unknown(mount) : entry.usage);
        }
        if (!entry.asking) ask(mount, entry, now);
      }
      if (known.size > mounts.length) {
        const present = new Set(mounts.map((mount) => mount.mountpoint));
        for (const mountpoint of known.keys()) if (!present.has(mountpoint)) known.delete(mountpoint);
      }
      return answers;
    },
  };
}

function unknown(mount: Mount): FilesystemUsage {
  return { mount, usedBytes: Number.NaN, freeBytes: Number.NaN, reservedBytes: Number.NaN };
}
