// A lock that goes with its process: a file that names the holder. Node has no flock, so it is made of what file systems do
// atomically: link() gives a file its name only if nobody has it, with its content already there.
//
//   link own file to LOCK ──done──▶ held
//        └─there is one─▶ its holder lives ──▶ refused, naming it
//                         its holder is dead ──▶ take LOCK.takeover-HOLDER (a lock like this one); if LOCK is still that holder's,
//                                                remove it; begin again
//
// Invariants
//   1. A lock's file is removed by its holder, or by who holds the takeover of just that holder: so nobody removes a lock that
//      another has taken meanwhile.
//   2. A holder is a process of one boot, with the time it was started: a number that another process got later is not taken for it.
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { describeError, VedetteError } from '../../core/errors.ts';

interface Holder {
  readonly pid: number;
  /** Boot and start of the process; '' where the system does not tell. */
  readonly started: string;
}

/** Held by this process: its own number in a lock that is not among them was left by an earlier process of that number. */
const held = new Set<string>();
const ATTEMPTS = 10;

/** @throws VedetteError FAILED_PRECONDITION naming the holder. */
export function takeLock(path: string): { release(): void } {
  const self: Holder = { pid: process.pid, started: startOf(process.pid) };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (linked(path, self)) {
      held.add(path);
      let released = false;
      return {
        release() {
          if (released) return;
          released = true;
          held.delete(path);
          fs.rmSync(path, { force: true });
        },
      };
    }
    const holder = readHolder(path);
    if (holder === null) continue;
    if (isAlive(holder, path)) {
      throw refused(
        `${dirname(path)} is in use by process ${holder.pid}; two processes may not share a data directory (${path})`,
      );
    }
    clearAfter(holder, path);
  }
  throw refused(`${path} could not be taken: other processes keep taking it`);
}

/** The holder is dead: its file goes, unless another process has seen to that. */
function clearAfter(dead: Holder, path: string): void {
  const takeover = takeLock(`${path}.takeover-${dead.pid}-${dead.started.replaceAll(/[^\w]/g, '')}`);
  try {
    const now = readHolder(path);
    if (now !== null && Object.is(now.pid, dead.pid) && now.started === dead.started) fs.rmSync(path, { force: true });
  } finally {
    takeover.release();
  }
}

/** Makes the lock's file, at once with its content. False when there is one. */
function linked(path: string, { pid, started }: Holder): boolean {
  const own = `${path}.of-${pid}`;
  try {
    fs.writeFileSync(own, `${pid} ${started}\n`);
    fs.linkSync(own, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw refused(`${path}: ${describeError(error)}`, error);
  } finally {
    fs.rmSync(own, { force: true });
  }
}

/** Null when there is no lock any more. */
function readHolder(path: string): Holder | null {
  try {
    const [pid = '', started = ''] = fs.readFileSync(path, 'utf8').trim().split(' ');
    return { pid: Number.parseInt(pid, 10), started };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw refused(`${path}: ${describeError(error)}`, error);
  }
}

function isAlive({ pid, started }: Holder, path: string): boolean {
  if (pid === process.pid) return held.has(path);
  if (!Number.isInteger(pid) || pid <= 0) return false;
  const now = startOf(pid);
  if (started !== '' && now !== '' && started !== now) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process that may not be signalled lives, too.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Which start of a process number this is; '' where the system does not tell (it is Linux that does). */
function startOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the start is the 22nd field, the 20th behind it.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return `${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${start}`;
  } catch {
    return '';
  }
}

function refused(message: string, cause?: unknown): VedetteError {
  return new VedetteError('FAILED_PRECONDITION', message, { field: 'data', cause });
}
