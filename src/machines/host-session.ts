// A host, as the broker that leads its shard sees it. Liveness comes from heartbeats alone, by the broker's clock.
//
//   unseen ──beat──▶ online ──1.5 I of silence──▶ suspect ──3.1 I──▶ offline
//                      ▲                             │                  │
//                      └────────── beat ─────────────┴──────────────────┘        I: the heartbeat interval
//
// Invariants
//   1. Rows prove nothing about life: a host with rows and never a heartbeat is `unseen`, and has no timeout.
//   2. Offline is said between 3 I and 3.5 I after the last heartbeat: three were missed, not two and not four.
//   3. A new leader begins from the replicated state with a fresh full timeout: a change of leader makes no host offline.
import { assign, setup } from 'xstate';
import type { HostState } from '../core/frame.ts';
import type { Millis } from '../core/ids.ts';

export interface HostSessionInput {
  readonly state: HostState;
  readonly intervalMs: Millis;
  readonly at: Millis;
}

export interface HostSessionContext {
  readonly initial: HostState;
  readonly intervalMs: Millis;
  /** When the last heartbeat reached the broker that holds the session. */
  readonly beatAt: Millis;
  /** How long the running timer waits. */
  readonly timerDelay: Millis;
}

export type HostSessionEvent = { readonly at: Millis } & {
  /** A heartbeat that is `ageMs` old. */
  readonly type: 'beat';
  readonly ageMs: Millis;
  readonly intervalMs: Millis;
};

export type HostSessionEffect = { readonly type: 'announce'; readonly params: { readonly state: HostState } };

const SUSPECT_AFTER = 1.5;
const OFFLINE_AFTER = 3.1;

type Scope = { readonly context: HostSessionContext; readonly event: HostSessionEvent };
const announce = (state: HostState) => ({ type: 'announce', params: { state } }) as const;
const silence = (context: HostSessionContext, at: Millis): number => (at - context.beatAt) / context.intervalMs;

export const hostSessionMachine = setup({
  types: { context: {} as HostSessionContext, events: {} as HostSessionEvent, input: {} as HostSessionInput },
  guards: {
    newer: ({ context, event }: Scope) => event.type === 'beat' && event.at - event.ageMs > context.beatAt,
    beatMeanwhile: ({ context, event }: Scope) => silence(context, event.at) < SUSPECT_AFTER,
    wasOnline: ({ context }: Scope) => context.initial === 'online',
    wasSuspect: ({ context }: Scope) => context.initial === 'suspect',
    wasOffline: ({ context }: Scope) => context.initial === 'offline',
  },
  delays: { timer: ({ context }: Scope) => context.timerDelay },
  actions: {
    announce: (_, _params: { state: HostState }) => {},
    noteBeat: assign(({ context, event }: Scope) =>
      event.type === 'beat'
        ? {
            beatAt: event.at - event.ageMs,
            intervalMs: event.intervalMs,
            timerDelay: SUSPECT_AFTER * event.intervalMs - event.ageMs,
          }
        : context,
    ),
    waitForSuspect: assign({
      timerDelay: ({ context, event }: Scope) => context.beatAt + SUSPECT_AFTER * context.intervalMs - event.at,
    }),
    waitForOffline: assign({
      timerDelay: ({ context, event }: Scope) => context.beatAt + OFFLINE_AFTER * context.intervalMs - event.at,
    }),
  },
}).createMachine({
  id: 'host-session',
  description: 'The life of one host, by its heartbeats.',
  context: ({ input }) => ({
    initial: input.state,
    intervalMs: input.intervalMs,
    beatAt: input.at,
    timerDelay: (input.state === 'suspect' ? OFFLINE_AFTER : SUSPECT_AFTER) * input.intervalMs,
  }),
  initial: 'unseen',
  states: {
    unseen: {
      description: 'Rows, perhaps, but never a heartbeat.',
      always: [
        { guard: 'wasOnline', target: 'online' },
        { guard: 'wasSuspect', target: 'suspect' },
        { guard: 'wasOffline', target: 'offline' },
      ],
      on: { beat: { target: 'online', actions: ['noteBeat', announce('online')] } },
    },
    online: {
      description: 'Its heartbeats come.',
      after: {
        timer: [
          { guard: 'beatMeanwhile', target: 'online', reenter: true, actions: 'waitForSuspect' },
          { target: 'suspect', actions: ['waitForOffline', announce('suspect')] },
        ],
      },
      on: { beat: { guard: 'newer', actions: 'noteBeat' } },
    },
    suspect: {
      description: 'One heartbeat is overdue.',
      after: { timer: { target: 'offline', actions: announce('offline') } },
      on: { beat: { guard: 'newer', target: 'online', actions: ['noteBeat', announce('online')] } },
    },
    offline: {
      description: 'Three heartbeats were missed.',
      on: { beat: { guard: 'newer', target: 'online', actions: ['noteBeat', announce('online')] } },
    },
  },
});
