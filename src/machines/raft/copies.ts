// Copies with something changed, of what changes at nearly every step. Written out key by key: V8 makes such an object in a fraction of the
// time of a spread that is followed by other keys, and all of them look alike to whoever reads them.
import type { Leadership, RaftContext } from './context.ts';
import type { Progress } from './progress.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Keys as `initialContext` has them. */
export function copyOf(context: RaftContext): Mutable<RaftContext> {
  return {
    self: context.self,
    configurations: context.configurations,
    peers: context.peers,
    options: context.options,
    term: context.term,
    votedFor: context.votedFor,
    leader: context.leader,
    log: context.log,
    sound: context.sound,
    durable: context.durable,
    commit: context.commit,
    applied: context.applied,
    heardAt: context.heardAt,
    timer: context.timer,
    refused: context.refused,
    campaign: context.campaign,
    leadership: context.leadership,
  };
}

export function withCommit(context: RaftContext, commit: RaftContext['commit']): RaftContext {
  const copy = copyOf(context);
  copy.commit = commit;
  return copy;
}

export function withLog(context: RaftContext, log: RaftContext['log']): RaftContext {
  const copy = copyOf(context);
  copy.log = log;
  return copy;
}

/** Keys as `beginTerm` has them. */
export function leadershipCopy(leadership: Leadership): Mutable<Leadership> {
  return {
    progress: leadership.progress,
    termStart: leadership.termStart,
    round: leadership.round,
    reads: leadership.reads,
    rounds: leadership.rounds,
    transfer: leadership.transfer,
    leaseBroken: leadership.leaseBroken,
    uncommitted: leadership.uncommitted,
    uncommittedBytes: leadership.uncommittedBytes,
  };
}

export function withProgress(leadership: Leadership, progress: Leadership['progress']): Leadership {
  const copy = leadershipCopy(leadership);
  copy.progress = progress;
  return copy;
}

/** There are few peers, and their names differ from group to group: key by key is the fastest here, too. */
export function tableCopy(table: Leadership['progress']): Record<string, Progress> {
  const copy: Record<string, Progress> = {};
  for (const peer in table) copy[peer] = table[peer] as Progress;
  return copy;
}

export function withPeer(table: Leadership['progress'], peer: string, progress: Progress): Leadership['progress'] {
  const copy = tableCopy(table);
  copy[peer] = progress;
  return copy;
}
