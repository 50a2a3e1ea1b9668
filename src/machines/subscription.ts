// A subscription at a broker.
//
//   opening ──▶ backfilling ──caught up──▶ live ⇄ lagging (the subscriber's stream is full)
//                                           │ ▲
//                                           ▼ │ another replica answers
//                                         resuming (a replica that served a part is gone)        ended, in any state ──▶ closed
//
// Invariants
//   1. What is delivered comes from the log, by index, one after another: live, behind or resumed is one path, so nothing can fall
//      between two, or come twice.
//   2. While the subscriber's stream is full nothing is read for it: it lags in the log.
import { setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export type SubscriptionEvent = { readonly at: Millis } & (
  | { readonly type: 'opened' }
  | { readonly type: 'caughtUp' }
  /** Something was applied. */
  | { readonly type: 'news' }
  | { readonly type: 'full' }
  | { readonly type: 'drained' }
  | { readonly type: 'feedLost' }
  | { readonly type: 'feedResumed' }
  | { readonly type: 'ended' }
);

export type SubscriptionEffect =
  /** Read on from the log, and deliver. */
  { readonly type: 'pump' };

export const subscriptionMachine = setup({
  types: { context: {} as Record<string, never>, events: {} as SubscriptionEvent },
  actions: { pump: () => {} },
}).createMachine({
  id: 'subscription',
  description: 'A subscription at a broker.',
  context: {},
  initial: 'opening',
  on: { ended: '.closed' },
  states: {
    opening: { description: 'Where to begin is being found.', on: { opened: 'backfilling' } },
    backfilling: {
      description: 'Reading what was committed before.',
      entry: 'pump',
      on: { caughtUp: 'live', news: { actions: 'pump' }, full: 'lagging', feedLost: 'resuming' },
    },
    live: {
      description: 'Delivering as it commits.',
      on: { news: { actions: 'pump' }, full: 'lagging', feedLost: 'resuming' },
    },
    lagging: {
      description: 'The subscriber takes no more for the moment.',
      on: { drained: 'backfilling' },
    },
    resuming: {
      description:
        'A replica that served some shards is gone; another is asked to go on. The other shards go on meanwhile.',
      on: { feedResumed: 'live', news: { actions: 'pump' }, full: 'lagging' },
    },
    closed: { description: 'For good.', type: 'final' },
  },
});
