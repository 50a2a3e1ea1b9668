// Adds the entries to append messages, from the log: at once from its cached tail, later from disk.
//
// Invariants
//   1. Messages with entries to one peer leave in the order in which they were asked for.
//   2. A message is sent only while it is still true: the same term, and still the leader.
//   3. Of a message that was cut by its bytes, or that weighs more than its share of the window, the chart is told; until it has
//      taken that in, what it had asked for behind a cut is dropped, since a gap would only be refused.
import type { BrokerId, GroupId, LogIndex } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Append } from '../../machines/raft/messages.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';
import type { LogEntry, LogStore } from '../stores/log.ts';

export interface EntrySender {
  send(message: Append): void;
  /** The chart has taken in what `onSent` told of this peer. */
  resume(peer: BrokerId): void;
  stop(): void;
}

export interface EntrySenderPorts {
  readonly group: GroupId;
  readonly log: LogStore;
  readonly out: (envelope: RaftEnvelope) => void;
  readonly isCurrent: (message: Append) => boolean;
  /** The message really ends at `lastIndex` and weighs `bytes`. */
  readonly onSent: (message: Append, lastIndex: LogIndex, bytes: number) => void;
  readonly onError: (error: Error) => void;
}

/** A message below its share of the window needs no weighing: the count of messages bounds their bytes. */
const HEAVY_BYTES = limits.raft.inflightBytesMax / limits.raft.inflightMax;

interface Lane {
  waiting: Append[];
  reading: boolean;
  /** A cut was told and not taken in yet. */
  cut: boolean;
}

export function createEntrySender(ports: EntrySenderPorts): EntrySender {
  const { group, log, out, isCurrent, onSent, onError } = ports;
  const lanes = new Map<BrokerId, Lane>();
  let stopped = false;

  function laneTo(peer: BrokerId): Lane {
    let lane = lanes.get(peer);
    if (lane === undefined) {
      lane = { waiting: [], reading: false, cut: false };
      lanes.set(peer, lane);
    }
    return lane;
  }

  function pump(lane: Lane): void {
    while (!lane.reading) {
      const message = lane.waiting.shift();
      if (message === undefined) return;
      // Asked for in a term that is over, or while this member led.
      if (!isCurrent(message)) continue;
      read(lane, message);
    }
  }

  function read(lane: Lane, message: Append): void {
    lane.reading = true;
    let answered = false;
    log.read(group, message.prevIndex + 1, message.lastIndex, limits.raft.appendBytesMax, (error, entries) => {
      const isLate = answered;
      lane.reading = false;
      if (stopped) return;
      if (error !== null) {
        onError(error);
        return;
      }
      if (isCurrent(message)) sendWith(lane, message, entries);
      if (isLate) pump(lane);
    });
    answered = true;
  }

  function sendWith(lane: Lane, message: Append, entries: readonly LogEntry[]): void {
    const lastIndex = message.prevIndex + entries.length;
    let bytes = 0;
    for (const { payload } of entries) bytes += payload.length;
    const isCut = lastIndex < message.lastIndex;
    const runs = isCut ? message.runs.filter(({ first }) => first <= lastIndex) : message.runs;
    const { from, to, term, prevIndex, prevTerm, commit } = message;
    const weighed = { type: 'append', from, to, term, prevIndex, prevTerm, lastIndex, runs, commit, bytes } as const;
    out({ group, message: weighed, entries });
    if (isCut) {
      lane.cut = true;
      lane.waiting = [];
    }
    if (isCut || bytes > HEAVY_BYTES) onSent(message, lastIndex, bytes);
  }

  return {
    send(message) {
      const lane = laneTo(message.to);
      if (lane.cut) return;
      lane.waiting.push(message);
      pump(lane);
    },
    resume(peer) {
      laneTo(peer).cut = false;
    },
    stop() {
      stopped = true;
      lanes.clear();
    },
  };
}
