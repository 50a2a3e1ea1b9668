// The program as a process, as it was built; none outlives the test.
import { type ChildProcess, spawn } from 'node:child_process';

export interface VedetteProcess {
  readonly child: ChildProcess;
  /** All that it has said, on stdout and stderr. */
  readonly output: () => string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function startVedette(...args: string[]): VedetteProcess {
  const child = spawn(process.execPath, ['bin/vedette.mjs', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  return { child, output: () => output };
}
