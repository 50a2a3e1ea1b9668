// Real processes for the supervisor. Their output goes to a file each; readiness comes over the channel between parent and child,
// and the channel's end tells a child that its parent is gone.
import { fork } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildProcesses } from '../supervisor.ts';

const LAST_WORDS_LINES = 5;

/** @param program the module to run with each child's arguments. @param logDirectory made when it is not there. */
export function createChildProcesses(program: string, logDirectory: string): ChildProcesses {
  mkdirSync(logDirectory, { recursive: true });
  return {
    spawn({ name, args }, on) {
      const output = createWriteStream(join(logDirectory, `${name}.log`), { flags: 'a' });
      let lastWords: string[] = [];
      const child = fork(program, [...args], {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: ['--enable-source-maps'],
        env: { ...process.env, VEDETTE_SUPERVISED: '1' },
      });
      child.stdout?.pipe(output, { end: false });
      child.stderr?.on('data', (chunk: Buffer) => {
        output.write(chunk);
        lastWords = [
          ...lastWords,
          ...chunk
            .toString('utf8')
            .split('\n')
            .filter((line) => line !== ''),
        ].slice(-LAST_WORDS_LINES);
      });
      child.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'ready' in message) on.ready();
      });
      let over = false;
      const end = (code: number | null, signal: string | null) => {
        if (over) return;
        over = true;
        output.end();
        on.exited({ code, signal, lastWords: lastWords.join('\n') });
      };
      // 'close' comes after the output has been read to its end; 'error' when there was no process to begin with.
      child.on('close', end);
      child.on('error', (error) => {
        lastWords = [error.message];
        end(null, null);
      });
      return {
        pid: child.pid ?? 0,
        terminate: () => child.kill('SIGTERM'),
        kill: () => child.kill('SIGKILL'),
      };
    },
  };
}
