// The link to one other broker: one stream, dialled by the one whose id sorts first. The other one knocks: a stream on which each
// says who it is, and which then ends. So both learn at once that the other is there, or that they do not belong together.
//
//   connecting ──established──▶ up ──3 s silent──▶ suspect ──7 s more──▶ down
//     ▲    │                     ▲ ◀──── traffic ────┘ │                  │ ▲
//     │    │                     └──── traffic, or established ───────────┘ │
//     │    └──── 10 s without a stream ─────────────────────────────────────┘
//     └──────── lost, when up or suspect
//
// Invariants
//   1. Only a stream that ended is told to the Raft groups as a hint: silence may be a pause, or this process's own.
//   2. Without a stream a link tries on for ever, later and later; a link that was up for a while begins anew.
//   3. One attempt at a time: the next is scheduled when the one before has come to nothing.
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface PeerLinkInput {
  /** This broker dials; else it knocks, and is dialled. */
  readonly dials: boolean;
  readonly suspectAfterMs: Millis;
  readonly downAfterMs: Millis;
  /** Up for this long: earlier failures are forgotten. */
  readonly steadyAfterMs: Millis;
}

export interface PeerLinkContext extends PeerLinkInput {
  /** Attempts and streams that came to nothing, in a row. */
  readonly failures: number;
}

export type PeerLinkEvent = { readonly at: Millis } & (
  | /** Both hellos were exchanged and accepted. */ { readonly type: 'established' }
  /** The established stream ended. */
  | { readonly type: 'lost' }
  /** An attempt is over, and there is no stream: a dial that failed or was refused, or a knock, whatever was answered. */
  | { readonly type: 'failed' }
  | { readonly type: 'retry.due' }
  /** The other one knocked, and is welcome. */
  | { readonly type: 'knocked' }
  /** Now and then: how long nothing came; for ever when there is no stream. */
  | { readonly type: 'tick'; readonly silentMs: Millis }
);

export type PeerLinkEffect =
  | { readonly type: 'dial' }
  | { readonly type: 'knock' }
  /** Report `retry.due` after the backoff for this many failures in a row; none: at once. */
  | { readonly type: 'scheduleRetry'; readonly params: { readonly failures: number } }
  | { readonly type: 'announceOpened' }
  | { readonly type: 'announceClosed' };

const noEffect = () => {};
type Scope = { readonly context: PeerLinkContext; readonly event: PeerLinkEvent };
const backOff = { type: 'scheduleRetry', params: ({ context }: Scope) => ({ failures: context.failures }) } as const;
/** What goes on as long as there is no stream. */
const trying = {
  failed: { actions: ['countFailure', backOff] },
  'retry.due': [{ guard: 'dials', actions: 'dial' }, { actions: 'knock' }],
  knocked: { guard: 'dials', actions: 'dial' },
} as const;
const silent = (event: PeerLinkEvent): Millis => (event.type === 'tick' ? event.silentMs : 0);

export const peerLinkMachine = setup({
  types: { context: {} as PeerLinkContext, events: {} as PeerLinkEvent, input: {} as PeerLinkInput },
  guards: {
    dials: ({ context }: Scope) => context.dials,
    longSilent: ({ context, event }: Scope) => silent(event) >= context.downAfterMs,
    silent: ({ context, event }: Scope) => silent(event) >= context.suspectAfterMs,
    heard: ({ context, event }: Scope) => silent(event) < context.suspectAfterMs,
  },
  delays: {
    downAfter: ({ context }: Scope) => context.downAfterMs,
    steadyAfter: ({ context }: Scope) => context.steadyAfterMs,
  },
  actions: {
    dial: noEffect,
    knock: noEffect,
    announceOpened: noEffect,
    announceClosed: noEffect,
    scheduleRetry: (_, _params: { failures: number }) => {},
    countFailure: assign({ failures: ({ context }: Scope) => context.failures + 1 }),
    forgetFailures: assign({ failures: 0 }),
  },
}).createMachine({
  id: 'peer-link',
  description: 'The link to one other broker.',
  context: ({ input }) => ({ ...input, failures: 0 }),
  initial: 'connecting',
  on: {
    established: { target: '.up', actions: 'announceOpened' },
  },
  states: {
    connecting: {
      description: 'No stream yet, or no more.',
      entry: backOff,
      after: { downAfter: 'down' },
      on: trying,
    },
    up: {
      description: 'Messages flow.',
      after: { steadyAfter: { actions: 'forgetFailures' } },
      on: {
        lost: { target: 'connecting', actions: ['announceClosed', 'countFailure'] },
        tick: { guard: 'silent', target: 'suspect' },
      },
    },
    suspect: {
      description: 'The stream stands, but nothing came for a while.',
      on: {
        lost: { target: 'connecting', actions: ['announceClosed', 'countFailure'] },
        tick: [
          { guard: 'longSilent', target: 'down' },
          { guard: 'heard', target: 'up' },
        ],
      },
    },
    down: {
      description: 'Not heard for long: either the stream stands and is silent, or there is none, and attempts go on.',
      on: {
        ...trying,
        lost: { actions: ['announceClosed', 'countFailure', backOff] },
        tick: { guard: 'heard', target: 'up' },
      },
    },
  },
});
