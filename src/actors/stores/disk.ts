// The file layer under the log: the only thing that stores touch, so that the simulator can lose unsynced data, tear writes,
// fill up, fail and hang. Opening and recovery are synchronous (nothing else happens meanwhile); the running path is not, and
// uses callbacks, because a promise's continuation would run outside the simulator's schedule.

export interface DiskFile {
  /** Writes all of `chunks` one after another at `position`. */
  write(chunks: readonly Uint8Array[], position: number, done: (error: Error | null) => void): void;
  /** fdatasync: everything written before is on stable storage when `done` is called without an error. */
  sync(done: (error: Error | null) => void): void;
  /** Reads up to `length` bytes at `position`; fewer at the end of the file. */
  read(position: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void;
  readSync(position: number, length: number): Uint8Array;
  writeSync(bytes: Uint8Array, position: number): void;
  syncSync(): void;
  size(): number;
  truncateSync(length: number): void;
  close(): void;
}

export interface Disk {
  /** Creates missing parents, too. */
  makeDirectory(path: string): void;
  /** File names in a directory, sorted. */
  list(path: string): string[];
  exists(path: string): boolean;
  open(path: string, mode: 'read' | 'readWrite' | 'create'): DiskFile;
  rename(from: string, to: string): void;
  remove(path: string): void;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): void;
  /** Exclusive, gone with the process. @throws VedetteError FAILED_PRECONDITION naming the holder. */
  lock(path: string): { release(): void };
  /** Bytes left for this process on the file system of `path`. */
  free(path: string): number;
}
