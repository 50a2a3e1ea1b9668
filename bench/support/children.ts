// The processes of a benchmark: started, measured, and gone at its end however it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';

const children = new Set<ChildProcess>();
/** Of /proc's CPU times: what Linux has everywhere. */
const TICKS_PER_SECOND = 100;

function leaveNothing(): void {
  for (const child of children) child.kill('SIGKILL');
}
process.on('exit', leaveNothing);

/** @param log where its output goes. */
export function start(program: string, args: readonly string[], log: string): ChildProcess {
  const output = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', output, output] });
  closeSync(output);
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

export function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Resolves when something listens there. */
export async function listening(port: number, withinMs = 20_000): Promise<void> {
  for (const began = performance.now(); performance.now() - began < withinMs; ) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await sleep(20);
  }
  throw new Error(`nothing listens on port ${port}`);
}

/** Seconds of CPU that a process has used. */
export function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
