// One subscription of a browser at the dashboard, fed by a stream from one broker at a time.
//
//   opening ──first answer──▶ live ⇄ lagging (the browser's socket or window is full; the broker's stream is held)
//      │                        │        │
//      └───────── lost ─────────┴────────┴──▶ resuming: waiting ──retry.due──▶ asking ──answer──▶ live
//                                                          ▲                      │
//                                                          └──────── lost ────────┘ the next broker, after a longer wait
//   refused · unsubscribed, in any state ──▶ closed
//
// Invariants
//   1. At most one stream to a broker is open. A new one begins at the cursor of the last message given to the browser, so under
//      `every` each row comes once, whichever brokers die.
//   2. While the browser cannot take more, nothing is read from the broker: it waits in the log (`every`) or is conflated by the
//      broker (`latest`), never here.
//   3. A broker that was asked and says nothing is left for the next one: paused, it would hold the browser up for seconds.
//   4. A change of the request counts from then on, whenever it comes: the stream under the old terms ends.
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export type ViewerEvent = { readonly at: Millis } /** The broker answered on the stream opened last. */ & (
  | { readonly type: 'upstream.answered' }
  | { readonly type: 'upstream.lost' }
  /** The request itself is wrong: no other broker would take it. */
  | { readonly type: 'refused' }
  | { readonly type: 'viewer.full' }
  | { readonly type: 'viewer.drained' }
  | { readonly type: 'retry.due' }
  /** The browser changed what it asks for: go on from the cursor under the new terms. */
  | { readonly type: 'changed' }
  | { readonly type: 'unsubscribed' }
);

export type ViewerEffect =
  | { readonly type: 'openUpstream' }
  | { readonly type: 'closeUpstream' }
  | { readonly type: 'holdUpstream' }
  | { readonly type: 'releaseUpstream' }
  | { readonly type: 'scheduleRetry'; readonly params: { readonly attempt: number } };

export interface ViewerInput {
  readonly answerPatienceMs: Millis;
}

export interface ViewerContext extends ViewerInput {
  /** Streams lost in a row without an answer. */
  readonly attempt: number;
}

const noEffect = () => {};
type Scope = { context: ViewerContext };
const backOff = { type: 'scheduleRetry', params: ({ context }: Scope) => ({ attempt: context.attempt }) } as const;

/** Wherever it stands, until it is closed. */
const ends = {
  refused: 'closed',
  unsubscribed: 'closed',
  'upstream.lost': { target: 'resuming', reenter: true },
} as const;

export const viewerSubscriptionMachine = setup({
  types: { context: {} as ViewerContext, events: {} as ViewerEvent, input: {} as ViewerInput },
  delays: { answerPatience: ({ context }: Scope) => context.answerPatienceMs },
  actions: {
    openUpstream: noEffect,
    closeUpstream: noEffect,
    holdUpstream: noEffect,
    releaseUpstream: noEffect,
    scheduleRetry: (_, _params: { attempt: number }) => {},
    countFailure: assign({ attempt: ({ context }) => context.attempt + 1 }),
    forgetFailures: assign({ attempt: 0 }),
  },
}).createMachine({
  id: 'subscription',
  description: "A browser's subscription at the dashboard.",
  context: ({ input }) => ({ ...input, attempt: 0 }),
  initial: 'opening',
  states: {
    opening: {
      description: 'A broker was asked and has not answered yet.',
      entry: 'openUpstream',
      after: { answerPatience: { target: 'resuming', actions: 'closeUpstream' } },
      on: {
        ...ends,
        'upstream.answered': 'live',
        changed: { target: 'opening', reenter: true, actions: 'closeUpstream' },
      },
    },
    live: {
      description: 'Rows go to the browser as they come.',
      entry: 'forgetFailures',
      on: {
        ...ends,
        'viewer.full': 'lagging',
        changed: { actions: ['closeUpstream', 'openUpstream'] },
      },
    },
    lagging: {
      description: 'The browser cannot take more for the moment; the stream is held.',
      entry: 'holdUpstream',
      on: {
        ...ends,
        'viewer.drained': { target: 'live', actions: 'releaseUpstream' },
        changed: { target: 'lagging', reenter: true, actions: ['closeUpstream', 'openUpstream'] },
      },
    },
    resuming: {
      description: 'The stream broke; another broker is asked to go on from the last cursor.',
      entry: ['countFailure', backOff],
      initial: 'waiting',
      on: ends,
      states: {
        waiting: {
          description: 'For the next attempt: at once at the next broker, longer when all have failed.',
          on: { 'retry.due': 'asking' },
        },
        asking: {
          description: 'A broker was asked to go on and has not answered yet.',
          entry: 'openUpstream',
          after: { answerPatience: { target: '#subscription.resuming', reenter: true, actions: 'closeUpstream' } },
          on: {
            'upstream.answered': '#subscription.live',
            changed: { target: 'asking', reenter: true, actions: 'closeUpstream' },
          },
        },
      },
    },
    closed: {
      description: 'For good.',
      type: 'final',
      entry: 'closeUpstream',
    },
  },
});
