// An agent's link to the cluster: one session with one broker at a time.
//
//        ┌──────────── retry.due ────────────┐
//        ▼                                   │
//   connecting ──lost, no answer in time──▶ backingOff ◀──┐
//        │ accepted                                        │ lost · no acknowledgement in time · no answer to heartbeats
//        ▼                                                 │
//   streaming ─ delivery: clear ⇄ awaiting ────────────────┤
//             └ liveness: beating ─────────────────────────┘
//
//   stop, in any state ──▶ stopped
//
// Invariants
//   1. A row leaves the queue only when a batch that holds it was acknowledged; every session begins with the oldest row that
//      is not acknowledged (the brokers drop what they know already).
//   2. Never more batches unacknowledged than the broker's window; before its first answer, none.
//   3. While rows are queued and the window is open, a batch is under way.
//   4. A broker that is connected but silent (paused, cut off, without a quorum) is left after `ackTimeoutMs`.
import { assign, setup } from 'xstate';
import type { Millis } from '../core/ids.ts';

export interface AgentInput {
  readonly connectTimeoutMs: Millis;
  readonly ackTimeoutMs: Millis;
  readonly heartbeatMs: Millis;
}

export interface AgentContext extends AgentInput {
  /** Failures in a row; 0 while a session stands. */
  readonly attempt: number;
  /** How many batches may be unacknowledged. */
  readonly window: number;
  /** Batches sent and not acknowledged. */
  readonly inflight: number;
  /** Rows are queued that no batch of this session holds. */
  readonly backlog: boolean;
  /** Heartbeats sent since the broker last said anything. */
  readonly unanswered: number;
}

export type AgentEvent = { readonly at: Millis } & (
  | { readonly type: 'retry.due' }
  /** The broker answered the Hello. */
  | { readonly type: 'accepted'; readonly window: number; readonly heartbeatMs: Millis; readonly backlog: boolean }
  /** The broker said something; `acked` batches less are unacknowledged. */
  | { readonly type: 'answered'; readonly acked: number; readonly window: number }
  /** A sample is in the queue. */
  | { readonly type: 'recorded' }
  /** The actor carried out `send`. */
  | { readonly type: 'sent'; readonly batches: number; readonly backlog: boolean }
  /** The session ended or never began; what was in flight is queued again. */
  | { readonly type: 'lost' }
  /** Another broker would serve better; or this session must be begun anew. */
  | { readonly type: 'moved' }
  | { readonly type: 'stop' }
);

export type AgentEffect =
  /** Open a session with the next candidate. */
  | { readonly type: 'connect' }
  | { readonly type: 'disconnect' }
  /** Send up to `batches` batches (0: none) of the oldest unsent rows, then report `sent`. */
  | { readonly type: 'send'; readonly params: { readonly batches: number } }
  | { readonly type: 'heartbeat' }
  /** Report `retry.due` after the backoff for this many failures in a row. */
  | { readonly type: 'scheduleRetry'; readonly params: { readonly attempt: number } };

/** A broker that answered nothing to this many heartbeats is as good as gone. */
const UNANSWERED_MAX = 2;

const noEffect = () => {};

/** How many batches may go now. */
const room = (context: AgentContext): number => (context.backlog ? Math.max(0, context.window - context.inflight) : 0);

type Scope = { context: AgentContext };
const sendWhatFits = { type: 'send', params: ({ context }: Scope) => ({ batches: room(context) }) } as const;
const backOff = { type: 'scheduleRetry', params: ({ context }: Scope) => ({ attempt: context.attempt }) } as const;

export const agentMachine = setup({
  types: {
    context: {} as AgentContext,
    events: {} as AgentEvent,
    input: {} as AgentInput,
  },
  guards: {
    acknowledgesAll: ({ context, event }) => event.type === 'answered' && event.acked >= context.inflight,
    acknowledgesSome: ({ event }) => event.type === 'answered' && event.acked > 0,
    sentSome: ({ event }) => event.type === 'sent' && event.batches > 0,
    unanswered: ({ context }) => context.unanswered >= UNANSWERED_MAX,
  },
  delays: {
    connectTimeout: ({ context }) => context.connectTimeoutMs,
    ackTimeout: ({ context }) => context.ackTimeoutMs,
    heartbeatInterval: ({ context }) => context.heartbeatMs,
  },
  actions: {
    connect: noEffect,
    disconnect: noEffect,
    heartbeat: noEffect,
    send: (_, _params: { batches: number }) => {},
    scheduleRetry: (_, _params: { attempt: number }) => {},

    accept: assign(({ context, event }) =>
      event.type === 'accepted'
        ? {
            attempt: 0,
            window: event.window,
            heartbeatMs: event.heartbeatMs,
            inflight: 0,
            backlog: event.backlog,
            unanswered: 0,
          }
        : context,
    ),
    noteAnswer: assign(({ context, event }) =>
      event.type === 'answered'
        ? { inflight: Math.max(0, context.inflight - event.acked), window: event.window, unanswered: 0 }
        : context,
    ),
    noteSent: assign(({ context, event }) =>
      event.type === 'sent' ? { inflight: context.inflight + event.batches, backlog: event.backlog } : context,
    ),
    noteBacklog: assign({ backlog: true }),
    countHeartbeat: assign({ unanswered: ({ context }) => context.unanswered + 1 }),
    countFailure: assign({ attempt: ({ context }) => context.attempt + 1, inflight: 0, window: 0, unanswered: 0 }),
  },
}).createMachine({
  id: 'agent',
  description: "An agent's session with the cluster.",
  context: ({ input }) => ({ ...input, attempt: 0, window: 0, inflight: 0, backlog: false, unanswered: 0 }),
  initial: 'connecting',
  states: {
    connecting: {
      description: 'A stream is being opened and Hello was sent; the broker has not answered yet.',
      entry: 'connect',
      after: { connectTimeout: { target: 'backingOff', actions: 'disconnect' } },
      on: {
        accepted: { target: 'streaming', actions: 'accept' },
        lost: 'backingOff',
        stop: 'stopped',
      },
    },
    streaming: {
      description: 'The broker takes batches and heartbeats.',
      type: 'parallel',
      on: {
        lost: 'backingOff',
        moved: { target: 'connecting', actions: 'disconnect' },
        stop: 'stopped',
      },
      states: {
        delivery: {
          initial: 'clear',
          on: {
            recorded: { actions: ['noteBacklog', sendWhatFits] },
          },
          states: {
            clear: {
              description: 'Everything that was sent is acknowledged.',
              entry: sendWhatFits,
              on: {
                sent: [{ guard: 'sentSome', target: 'awaiting', actions: 'noteSent' }, { actions: 'noteSent' }],
                answered: { actions: ['noteAnswer', sendWhatFits] },
              },
            },
            awaiting: {
              description: 'Batches wait for their acknowledgement: quorums are at work.',
              after: { ackTimeout: { target: '#agent.backingOff', actions: 'disconnect' } },
              on: {
                sent: { actions: 'noteSent' },
                answered: [
                  { guard: 'acknowledgesAll', target: 'clear', actions: 'noteAnswer' },
                  {
                    guard: 'acknowledgesSome',
                    target: 'awaiting',
                    reenter: true,
                    actions: ['noteAnswer', sendWhatFits],
                  },
                  { actions: ['noteAnswer', sendWhatFits] },
                ],
              },
            },
          },
        },
        liveness: {
          initial: 'beating',
          states: {
            beating: {
              description:
                'A heartbeat at once, then one every interval: the host is alive even when it has nothing to report.',
              entry: ['heartbeat', 'countHeartbeat'],
              after: {
                heartbeatInterval: [
                  { guard: 'unanswered', target: '#agent.backingOff', actions: 'disconnect' },
                  { target: 'beating', reenter: true },
                ],
              },
            },
          },
        },
      },
    },
    backingOff: {
      description: 'Between two attempts: at once after a session that stood, longer after each failure.',
      entry: ['countFailure', backOff],
      on: { 'retry.due': 'connecting', stop: 'stopped' },
    },
    stopped: {
      description: 'For good. What is not acknowledged stays in the queue on disk.',
      type: 'final',
      entry: 'disconnect',
    },
  },
});
