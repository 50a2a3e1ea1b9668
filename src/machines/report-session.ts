// An agent's session, at the broker.
//
//   greeting ──hello──▶ streaming: open ⇄ congested ──▶ closed
//      └── no hello in time, or anything else first ──▶ closed
//
// Invariants
//   1. Nothing is taken before the Hello but one batch, and nothing is acknowledged before it.
//   2. While congested the stream is not read: backpressure reaches the agent by flow control, and memory stays bounded.
import { setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface ReportSessionContext {
  readonly helloTimeoutMs: Millis;
}

export type ReportSessionEvent = { readonly at: Millis } & (
  | { readonly type: 'hello' }
  | { readonly type: 'full' }
  | { readonly type: 'drained' }
  | { readonly type: 'closed' }
);

export type ReportSessionEffect =
  | { readonly type: 'greet' }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'refuseSilence' };

const noEffect = () => {};

export const reportSessionMachine = setup({
  types: { context: {} as ReportSessionContext, events: {} as ReportSessionEvent, input: {} as ReportSessionContext },
  delays: { helloTimeout: ({ context }) => context.helloTimeoutMs },
  actions: { greet: noEffect, pause: noEffect, resume: noEffect, refuseSilence: noEffect },
}).createMachine({
  id: 'report-session',
  description: "An agent's session at the broker that it reports to.",
  context: ({ input }) => input,
  initial: 'greeting',
  states: {
    greeting: {
      description: 'The agent has not said who it is.',
      after: { helloTimeout: { target: 'closed', actions: 'refuseSilence' } },
      on: { hello: { target: 'streaming', actions: 'greet' }, closed: 'closed' },
    },
    streaming: {
      description: 'The agent is known, and reports.',
      initial: 'open',
      on: { closed: 'closed' },
      states: {
        open: {
          description: 'Batches are read as they come.',
          on: { full: { target: 'congested', actions: 'pause' } },
        },
        congested: {
          description: 'Too much waits for its quorum: the stream is held.',
          on: { drained: { target: 'open', actions: 'resume' } },
        },
      },
    },
    closed: { description: 'For good.', type: 'final' },
  },
});
