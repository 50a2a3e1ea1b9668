// Real processes for the supervisor. Their output goes to a file each; readiness comes over the channel between parent and child,
// and the channel's end tells a child that its parent is gone.
import { fork } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../../core/limits.ts';
import type { ChildProcesses } from '../supervisor.ts';
import { openLogFile } from './log-file.ts';

/** @param program the module to run with each child's arguments. @param logDirectory made when it is not there. */
export function createChildProcesses(program: string, logDirectory: string): ChildProcesses {
  mkdirSync(logDirectory, { recursive: true });
  return {
    spawn({ name, args }, on) {
      const log = openLogFile(join(logDirectory, `${name}.log`), limits.supervisor.logBytesMax);
      let said = '';
      const child = fork(program, [...args], {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: [YOUNG_GENERATION, ...ownLoaders()],
        env: environment(),
      });
      child.stdout?.on('data', (chunk: Buffer) => log.write(chunk));
      child.stderr?.on('data', (chunk: Buffer) => {
        log.write(chunk);
        said = lastLines(said + chunk.toString('utf8'));
      });
      child.on('message', (message) => {
        if (typeof message === 'object' && message !== null && 'ready' in message) on.ready();
      });
      let over = false;
      const end = (code: number | null, signal: string | null) => {
        if (over) return;
        over = true;
        log.close();
        on.exited({ code, signal, lastWords: said.trimEnd() });
      };
      // 'close' comes after the output has been read to its end; 'error' when there was no process to begin with, or when a signal
      // or message could not be sent to one that is just ending.
      child.on('close', end);
      child.on('error', (error) => {
        if (child.pid !== undefined) return;
        said = error.message;
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

/** Ours, but for the configuration file: its names are those of our flags, not of the children's. */
function environment(): NodeJS.ProcessEnv {
  const { VEDETTE_CONFIG: _, ...rest } = process.env;
  return { ...rest, VEDETTE_SUPERVISED: '1' };
}

/** Charts make much short-lived garbage: with room for it, idle processes spend a quarter less, for some 60 MB each. */
const YOUNG_GENERATION = '--max-semi-space-size=32';

/** What reads TypeScript for us reads it for the children, too. */
function ownLoaders(): string[] {
  const at = process.execArgv.indexOf('--import');
  return at < 0 ? [] : process.execArgv.slice(at, at + 2);
}

function lastLines(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  const kept = lines.slice(-limits.supervisor.lastWordsLines).join('\n');
  return text.endsWith('\n') ? `${kept}\n` : kept;
}
