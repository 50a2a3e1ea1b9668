// A disk in memory that forgets, as disks do: what was written is there for whoever reads it, and survives a crash only once it was
// synced. Of what was written since, a crash keeps any sectors and loses the others, whatever their order. It can be full, hang,
// fail, and rot, when it is told to.
import { present } from '../../../src/core/assert.ts';
import { VedetteError } from '../../../src/core/errors.ts';
import { type Disk, type DiskFile, writeThenSync } from '../../../src/actors/stores/disk.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import type { Random } from '../../../src/streams/random.ts';
import { takeBytes } from './arena.ts';
import { Died } from './awaits.ts';
import type { Latency } from './latency.ts';
import type { DiskAwait } from './schedule.ts';

export interface SimDisk {
  /** The disk as one life of a process sees it. */
  mount(clock: Clock): Disk;
  /** The process, and with it the page cache, is gone. */
  crash(): void;
  /** The process is gone; the page cache is not. Its clock must have been revoked: what is under way would answer it otherwise. */
  endProcess(): void;
  /** What may be switched on and off while it runs. */
  readonly faults: SimDiskFaults;
  /** Nothing is left on it; the process that used it is gone. */
  wipe(): void;
  /**
   * Changes one bit of what lies there, somewhere in a file below this directory. @param within where in a file that has these bytes; default: anywhere.
   * @returns false: there is none.
   */
  spoil(directory: string, within?: (bytes: Uint8Array) => readonly Extent[]): boolean;
  /** Changes a byte where it lies. */
  rot(path: string, position: number, change: (byte: number) => number): void;
  /** Another disk that holds the same, all of it synced. */
  copy(): SimDisk;
}

/** Some bytes of a file, `to` not among them. */
export interface Extent {
  readonly from: number;
  readonly to: number;
}

export interface SimDiskFaults {
  /** Syncs fail; nobody knows what of it is on the disk. */
  failSyncs: boolean;
  failWrites: boolean;
  /** Bytes that may still be written; a write that needs more fails after these. */
  freeBytes: number;
  /** Told of each operation that one of these made fail. */
  touched: () => void;
  /** Called at the next write, once; the process is to die of it. What was not synced by then is torn. */
  tearing: (() => void) | null;
  /** Nothing is answered; once it is false again, everything is. */
  hang: boolean;
  /** Told before anything is done for a process, and before it is answered. True: it is dead, and neither happens. */
  reached: (at: DiskAwait) => boolean;
}

const SECTOR_BYTES = 512;
const FREE_BYTES = 1e12;

type Change =
  | { readonly type: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly length: number };

/** A file's bytes, growing. */
class Bytes {
  #buffer = takeBytes(1024);
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
      const larger = takeBytes(Math.max(length, 2 * this.#buffer.length));
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

const newFile = (): SimFile => ({ seen: new Bytes(), durable: new Bytes(), changes: [], changed: 0 });

function put(file: SimFile, change: Change): void {
  file.seen.change(change);
  file.changes.push(change);
  file.changed++;
}

/** @param through counted as `changed` counts. */
function persist(file: SimFile, through: number): void {
  const count = through - (file.changed - file.changes.length);
  for (const change of file.changes.splice(0, Math.max(0, count))) file.durable.change(change);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = takeBytes(chunks.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** As the system says it. */
function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

const missing = (path: string) => new VedetteError('FAILED_PRECONDITION', `${path}: no such file`, { field: 'data' });
const directoryOf = (path: string) => path.slice(0, path.lastIndexOf('/'));

/** For one run: its bytes are the next one's (arena.ts). */
export function createSimDisk(random: Random, latency: Latency): SimDisk {
  /** By path: as it is now, and as it would be after a crash. */
  let names = new Map<string, SimFile>();
  let durableNames = new Map<string, SimFile>();
  const locks = new Set<string>();
  let hanging = false;
  let torn = false;
  let held: { readonly clock: Clock; readonly done: () => void }[] = [];
  const faults: SimDiskFaults = {
    failSyncs: false,
    failWrites: false,
    freeBytes: FREE_BYTES,
    touched() {},
    tearing: null,
    reached: () => false,
    get hang() {
      return hanging;
    },
    set hang(value) {
      hanging = value;
      if (value) return;
      for (const { clock, done } of held) clock.defer(done);
      held = [];
    },
  };

  /** Answers, unless the disk hangs by then. */
  function answer(clock: Clock, at: DiskAwait, done: () => void): void {
    if (faults.reached(at)) return;
    if (hanging) held.push({ clock, done });
    else done();
  }

  /** What is waited for on the spot. */
  function enter(at: DiskAwait): void {
    if (faults.reached(at)) throw new Died(at);
  }

  /** Takes what there is room for. One write is one change: a sector has all of it or nothing. @returns the error, if any. */
  function take(file: SimFile, bytes: Uint8Array, position: number): Error | null {
    if (faults.failWrites) return systemError('EIO', 'the write failed');
    const grows = Math.max(0, position + bytes.length - Math.max(position, file.seen.length));
    const fits = bytes.length - Math.max(0, grows - faults.freeBytes);
    faults.freeBytes -= Math.min(grows, faults.freeBytes);
    if (fits > 0) put(file, { type: 'write', position, bytes: bytes.subarray(0, fits) });
    if (fits === bytes.length) return null;
    faults.touched();
    return systemError('ENOSPC', 'no space left on the disk');
  }

  function failedSync(): Error {
    faults.touched();
    return systemError('EIO', 'the sync failed');
  }

  /** Any of the sectors that a write touches may have reached the disk. */
  function tear(file: SimFile, change: Change): void {
    if (change.type === 'truncate') {
      if (random.next() < 0.5) file.durable.change(change);
      return;
    }
    const chance = torn ? 0.5 : ([0, 0.5, 0.95, 1][random.integer(0, 3)] ?? 0);
    const { position, bytes } = change;
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
      if (random.next() < chance) file.durable.write(bytes.subarray(at, end), position + at);
      at = end;
    }
  }

  function handle(file: SimFile, clock: Clock): DiskFile {
    return {
      write(chunks, position, done) {
        if (faults.reached('write')) return;
        // A write that is under way may be torn, too; readers see it at once, as with a page cache.
        const error = take(file, joined(chunks), position);
        torn = faults.tearing !== null;
        faults.tearing?.();
        faults.tearing = null;
        clock.defer(() => answer(clock, 'write', () => done(error)));
      },
      writeDurably(chunks, position, done) {
        writeThenSync(this, chunks, position, done);
      },
      sync(done) {
        if (faults.reached('sync')) return;
        const through = file.changed;
        latency.wait(clock, () => {
          // Of a process that has died meanwhile the disk may have done it all the same.
          if (!hanging && !faults.failSyncs) persist(file, through);
          answer(clock, 'sync', () => {
            if (faults.failSyncs) return done(failedSync());
            persist(file, through);
            done(null);
          });
        });
      },
      read(position, length, done) {
        if (faults.reached('read')) return;
        latency.wait(clock, () => answer(clock, 'read', () => done(null, file.seen.read(position, length))));
      },
      readSync(position, length) {
        enter('read');
        return file.seen.read(position, length);
      },
      writeSync(bytes, position) {
        enter('write');
        const error = take(file, bytes.slice(), position);
        if (error !== null) throw error;
      },
      syncSync() {
        enter('sync');
        if (faults.failSyncs) throw failedSync();
        persist(file, file.changed);
      },
      size: () => file.seen.length,
      truncateSync(length) {
        enter('write');
        put(file, { type: 'truncate', length });
      },
      close() {},
    };
  }

  function add(path: string): SimFile {
    if (names.has(path)) throw new VedetteError('FAILED_PRECONDITION', `${path} exists already`, { field: 'data' });
    const file = newFile();
    names.set(path, file);
    return file;
  }

  function syncDirectory(path: string): void {
    enter('directory');
    for (const map of [durableNames, names]) {
      for (const name of map.keys()) {
        if (directoryOf(name) !== path) continue;
        const file = names.get(name);
        if (file === undefined) durableNames.delete(name);
        else durableNames.set(name, file);
      }
    }
  }

  /** Takes its time, and is durable, name and all, when `done` is called without an error. */
  function changeName(
    clock: Clock,
    at: DiskAwait,
    path: string,
    change: () => Error | null,
    done: (error: Error | null) => void,
  ) {
    if (faults.reached(at)) return;
    latency.wait(clock, () =>
      answer(clock, at, () => {
        const error = change();
        if (error === null) syncDirectory(directoryOf(path));
        done(error);
      }),
    );
  }

  function renamed(from: string, to: string): Error | null {
    const file = names.get(from);
    if (file === undefined) return missing(from);
    names.delete(from);
    names.set(to, file);
    return null;
  }

  function mount(clock: Clock): Disk {
    return {
      makeDirectory() {},
      list: (path) =>
        [...names.keys()]
          .filter((name) => directoryOf(name) === path)
          .map((name) => name.slice(path.length + 1))
          .sort(),
      exists: (path) => names.has(path) || [...names.keys()].some((name) => name.startsWith(`${path}/`)),
      open(path, mode) {
        enter('open');
        if (mode === 'create') return handle(add(path), clock);
        const file = names.get(path);
        if (file === undefined) throw missing(path);
        return handle(file, clock);
      },
      create(path, contents, done) {
        if (faults.reached('open')) return;
        const file = add(path);
        const made = handle(file, clock);
        const finish = (error: Error | null) => {
          if (error === null) syncDirectory(directoryOf(path));
          else names.delete(path);
          done(error, error === null ? made : null);
        };
        made.write([contents], 0, (error) => (error === null ? made.sync(finish) : finish(error)));
      },
      rename(from, to) {
        enter('rename');
        const error = renamed(from, to);
        if (error !== null) throw error;
      },
      publish: (from, to, done) => changeName(clock, 'rename', to, () => renamed(from, to), done),
      remove(path) {
        enter('unlink');
        if (!names.delete(path)) throw missing(path);
      },
      discard: (path, done) =>
        changeName(clock, 'unlink', path, () => (names.delete(path) ? null : missing(path)), done),
      syncDirectory,
      lock(path) {
        if (locks.has(path)) throw new VedetteError('FAILED_PRECONDITION', `${path} is held`, { field: 'data' });
        locks.add(path);
        return { release: () => locks.delete(path) };
      },
      free() {
        if (faults.freeBytes < FREE_BYTES) faults.touched();
        return faults.freeBytes;
      },
    };
  }

  const durableBytes = (path: string): Uint8Array =>
    names.get(path)?.durable.read(0, sizeOf(path)) ?? new Uint8Array(0);

  const sizeOf = (path: string): number => names.get(path)?.durable.length ?? 0;

  function rot(path: string, position: number, change: (byte: number) => number): void {
    const file = present(names.get(path), `${path} is there`);
    const byte = Uint8Array.of(change(file.seen.read(position, 1)[0] ?? 0));
    file.seen.write(byte, position);
    file.durable.write(byte, position);
  }

  function flip(path: string, position: number): void {
    const bit = 1 << random.integer(0, 7);
    rot(path, position, (byte) => byte ^ bit);
  }

  function endProcess(): void {
    locks.clear();
    held = [];
  }

  return {
    mount,
    faults,
    endProcess,
    crash() {
      endProcess();
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
      torn = false;
      faults.tearing = null;
      names = new Map(durableNames);
      durableNames = new Map(names);
    },
    wipe() {
      endProcess();
      names = new Map();
      durableNames = new Map();
    },
    spoil(directory, within) {
      const paths = [...names.keys()].filter((path) => path.startsWith(directory) && sizeOf(path) > 0);
      if (within !== undefined) {
        const all = paths.flatMap((path) => within(durableBytes(path)).map((extent) => ({ path, ...extent })));
        const extent = all[random.integer(0, Math.max(0, all.length - 1))];
        if (extent === undefined) return false;
        flip(extent.path, random.integer(extent.from, extent.to - 1));
        return true;
      }
      const path = paths[random.integer(0, Math.max(0, paths.length - 1))];
      if (path === undefined) return false;
      const bit = 1 << random.integer(0, 7);
      rot(path, random.integer(0, sizeOf(path) - 1), (byte) => byte ^ bit);
      return true;
    },
    rot,
    copy() {
      const twin = createSimDisk(random, latency);
      const disk = twin.mount({ now: () => 0, monotonic: () => 0, after: () => ({ cancel() {} }), defer() {} });
      for (const [path, file] of names) {
        const made = disk.open(path, 'create');
        made.writeSync(file.seen.read(0, file.seen.length), 0);
        made.syncSync();
        disk.syncDirectory(directoryOf(path));
      }
      return twin;
    },
  };
}
