// A process that is kept running.
//
//   starting ──ready──▶ ready        died, in either ──▶ backingOff ──retry.due──▶ starting
//   stop, in any state ──▶ stopping ──exited──▶ stopped        refused (exit code 2: wrong usage) ──▶ failed
//   finished (it ended in order, and has nothing to come back to), in either ──▶ stopped
//
//   1. A refusal is final only while the process has never been ready: once it was, the way it is started is right, and what stands
//      against it (a port that is not free again yet) may pass.
//   2. Whatever happens after `stop`, nothing is started again.
//   3. Nor is a process that has finished: a broker that was removed from its cluster.
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface ChildProcessInput {
  /** A process that has run for this long begins with a short wait again when it dies. */
  readonly steadyMs: Millis;
  /** A process that does not end by itself when it is asked to is killed after this. */
  readonly graceMs: Millis;
}

export interface ChildProcessContext extends ChildProcessInput {
  /** Deaths in a row, none of them after a steady time. */
  readonly deaths: number;
  readonly restarts: number;
  readonly wasReady: boolean;
}

export type ChildProcessEvent = { readonly at: Millis } & (
  | { readonly type: 'ready' }
  | { readonly type: 'exited' }
  /** It ended in order, though nobody here asked it to. */
  | { readonly type: 'finished' }
  /** It says that it was started wrongly: starting it again would not help. */
  | { readonly type: 'refused' }
  | { readonly type: 'retry.due' }
  | { readonly type: 'stop' }
);

export type ChildProcessEffect =
  | { readonly type: 'spawn' }
  | { readonly type: 'terminate' }
  | { readonly type: 'kill' }
  | { readonly type: 'scheduleRestart'; readonly params: { readonly deaths: number } }
  | { readonly type: 'announceFinished' }
  | { readonly type: 'announceFailed' };

const noEffect = () => {};
type Scope = { readonly context: ChildProcessContext };
const finished = { target: 'stopped', actions: 'announceFinished' } as const;
const restartLater = { type: 'scheduleRestart', params: ({ context }: Scope) => ({ deaths: context.deaths }) } as const;

export const childProcessMachine = setup({
  types: { context: {} as ChildProcessContext, events: {} as ChildProcessEvent, input: {} as ChildProcessInput },
  delays: { steady: ({ context }) => context.steadyMs, grace: ({ context }) => context.graceMs },
  guards: { wasReady: ({ context }) => context.wasReady },
  actions: {
    spawn: noEffect,
    terminate: noEffect,
    kill: noEffect,
    announceFinished: noEffect,
    announceFailed: noEffect,
    scheduleRestart: (_, _params: { deaths: number }) => {},
    countDeath: assign({
      deaths: ({ context }) => context.deaths + 1,
      restarts: ({ context }) => context.restarts + 1,
    }),
    forgetDeaths: assign({ deaths: 0 }),
    rememberReady: assign({ wasReady: true }),
  },
}).createMachine({
  id: 'child-process',
  description: 'A process that is kept running.',
  context: ({ input }) => ({ ...input, deaths: 0, restarts: 0, wasReady: false }),
  initial: 'starting',
  states: {
    starting: {
      description: 'Spawned; it has not said that it is ready.',
      entry: 'spawn',
      on: {
        ready: 'ready',
        exited: 'backingOff',
        finished,
        refused: [{ guard: 'wasReady', target: 'backingOff' }, 'failed'],
        stop: 'stopping',
      },
    },
    ready: {
      description: 'It works.',
      entry: 'rememberReady',
      initial: 'fresh',
      on: { exited: 'backingOff', finished, refused: 'backingOff', stop: 'stopping' },
      states: {
        fresh: { description: 'Not for long yet.', after: { steady: { target: 'steady', actions: 'forgetDeaths' } } },
        steady: { description: 'For a while.' },
      },
    },
    backingOff: {
      description: 'It died, and is started again after a wait that grows with each death.',
      entry: ['countDeath', restartLater],
      on: { 'retry.due': 'starting', stop: 'stopped' },
    },
    stopping: {
      description: 'Asked to end.',
      entry: 'terminate',
      after: { grace: { actions: 'kill' } },
      on: { exited: 'stopped', finished: 'stopped', refused: 'stopped' },
    },
    stopped: { description: 'For good.', type: 'final' },
    failed: { description: 'It cannot be started like this.', type: 'final', entry: 'announceFailed' },
  },
});
