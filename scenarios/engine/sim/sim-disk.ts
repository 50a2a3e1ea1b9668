// A disk in memory that forgets, as disks do: what was written is there for whoever reads it, and survives a crash only once it was
// synced. Of what was written since, a crash keeps any sectors and loses the others, whatever their order.
import { assert } from '../../../src/core/assert.ts';
import { VedetteError } from '../../../src/core/errors.ts';
import type { Disk, DiskFile } from '../../../src/actors/stores/disk.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { Latency } from './latency.ts';

export interface SimDisk {
  /** The disk as one life of a process sees it. */
  mount(clock: Clock): Disk;
  /** The process, and with it the page cache, is gone. */
  crash(): void;
}

const SECTOR_BYTES = 512;
const FREE_BYTES = 1e12;

type Change =
  | { readonly type: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly length: number };

/** A file's bytes, growing. */
class Bytes {
  #buffer = new Uint8Array(1024);
  length = 0;

  write(bytes: Uint8Array, position: number): void {
    this.#grow(position + bytes.length);
    this.#buffer.set(bytes, position);
  }

  read(position: number, length: number): Uint8Array {
    return this.#buffer.slice(position, Math.min(this.length, position + length));
  }

  truncate(length: number): void {
    if (length < this.length) this.#buffer.fill(0, length, this.length);
    else this.#grow(length);
    this.length = length;
  }

  change(change: Change): void {
    if (change.type === 'write') this.write(change.bytes, change.position);
    else this.truncate(change.length);
  }

  copy(): Bytes {
    const copy = new Bytes();
    copy.write(this.read(0, this.length), 0);
    return copy;
  }

  #grow(length: number): void {
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
    }
    this.length = Math.max(this.length, length);
  }
}

interface SimFile {
  /** What readers see. */
  seen: Bytes;
  readonly durable: Bytes;
  /** Not synced, in order; those under way among them. */
  changes: Change[];
  /** Of all changes there ever were. */
  changed: number;
}

export function createSimDisk(random: Random, latency: Latency): SimDisk {
  /** By path: as it is now, and as it would be after a crash. */
  let names = new Map<string, SimFile>();
  let durableNames = new Map<string, SimFile>();
  const locks = new Set<string>();

  const directoryOf = (path: string) => path.slice(0, path.lastIndexOf('/'));

  /** @param through counted as `changed` counts. */
  function persist(file: SimFile, through: number): void {
    const count = through - (file.changed - file.changes.length);
    for (const change of file.changes.splice(0, Math.max(0, count))) file.durable.change(change);
  }

  /** Any of the sectors that a write touches may have reached the disk. */
  function tear(file: SimFile, change: Change): void {
    if (change.type === 'truncate') {
      if (random.next() < 0.5) file.durable.change(change);
      return;
    }
    const chance = [0, 0.5, 0.95, 1][random.integer(0, 3)] ?? 0;
    const { position, bytes } = change;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
      if (random.next() < chance) file.durable.write(bytes.subarray(at, end), position + at);
      at = end;
    }
  }

  function handle(file: SimFile, clock: Clock): DiskFile {
    const put = (change: Change): void => {
      file.seen.change(change);
      file.changes.push(change);
      file.changed++;
    };
    return {
      write(chunks, position, done) {
        let at = position;
        // A write that is under way may be torn, too; readers see it at once, as with a page cache.
        for (const chunk of chunks) {
          put({ type: 'write', position: at, bytes: chunk });
          at += chunk.length;
        }
        clock.defer(() => done(null));
      },
      sync(done) {
        const through = file.changed;
        latency.wait(clock, () => {
          persist(file, through);
          done(null);
        });
      },
      read(position, length, done) {
        latency.wait(clock, () => done(null, file.seen.read(position, length)));
      },
      readSync: (position, length) => file.seen.read(position, length),
      writeSync: (bytes, position) => put({ type: 'write', position, bytes: bytes.slice() }),
      syncSync: () => persist(file, file.changed),
      size: () => file.seen.length,
      truncateSync: (length) => put({ type: 'truncate', length }),
      close() {},
    };
  }

  return {
    mount: (clock) => ({
      makeDirectory() {},
      list: (path) =>
        [...names.keys()]
          .filter((name) => directoryOf(name) === path)
          .map((name) => name.slice(path.length + 1))
          .sort(),
      exists: (path) => names.has(path) || [...names.keys()].some((name) => name.startsWith(`${path}/`)),
      open(path, mode) {
        let file = names.get(path);
        assert(mode !== 'create' || file === undefined, `${path} exists already`);
        if (file === undefined) {
          if (mode !== 'create') throw new VedetteError('FAILED_PRECONDITION', `${path}: no such file`);
          file = { seen: new Bytes(), durable: new Bytes(), changes: [], changed: 0 };
          names.set(path, file);
        }
        return handle(file, clock);
      },
      rename(from, to) {
        const file = names.get(from);
        if (file === undefined) throw new VedetteError('FAILED_PRECONDITION', `${from}: no such file`);
        names.delete(from);
        names.set(to, file);
      },
      remove(path) {
        names.delete(path);
      },
      syncDirectory(path) {
        for (const map of [durableNames, names]) {
          for (const name of map.keys()) {
            if (directoryOf(name) !== path) continue;
            const file = names.get(name);
            if (file === undefined) durableNames.delete(name);
            else durableNames.set(name, file);
          }
        }
      },
      lock(path) {
        if (locks.has(path)) throw new VedetteError('FAILED_PRECONDITION', `${path} is held`);
        locks.add(path);
        return { release: () => locks.delete(path) };
      },
      free: () => FREE_BYTES,
    }),
    crash() {
      locks.clear();
      // A name that was not synced may be there all the same, or still.
      for (const name of new Set([...names.keys(), ...durableNames.keys()])) {
        const now = names.get(name);
        if (now === durableNames.get(name) || random.next() < 0.5) continue;
        if (now === undefined) durableNames.delete(name);
        else durableNames.set(name, now);
      }
      for (const file of durableNames.values()) {
        for (const change of file.changes) tear(file, change);
        file.changes = [];
        file.seen = file.durable.copy();
      }
      names = new Map(durableNames);
      durableNames = new Map(names);
    },
  };
}
