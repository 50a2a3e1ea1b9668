// What the checkers know of one member of a group.
import type { RaftStatus } from '../../../src/actors/raft-group.ts';
import type { BrokerId, GroupId, LogIndex, Term } from '../../../src/core/ids.ts';
import { createLogShadow, type LogShadow, type ShadowEntry } from './log-shadow.ts';

export interface CheckedMember {
  readonly shadow: LogShadow;
  /** Its storage was damaged; what it says of it counts until it has found out. */
  suspect: boolean;
  /** Its snapshots were damaged: until its disk is another one, it may lose what has left its log. */
  frail: boolean;
  /** What it had, from when it knows that it may have lost some of that, until a leader has vouched for it. */
  lost: readonly ShadowEntry[] | null;
  life: number;
  /** This much of its log was compared with the history. */
  verified: LogIndex;
  term: Term;
  role: RaftStatus['role'];
  serving: boolean;
  commit: LogIndex;
  /** By the chart's account, and by the state machine's. */
  told: LogIndex;
  applied: LogIndex;
  /** What was checked after its last turn: its status, and how often its log had been written to by then. */
  checked: RaftStatus | null;
  checkedChanges: number;
}

/** @param entry what is committed there. */
export function createCheckedMember(entry: Parameters<typeof createLogShadow>[0]): CheckedMember {
  return {
    shadow: createLogShadow(entry),
    suspect: false,
    frail: false,
    lost: null,
    life: 0,
    verified: 0,
    term: 0,
    role: 'follower',
    serving: false,
    commit: 0,
    told: 0,
    applied: 0,
    checked: null,
    checkedChanges: 0,
  };
}

/** The members of one group. */
export interface CheckedGroup {
  readonly id: GroupId;
  readonly names: readonly BrokerId[];
  /** @throws RangeError when there is none of this number. */
  at(member: number): CheckedMember;
  /** For people. */
  who(member: number): string;
}
