// A subscription at a broker.
//
//   opening ──opened──▶ backfilling (asked for) or resuming (by cursor), when there is something to catch up with, else live
//
//   backfilling · resuming · lagging ──caughtUp──▶ live ──sink.full · overflow──▶ lagging (the subscriber does not keep up)
//                                                    └──────feed.broken────────▶ resuming (another replica is asked to go on)
//   closed, in any state ──▶ closed
//
// Invariants
//   1. Nothing is taken while the subscriber has no room (`held`), so it lags in the log; only a LATEST one that is lagging goes on
//      taking, and keeps the newest rows.
//   2. Nothing is delivered before every part was asked where it begins, or its patience is over: cursors are whole from the first.
//   3. It is live only when nothing is missing, nothing is behind and the subscriber has room.
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface SubscriptionInput {
  readonly latest: boolean;
  /** It goes on from a cursor. */
  readonly resumes: boolean;
  readonly openPatienceMs: Millis;
  readonly catchUpPatienceMs: Millis;
}

export interface SubscriptionContext extends SubscriptionInput {
  /** The subscriber has no room. */
  readonly held: boolean;
  /** Feeds that broke in a row without an answer. */
  readonly failures: number;
}

export type SubscriptionEvent = { readonly at: Millis } /** Every part knows where it begins. */ & (
  | { readonly type: 'opened'; readonly behind: boolean }
  /** Everything that is there was delivered; `missing`: a part has no feed just now. */
  | { readonly type: 'caughtUp'; readonly missing: boolean }
  /** What comes next has left the entries kept for those who keep up: it has to be read from the log. */
  | { readonly type: 'overflow' }
  | { readonly type: 'sink.full' }
  | { readonly type: 'sink.drained' }
  | { readonly type: 'feed.broken' }
  | { readonly type: 'feed.answered' }
  | { readonly type: 'retry.due' }
  | { readonly type: 'closed' }
);

export type SubscriptionEffect =
  /** For every part that has none. */
  | { readonly type: 'openFeeds' }
  /** Take and deliver what there is. */
  | { readonly type: 'feed' }
  | { readonly type: 'scheduleRetry'; readonly params: { readonly attempt: number } }
  | { readonly type: 'endStream' };

type Scope = { readonly context: SubscriptionContext; readonly event: SubscriptionEvent };
const noEffect = () => {};
const scheduleRetry = {
  type: 'scheduleRetry',
  params: ({ context }: Scope) => ({ attempt: context.failures }),
} as const;

/** Whatever it does, until it is closed. */
const meanwhile = {
  'feed.broken': { actions: ['countFailure', scheduleRetry] },
  'feed.answered': { actions: 'forgetFailures' },
  'retry.due': { actions: 'openFeeds' },
  closed: 'closed',
} as const;
/** While it catches up. */
const delivering = {
  ...meanwhile,
  'sink.full': { actions: 'hold' },
  'sink.drained': { actions: ['release', 'feed'] },
} as const;

export const subscriptionMachine = setup({
  types: { context: {} as SubscriptionContext, events: {} as SubscriptionEvent, input: {} as SubscriptionInput },
  guards: {
    behindByCursor: ({ context, event }: Scope) => event.type === 'opened' && event.behind && context.resumes,
    behind: ({ event }: Scope) => event.type === 'opened' && event.behind,
    whole: ({ context, event }: Scope) => event.type === 'caughtUp' && !event.missing && !context.held,
    inPart: ({ context, event }: Scope) => event.type === 'caughtUp' && event.missing && !context.held,
    latestAndHeld: ({ context }: Scope) => context.latest && context.held,
  },
  delays: {
    openPatience: ({ context }: Scope) => context.openPatienceMs,
    catchUpPatience: ({ context }: Scope) => context.catchUpPatienceMs,
  },
  actions: {
    openFeeds: noEffect,
    feed: noEffect,
    scheduleRetry: (_, _params: { attempt: number }) => {},
    endStream: noEffect,
    hold: assign({ held: true }),
    release: assign({ held: false }),
    countFailure: assign({ failures: ({ context }) => context.failures + 1 }),
    forgetFailures: assign({ failures: 0 }),
  },
}).createMachine({
  id: 'broker-subscription',
  description: 'A subscription at a broker.',
  context: ({ input }) => ({ ...input, held: false, failures: 0 }),
  initial: 'opening',
  states: {
    opening: {
      description: 'Every part is asked where it begins.',
      entry: 'openFeeds',
      on: {
        ...meanwhile,
        opened: [
          { guard: 'behindByCursor', target: 'resuming' },
          { guard: 'behind', target: 'backfilling' },
          { target: 'live' },
        ],
      },
      after: { openPatience: 'resuming' },
    },
    backfilling: {
      description: 'Delivering what was committed before, as asked for.',
      entry: 'feed',
      on: {
        ...delivering,
        caughtUp: [
          { guard: 'whole', target: 'live' },
          { guard: 'inPart', target: 'resuming' },
        ],
      },
      after: {
        catchUpPatience: [
          { guard: 'latestAndHeld', target: 'lagging' },
          { target: 'backfilling', reenter: true },
        ],
      },
    },
    resuming: {
      description:
        'Delivering what was committed since the cursor; or a replica that served a part is gone and another is asked to go on.',
      entry: 'feed',
      on: { ...delivering, caughtUp: { guard: 'whole', target: 'live' } },
      after: {
        catchUpPatience: [
          { guard: 'latestAndHeld', target: 'lagging' },
          { target: 'resuming', reenter: true },
        ],
      },
    },
    live: {
      description: 'Delivering as it commits.',
      entry: 'feed',
      on: {
        ...meanwhile,
        'sink.full': { target: 'lagging', actions: 'hold' },
        overflow: 'lagging',
        'feed.broken': { target: 'resuming', actions: ['countFailure', scheduleRetry] },
      },
    },
    lagging: {
      description: 'The subscriber does not keep up: EVERY waits in the log, LATEST keeps the newest rows.',
      entry: 'feed',
      on: {
        ...delivering,
        caughtUp: [
          { guard: 'whole', target: 'live' },
          { guard: 'inPart', target: 'resuming' },
        ],
      },
    },
    closed: {
      description: 'For good.',
      type: 'final',
      entry: 'endStream',
    },
  },
});
