// The file layer under the stores: the only thing that they touch, so that the simulator can lose unsynced data, tear writes,
// fill up, fail and hang. Opening and recovery are synchronous (nothing else happens meanwhile); the running path is not, and
// uses callbacks, because a promise's continuation would run outside the simulator's schedule.
import { constants } from 'node:os';

export interface DiskFile {
  /** Writes all of `chunks` one after another at `position`; they must not change until `done` is called. */
  write(chunks: readonly Uint8Array[], position: number, done: (error: Error | null) => void): void;
  /**
   * `write`, and then `sync` once all of it was written: one wait instead of two where the system can. An error says which of them failed:
   * they mean different things.
   */
  writeDurably(chunks: readonly Uint8Array[], position: number, done: WrittenDurably): void;
  /** fdatasync: everything written before is on stable storage when `done` is called without an error. */
  sync(done: (error: Error | null) => void): void;
  /** Reads up to `length` bytes at `position`; fewer at the end of the file. */
  read(position: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void;
  readSync(position: number, length: number): Uint8Array;
  writeSync(bytes: Uint8Array, position: number): void;
  syncSync(): void;
  size(): number;
  truncateSync(length: number): void;
  /** What is under way must have ended: its descriptor may be another file's a moment later. */
  close(): void;
}

export type WrittenDurably = (error: Error | null, step: 'write' | 'sync') => void;

/** How a file does it that has no operation for both. */
export function writeThenSync(
  file: Pick<DiskFile, 'write' | 'sync'>,
  chunks: readonly Uint8Array[],
  position: number,
  done: WrittenDurably,
): void {
  file.write(chunks, position, (error) => {
    if (error !== null) done(error, 'write');
    else file.sync((syncError) => done(syncError, 'sync'));
  });
}

export interface Disk {
  /** Creates missing parents, too; durable when it returns. */
  makeDirectory(path: string): void;
  /** File names in a directory, sorted; none when there is no such directory. */
  list(path: string): string[];
  exists(path: string): boolean;
  /** @throws VedetteError FAILED_PRECONDITION: `read` and `readWrite` want the file there, `create` not. */
  open(path: string, mode: 'read' | 'readWrite' | 'create'): DiskFile;
  /** A new file with these bytes: it and its name are durable when `done` is called. After an error it is not there. */
  create(path: string, contents: Uint8Array, done: (error: Error | null, file: DiskFile | null) => void): void;
  rename(from: string, to: string): void;
  /** Renames, in place of what is there: durable, name and all, when `done` is called without an error. */
  publish(from: string, to: string, done: (error: Error | null) => void): void;
  remove(path: string): void;
  /** The same while others wait for nothing: durable when `done` is called without an error. */
  discard(path: string, done: (error: Error | null) => void): void;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): void;
  /** Exclusive, gone with the process. @throws VedetteError FAILED_PRECONDITION naming the holder. */
  lock(path: string): { release(): void };
  /** Bytes left for this process on the file system of `path`. */
  free(path: string): number;
}

/** Is this the error of a disk, or a quota, that is full? What it kept from being written can be written again later. */
export function isNoSpace(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('code' in error && error.code === 'ENOSPC') return true;
  // Node has no name for it.
  if ('errno' in error && error.errno === -constants.errno.EDQUOT) return true;
  return isNoSpace(error.cause);
}
