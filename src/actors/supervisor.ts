// Keeps a set of processes running, says what happens to them, and leaves none behind.
import { Subject } from 'rxjs';
import type { Millis } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { type ChildProcessEffect, type ChildProcessEvent, childProcessMachine } from '../machines/child-process.ts';
import type { Clock, Timer } from '../streams/clock.ts';
import { type Inspector, statePaths } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import { backoffDelay } from '../streams/retry.ts';
import { runMachine } from '../streams/run-machine.ts';

export interface ChildSpec {
  readonly name: string;
  readonly args: readonly string[];
  /** After its death it stays away for so long at least: others take over what it did, and a start takes a processor for a second. */
  readonly restAfterDeathMs?: Millis;
}

export interface ChildExit {
  /** Neither code nor signal: there was no process to begin with. */
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines it said on stderr. */
  readonly lastWords: string;
}

/** A process as the supervisor sees it; the adapter over node:child_process is in transports. */
export interface Child {
  readonly pid: number;
  terminate(): void;
  kill(): void;
}

export interface ChildProcesses {
  spawn(spec: ChildSpec, on: { ready(): void; exited(exit: ChildExit): void }): Child;
}

export interface ChildView {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly since: Millis;
}

export interface Supervisor {
  readonly children: readonly ChildView[];
  /** All but those that have finished. */
  readonly allReady: boolean;
  /** What happens, in words. */
  readonly news: Subject<string>;
  /** The name of a process that has left: it is not started again. */
  readonly finished: Subject<string>;
  /** A process that cannot be started like this, and what it said. */
  readonly failed: Subject<{ readonly name: string; readonly message: string }>;
  /** Asks all to end, the last-named first, so that nobody misses whom it needs; `done` when all have ended. */
  stop(done: () => void): void;
}

export interface SupervisorPorts {
  readonly specs: readonly ChildSpec[];
  /** Asked of one that has ended in order: has it nothing to come back to? Else somebody else ended it, and it is started again. */
  readonly hasLeft: (name: string) => boolean;
  readonly processes: ChildProcesses;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
}

const DONE = 0;
const WRONG_USAGE = 2;

interface Kept {
  readonly spec: ChildSpec;
  child: Child | null;
  lastExit: ChildExit | null;
  since: Millis;
}

export function createSupervisor({ specs, hasLeft, processes, clock, random, inspector }: SupervisorPorts): Supervisor {
  const news = new Subject<string>();
  const finished = new Subject<string>();
  const failed = new Subject<{ readonly name: string; readonly message: string }>();
  const timers = new Set<Timer>();
  const { steadyMs, graceMs, restartBaseMs: baseMs, restartMaxMs: maxMs } = limits.supervisor;
  let stopped: (() => void) | null = null;

  const kept = specs.map((spec) => {
    const entry: Kept = { spec, child: null, lastExit: null, since: clock.now() };
    const machine = runMachine<typeof childProcessMachine, ChildProcessEffect>(childProcessMachine, {
      id: `up/${spec.name}`,
      kind: 'process',
      input: { steadyMs, graceMs },
      clock,
      inspector,
      onEffect: (effect) => carryOut(entry, effect),
    });
    return { entry, machine };
  });
  const tell = (entry: Kept, type: ChildProcessEvent['type']) => {
    kept.find((other) => other.entry === entry)?.machine.send({ type, at: clock.monotonic() });
    if (stopped !== null && kept.every(({ machine }) => ended(statePaths(machine.snapshot.value)))) stopped();
  };

  function carryOut(entry: Kept, effect: ChildProcessEffect): void {
    switch (effect.type) {
      case 'spawn':
        return spawn(entry);
      case 'terminate':
        entry.child?.terminate();
        return;
      case 'kill':
        news.next(`${entry.spec.name} does not end: killed`);
        entry.child?.kill();
        return;
      case 'scheduleRestart':
        return restartLater(entry, effect.params.deaths);
      case 'announceFinished':
        finished.next(entry.spec.name);
        return;
      case 'announceFailed':
        failed.next({ name: entry.spec.name, message: entry.lastExit?.lastWords ?? '' });
        return;
    }
  }

  function spawn(entry: Kept): void {
    entry.since = clock.now();
    const child = processes.spawn(entry.spec, {
      ready: () => {
        if (entry.child === child) tell(entry, 'ready');
      },
      exited: (exit) => {
        if (entry.child !== child) return;
        entry.child = null;
        entry.lastExit = exit;
        tell(
          entry,
          eventOf(exit, () => hasLeft(entry.spec.name)),
        );
      },
    });
    entry.child = child;
  }

  function restartLater(entry: Kept, deaths: number): void {
    const { restAfterDeathMs = 0 } = entry.spec;
    const delay = restAfterDeathMs + Math.round(backoffDelay(deaths, { baseMs, maxMs }, random));
    const { code, signal, lastWords } = entry.lastExit ?? { code: null, signal: null, lastWords: '' };
    const words = signal !== null || lastWords === '' ? '' : ` (${lastWords.split('\n').at(-1)})`;
    news.next(`${entry.spec.name} ${howItEnded(code, signal)}${words}: starting it again in ${delay} ms`);
    const timer = clock.after(delay, () => {
      timers.delete(timer);
      tell(entry, 'retry.due');
    });
    timers.add(timer);
  }

  return {
    get children() {
      return kept.map(({ entry, machine }) => ({
        name: entry.spec.name,
        state: statePaths(machine.snapshot.value).split('.')[0] ?? '',
        pid: entry.child?.pid ?? null,
        restarts: machine.snapshot.context.restarts,
        since: entry.since,
      }));
    },
    get allReady() {
      return kept.every(({ machine }) => /^(?:ready|stopped)/.test(statePaths(machine.snapshot.value)));
    },
    news,
    finished,
    failed,
    stop(done) {
      stopped = () => {
        stopped = null;
        for (const timer of timers) timer.cancel();
        for (const { machine } of kept) machine.stop();
        done();
      };
      for (const { entry } of kept.toReversed()) tell(entry, 'stop');
    },
  };
}

function eventOf({ code }: ChildExit, hasLeft: () => boolean): ChildProcessEvent['type'] {
  if (code === DONE && hasLeft()) return 'finished';
  return code === WRONG_USAGE ? 'refused' : 'exited';
}

function howItEnded(code: number | null, signal: string | null): string {
  if (signal !== null) return `was killed by ${signal}`;
  return code === null ? 'could not be started' : `ended with exit code ${code}`;
}

const ended = (state: string): boolean => state === 'stopped' || state === 'failed';
