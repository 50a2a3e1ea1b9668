// A disk in memory that loses what was not synced when it crashes, and tears the last write where it is told to.
import { type Disk, type DiskFile, writeThenSync } from '../../src/actors/stores/disk.ts';
import type { Clock } from '../../src/streams/clock.ts';

interface Stored {
  bytes: Uint8Array;
  length: number;
  /** What a crash leaves for sure: the state at the last sync, … */
  synced: Uint8Array;
  /** … and the writes since then, of which a crash may keep a part. */
  unsynced: { readonly position: number; readonly bytes: Uint8Array }[];
}

export interface MemoryDisk extends Disk {
  /** Power is lost: of the writes that were not synced, only the first `keepBytes` bytes are kept. Open files are dead. */
  crash(keepBytes?: number): void;
  /** Changes bytes at rest. */
  damage(path: string, position: number, change: (byte: number) => number): void;
  size(path: string): number;
  copy(): MemoryDisk;
  freeBytes: number;
  failSync: boolean;
  /** Writes are refused for want of space. */
  noSpace: boolean;
}

export function createMemoryDisk(clock: Clock): MemoryDisk {
  const files = new Map<string, Stored>();
  let life = 0;

  function apply(file: Stored, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > file.bytes.length) {
      const larger = new Uint8Array(Math.max(end, file.bytes.length * 2));
      larger.set(file.bytes.subarray(0, file.length));
      file.bytes = larger;
    }
    file.bytes.set(bytes, position);
    file.length = Math.max(file.length, end);
  }

  function open(file: Stored): DiskFile {
    const born = life;
    const alive = () => born === life;
    const sync = () => {
      file.synced = file.bytes.slice(0, file.length);
      file.unsynced = [];
    };
    const write = (bytes: Uint8Array, position: number) => {
      // A process that is dead writes nothing.
      if (!alive()) return;
      apply(file, bytes, position);
      file.unsynced.push({ position, bytes: bytes.slice() });
    };
    return {
      write(chunks, position, done) {
        if (disk.noSpace) {
          const error = Object.assign(new Error('ENOSPC: no space left on the disk'), { code: 'ENOSPC' });
          clock.after(0, () => alive() && done(error));
          return;
        }
        let at = position;
        for (const chunk of chunks) {
          write(chunk, at);
          at += chunk.length;
        }
        clock.after(0, () => alive() && done(null));
      },
      writeDurably(chunks, position, done) {
        writeThenSync(this, chunks, position, done);
      },
      sync(done) {
        clock.after(0, () => {
          if (!alive()) return;
          if (disk.failSync) {
            done(new Error('EIO: the disk failed'));
            return;
          }
          sync();
          done(null);
        });
      },
      read(position, length, done) {
        clock.after(
          0,
          () => alive() && done(null, file.bytes.slice(position, Math.min(file.length, position + length))),
        );
      },
      readSync: (position, length) => file.bytes.slice(position, Math.min(file.length, position + length)),
      writeSync: write,
      syncSync: sync,
      size: () => file.length,
      truncateSync(length) {
        file.length = length;
        file.unsynced = [];
        file.synced = file.bytes.slice(0, length);
      },
      close() {},
    };
  }

  const disk: MemoryDisk = {
    freeBytes: 2 ** 40,
    failSync: false,
    noSpace: false,
    makeDirectory() {},
    list: (path) =>
      [...files.keys()]
        .filter((name) => name.startsWith(`${path}/`))
        .map((name) => name.slice(path.length + 1))
        .sort(),
    exists: (path) => files.has(path),
    open(path, mode) {
      let file = files.get(path);
      if (mode === 'create') {
        if (file !== undefined) throw new Error(`${path} is there already`);
        file = { bytes: new Uint8Array(64), length: 0, synced: new Uint8Array(0), unsynced: [] };
        files.set(path, file);
      }
      if (file === undefined) throw new Error(`${path} is not there`);
      return open(file);
    },
    create(path, contents, done) {
      const file = disk.open(path, 'create');
      file.write([contents], 0, (writeError) => {
        const finish = (error: Error | null) => {
          if (error !== null) files.delete(path);
          done(error, error === null ? file : null);
        };
        if (writeError === null) file.sync(finish);
        else finish(writeError);
      });
    },
    rename(from, to) {
      const file = files.get(from);
      if (file === undefined) throw new Error(`${from} is not there`);
      files.delete(from);
      files.set(to, file);
    },
    publish(from, to, done) {
      clock.after(0, () => {
        disk.rename(from, to);
        done(null);
      });
    },
    remove: (path) => {
      files.delete(path);
    },
    discard(path, done) {
      clock.after(0, () => {
        disk.remove(path);
        done(null);
      });
    },
    syncDirectory() {},
    lock: () => ({ release() {} }),
    free: () => disk.freeBytes,
    crash(keepBytes = 0) {
      life++;
      let left = keepBytes;
      for (const file of files.values()) {
        const writes = file.unsynced;
        file.bytes = file.synced.slice();
        file.length = file.synced.length;
        file.unsynced = [];
        for (const { position, bytes } of writes) {
          const kept = bytes.subarray(0, left);
          left -= kept.length;
          if (kept.length > 0) apply(file, kept, position);
        }
        file.synced = file.bytes.slice(0, file.length);
      }
    },
    damage(path, position, change) {
      const file = files.get(path);
      if (file === undefined) throw new Error(`${path} is not there`);
      file.bytes[position] = change(file.bytes[position] ?? 0);
    },
    size: (path) => files.get(path)?.length ?? 0,
    copy() {
      const twin = createMemoryDisk(clock);
      for (const [path, file] of files) {
        const made = twin.open(path, 'create');
        made.writeSync(file.bytes.slice(0, file.length), 0);
        made.syncSync();
      }
      return twin;
    },
  };
  return disk;
}
