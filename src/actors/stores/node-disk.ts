// The real disk: a port adapter over node:fs.
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { describeError, VedetteError } from '../../core/errors.ts';
import { type NativeWriteDurably, nativeWriteDurably } from '../kernels.ts';
import { type Disk, type DiskFile, writeThenSync } from './disk.ts';
import { takeLock } from './node-lock.ts';

/** writev takes at most this many buffers at once (IOV_MAX). */
const CHUNKS_MAX = 1024;

/** @param native null: what the system's own operations can do. */
export function createNodeDisk(native: NativeWriteDurably | null = nativeWriteDurably): Disk {
  const nodeFile = (descriptor: number): DiskFile => fileOf(descriptor, native);
  return {
    makeDirectory(path) {
      explained(path, () => makeWithParents(path));
    },
    list: (path) => (fs.existsSync(path) ? explained(path, () => fs.readdirSync(path).sort()) : []),
    exists: (path) => fs.existsSync(path),
    open(path, mode) {
      const flags = mode === 'read' ? 'r' : mode === 'readWrite' ? 'r+' : 'wx+';
      return nodeFile(explained(path, () => fs.openSync(path, flags, 0o644)));
    },
    create: (path, contents, done) => createDurably(path, contents, nodeFile, done),
    rename: (from, to) => explained(from, () => fs.renameSync(from, to)),
    publish(from, to, done) {
      fs.rename(from, to, (error) => (error === null ? syncDirectoryLater(dirname(to), done) : done(error)));
    },
    discard(path, done) {
      fs.unlink(path, (error) => (error === null ? syncDirectoryLater(dirname(path), done) : done(error)));
    },
    remove: (path) => explained(path, () => fs.unlinkSync(path)),
    syncDirectory: (path) => explained(path, () => syncDirectory(path)),
    lock: takeLock,
    free(path) {
      const { bavail, bsize } = explained(path, () => fs.statfsSync(path));
      return bavail * bsize;
    },
  };
}

/** Not mkdir's own `recursive`: where a parent can never be made (/proc), it tries for ever. */
function makeWithParents(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return;
  if (found !== undefined) throw new Error('it is a file, not a directory');
  const parent = dirname(path);
  if (parent !== path) makeWithParents(parent);
  try {
    fs.mkdirSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  // What is durable in a directory is lost with the directory's own name.
  syncDirectory(parent);
}

function syncDirectory(path: string): void {
  const directory = fs.openSync(path, 'r');
  try {
    fs.fsyncSync(directory);
  } finally {
    fs.closeSync(directory);
  }
}

function createDurably(
  path: string,
  contents: Uint8Array,
  nodeFile: (descriptor: number) => DiskFile,
  done: (error: Error | null, file: DiskFile | null) => void,
): void {
  fs.open(path, 'wx+', 0o644, (openError, descriptor) => {
    if (openError !== null) return done(openError, null);
    const file = nodeFile(descriptor);
    const finish = (error: Error | null): void => {
      if (error === null) return done(null, file);
      fs.close(descriptor, () => fs.unlink(path, () => done(error, null)));
    };
    file.writeDurably([contents], 0, (writeError) =>
      writeError === null ? syncDirectoryLater(dirname(path), finish) : finish(writeError),
    );
  });
}

function syncDirectoryLater(path: string, done: (error: Error | null) => void): void {
  fs.open(path, 'r', (openError, descriptor) => {
    if (openError !== null) return done(openError);
    fs.fsync(descriptor, (error) => fs.close(descriptor, (closeError) => done(error ?? closeError ?? null)));
  });
}

/** System errors name a call and a path; people also want to know what to do. */
function explained<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    const advice =
      code === 'EACCES' || code === 'EPERM'
        ? ' (this user may not; change the owner or choose another --data)'
        : code === 'ENOSPC'
          ? ' (the disk is full)'
          : code === 'EROFS'
            ? ' (the file system is read-only)'
            : '';
    throw new VedetteError('FAILED_PRECONDITION', `${path}: ${describeError(error)}${advice}`, {
      field: 'data',
      cause: error,
    });
  }
}

/** The system took nothing of what it was given to write. */
const tookNothing = () => new Error('the system took no bytes, and gave no reason');

/** As node:fs says it. */
function systemError(errno: number, call: string): Error {
  const [code, message] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return Object.assign(new Error(`${code}: ${message}, ${call}`), { code, errno: -errno, syscall: call });
}

function fileOf(descriptor: number, native: NativeWriteDurably | null): DiskFile {
  function writeAll(chunks: readonly Uint8Array[], position: number, done: (error: Error | null) => void): void {
    const now = chunks.slice(0, CHUNKS_MAX);
    fs.writev(descriptor, now as Uint8Array[], position, (error, written) => {
      if (error !== null) return done(error);
      const rest = dropWritten(chunks, written);
      if (rest.length === 0) done(null);
      else if (written === 0) done(tookNothing());
      else writeAll(rest, position + written, done);
    });
  }
  return {
    write: writeAll,
    writeDurably(chunks, position, done) {
      if (native === null) return writeThenSync(this, chunks, position, done);
      native(descriptor, chunks, position, (errno, at) => {
        const step = at === 0 ? 'write' : 'sync';
        if (errno === 0) done(null, step);
        else done(errno < 0 ? tookNothing() : systemError(errno, step === 'write' ? 'write' : 'fdatasync'), step);
      });
    },
    sync: (done) => fs.fdatasync(descriptor, done),
    read(position, length, done) {
      const bytes = new Uint8Array(length);
      const more = (filled: number): void => {
        fs.read(descriptor, bytes, filled, length - filled, position + filled, (error, read) => {
          if (error !== null) done(error, bytes);
          else if (read === 0 || filled + read === length) done(null, bytes.subarray(0, filled + read));
          else more(filled + read);
        });
      };
      more(0);
    },
    readSync(position, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const read = fs.readSync(descriptor, bytes, filled, length - filled, position + filled);
        if (read === 0) break;
        filled += read;
      }
      return bytes.subarray(0, filled);
    },
    writeSync(bytes, position) {
      let written = 0;
      while (written < bytes.length)
        written += fs.writeSync(descriptor, bytes, written, bytes.length - written, position + written);
    },
    syncSync: () => fs.fdatasyncSync(descriptor),
    size: () => fs.fstatSync(descriptor).size,
    truncateSync: (length) => fs.ftruncateSync(descriptor, length),
    close: () => fs.closeSync(descriptor),
  };
}

/** What is left of `chunks` after `written` bytes of them. */
function dropWritten(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let left = written;
  let at = 0;
  for (; at < chunks.length; at++) {
    const length = chunks[at]?.length ?? 0;
    if (left < length) break;
    left -= length;
  }
  const [first, ...rest] = chunks.slice(at);
  if (first === undefined) return [];
  return left === 0 ? [first, ...rest] : [first.subarray(left), ...rest];
}
