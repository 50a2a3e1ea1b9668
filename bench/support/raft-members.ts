// Three members of a Raft group as processes on loopback, each with its log on disk.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listening, sleep, start, stop } from './children.ts';
import { type Door, openDoor } from './door.ts';

const program = fileURLToPath(new URL('./raft-member-process.js', import.meta.url));
/** As the program itself runs (bin/vedette.mjs). */
const YOUNG_GENERATION = '--max-semi-space-size=32';
const NAMES = ['n1', 'n2', 'n3'];

export interface RaftMembers {
  readonly processes: readonly ChildProcess[];
  /** Resolves with the number of whoever serves. */
  leader(): Promise<number>;
  door(member: number): Door;
  restart(member: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startRaftMembers(directory: string, port: number): Promise<RaftMembers> {
  mkdirSync(directory, { recursive: true });
  const places = NAMES.map((name, n) => `${name}=127.0.0.1:${port + 2 * n}=127.0.0.1:${port + 2 * n + 1}`);
  const boot = (n: number) =>
    start(
      process.execPath,
      [YOUNG_GENERATION, program, NAMES[n] ?? '', `${directory}/${NAMES[n]}`, ...places],
      `${directory}/${NAMES[n]}.log`,
    );
  const processes = NAMES.map((_, n) => boot(n));
  const ready = async (n: number) => {
    await listening(port + 2 * n);
    await listening(port + 2 * n + 1);
  };
  await Promise.all(NAMES.map((_, n) => ready(n)));
  const doors = NAMES.map((_, n) => openDoor(`127.0.0.1:${port + 2 * n + 1}`));
  const door = (n: number): Door => {
    const found = doors[n];
    if (found === undefined) throw new RangeError(`there is no member ${n}`);
    return found;
  };

  return {
    processes,
    door,
    async leader() {
      for (;;) {
        const served = await Promise.all(doors.map((open) => open.serves()));
        if (served.includes(true)) return served.indexOf(true);
        await sleep(20);
      }
    },
    async restart(n) {
      processes[n] = boot(n);
      await ready(n);
      door(n).close();
      doors[n] = openDoor(`127.0.0.1:${port + 2 * n + 1}`);
    },
    async stop() {
      for (const open of doors) open.close();
      await Promise.all(processes.map((child) => stop(child)));
    },
  };
}
