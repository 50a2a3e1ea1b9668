// A peer's message as an event of the chart: the message, and when it came. The frequent ones are written out key by key: a spread behind
// another key is copied by V8 one property at a time, which takes longer than the step.
import type { Millis } from '../../core/ids.ts';
import type { RaftEvent } from '../../machines/raft/events.ts';
import type { PlacedConfiguration } from '../../machines/raft/membership.ts';
import type { Append, AppendReply, Heartbeat, HeartbeatReply, RaftMessage } from '../../machines/raft/messages.ts';

export type AppendEvent = RaftEvent & Append;

export function appendEvent(message: Append, at: Millis, configurations: readonly PlacedConfiguration[]): AppendEvent {
  const { from, to, term, prevIndex, prevTerm, lastIndex, runs, commit, bytes } = message;
  const event = { type: 'append', from, to, term, prevIndex, prevTerm, lastIndex, runs, commit, bytes, at } as const;
  return configurations.length === 0 ? event : { ...event, configurations };
}

/** Of a message that tells all that there is to know. */
export function eventOf(message: RaftMessage, at: Millis): RaftEvent {
  switch (message.type) {
    case 'appendReply':
      return message.uncertain === undefined ? appendReplyEvent(message, at) : { at, ...message };
    case 'heartbeat':
      return heartbeatEvent(message, at);
    case 'heartbeatReply':
      return message.uncertain === undefined ? heartbeatReplyEvent(message, at) : { at, ...message };
    default:
      return { at, ...message };
  }
}

const appendReplyEvent = (message: AppendReply, at: Millis): RaftEvent => {
  const { from, to, term, rejected, index, hintIndex, hintTerm } = message;
  return { type: 'appendReply', from, to, term, rejected, index, hintIndex, hintTerm, at };
};

const heartbeatEvent = ({ from, to, term, commit, round }: Heartbeat, at: Millis): RaftEvent => ({
  type: 'heartbeat',
  from,
  to,
  term,
  commit,
  round,
  at,
});

const heartbeatReplyEvent = ({ from, to, term, round }: HeartbeatReply, at: Millis): RaftEvent => ({
  type: 'heartbeatReply',
  from,
  to,
  term,
  round,
  at,
});
