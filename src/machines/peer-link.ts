// The link to one other broker: one stream, dialled by the one whose id sorts first.
//
//   connecting ──established──▶ up ──3 s silent──▶ suspect ──10 s silent──▶ down
//     ▲    │                     │  ◀── traffic ──┘                          │
//     │    └── 10 s ──▶ down ────┼──────────────── established ──▶ up ◀──────┤
//     └────────────── lost ──────┴───────────────────────────────────────────┘
//
// Invariants
//   1. Only a stream that was closed is told to the Raft groups as a hint: silence may be a pause, or this process's own.
//   2. Whatever its state, a link without a stream goes on trying (the dialling side), or waits to be dialled (the other).
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface PeerLinkInput {
  /** This broker dials; else it is dialled. */
  readonly dials: boolean;
  readonly suspectAfterMs: Millis;
  readonly downAfterMs: Millis;
}

export interface PeerLinkContext extends PeerLinkInput {
  /** Attempts in a row that failed. */
  readonly attempt: number;
}

export type PeerLinkEvent = { readonly at: Millis } /** Both hellos were exchanged and accepted. */ & (
  | { readonly type: 'established' }
  /** The stream ended, or could not be had. */
  | { readonly type: 'lost' }
  | { readonly type: 'retry.due' }
  /** Once a second: how long nothing came. */
  | { readonly type: 'tick'; readonly silentMs: Millis }
);

export type PeerLinkEffect =
  | { readonly type: 'dial' }
  /** Report `retry.due` after the backoff for this many failures in a row. */
  | { readonly type: 'scheduleRetry'; readonly params: { readonly attempt: number } }
  | { readonly type: 'announceOpened' }
  | { readonly type: 'announceClosed' };

const noEffect = () => {};
type Scope = { readonly context: PeerLinkContext; readonly event: PeerLinkEvent };
const backOff = { type: 'scheduleRetry', params: ({ context }: Scope) => ({ attempt: context.attempt }) } as const;
const silent = (event: PeerLinkEvent): Millis => (event.type === 'tick' ? event.silentMs : 0);

export const peerLinkMachine = setup({
  types: { context: {} as PeerLinkContext, events: {} as PeerLinkEvent, input: {} as PeerLinkInput },
  guards: {
    dials: ({ context }: Scope) => context.dials,
    longSilent: ({ context, event }: Scope) => silent(event) >= context.downAfterMs,
    silent: ({ context, event }: Scope) => silent(event) >= context.suspectAfterMs,
    heard: ({ context, event }: Scope) => silent(event) < context.suspectAfterMs,
  },
  delays: { downAfter: ({ context }: Scope) => context.downAfterMs },
  actions: {
    dial: noEffect,
    announceOpened: noEffect,
    announceClosed: noEffect,
    scheduleRetry: (_, _params: { attempt: number }) => {},
    countFailure: assign({ attempt: ({ context }: Scope) => context.attempt + 1 }),
    forgetFailures: assign({ attempt: 0 }),
  },
}).createMachine({
  id: 'peer-link',
  description: 'The link to one other broker.',
  context: ({ input }) => ({ ...input, attempt: 0 }),
  initial: 'connecting',
  on: {
    lost: { guard: 'dials', actions: ['countFailure', backOff] },
    'retry.due': { guard: 'dials', actions: 'dial' },
    established: '.up',
  },
  states: {
    connecting: {
      description: 'No stream yet.',
      entry: backOff,
      after: { downAfter: 'down' },
    },
    up: {
      description: 'Messages flow.',
      entry: ['forgetFailures', 'announceOpened'],
      on: {
        lost: { target: 'connecting', actions: 'announceClosed' },
        established: { target: 'up', reenter: true },
        tick: { guard: 'silent', target: 'suspect' },
      },
    },
    suspect: {
      description: 'The stream stands, but nothing came for a while.',
      on: {
        lost: { target: 'connecting', actions: 'announceClosed' },
        tick: [
          { guard: 'longSilent', target: 'down' },
          { guard: 'heard', target: 'up' },
        ],
      },
    },
    down: {
      description: 'Not heard for long; still being tried.',
      on: { tick: { guard: 'heard', target: 'up' } },
    },
  },
});
