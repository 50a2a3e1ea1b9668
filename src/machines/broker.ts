// A broker's life.
//
//   joining ──all is known and caught up──▶ serving        stop ──▶ stopping ──drained──▶ stopped
//      ▲                                       │            failed, while it is not stopped ──▶ failed
//      └──────── a leader is missing ──────────┘
//
// Invariant: stopped and failed are for good, and what is stopping does not begin to stop again.
import { setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export type BrokerEvent = { readonly at: Millis } & (
  | { readonly type: 'ready' }
  | { readonly type: 'notReady' }
  | { readonly type: 'stop' }
  | { readonly type: 'drained' }
  | { readonly type: 'failed' }
);

export type BrokerEffect =
  /** Take no more calls, hand over what is led, end streams, make the log durable; then `drained`. */
  | { readonly type: 'drain' }
  | { readonly type: 'halt' }
  | { readonly type: 'announceReady' }
  | { readonly type: 'announceNotReady' };

const noEffect = () => {};

export const brokerMachine = setup({
  types: { context: {} as Record<string, never>, events: {} as BrokerEvent },
  actions: { drain: noEffect, halt: noEffect, announceReady: noEffect, announceNotReady: noEffect },
}).createMachine({
  id: 'broker',
  description: 'The life of a broker.',
  context: {},
  initial: 'joining',
  states: {
    joining: {
      description: 'The cluster, the leaders, or what was committed before are not all known yet.',
      on: { ready: 'serving', stop: 'stopping', failed: 'failed' },
    },
    serving: {
      description: 'Every shard has a leader, and the replicas here have caught up.',
      entry: 'announceReady',
      exit: 'announceNotReady',
      on: { notReady: 'joining', stop: 'stopping', failed: 'failed' },
    },
    stopping: {
      description: 'What is led here is handed over, streams are ended, and the log is made durable.',
      entry: 'drain',
      on: { drained: 'stopped', failed: 'failed' },
    },
    stopped: { description: 'For good.', type: 'final' },
    failed: {
      description: 'Something failed that must not be survived: nothing is acknowledged any more.',
      type: 'final',
      entry: 'halt',
    },
  },
});
