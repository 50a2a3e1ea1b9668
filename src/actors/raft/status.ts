// What others are told of a member, from its chart.
import type { SnapshotFrom } from 'xstate';
import type { LogIndex } from '../../core/ids.ts';
import type { raftMachine } from '../../machines/raft/raft-machine.ts';
import type { RaftRole, RaftStatus } from '../raft-group.ts';

type Snapshot = SnapshotFrom<typeof raftMachine>;

export function positionOf({ value }: Snapshot): { readonly role: RaftRole; readonly serving: boolean } {
  return typeof value === 'string'
    ? { role: value, serving: false }
    : { role: 'leader', serving: value.leader === 'serving' };
}

export function statusOf(snapshot: Snapshot, applied: LogIndex): RaftStatus {
  const { term, leader, commit, log } = snapshot.context;
  const { firstIndex, lastIndex } = log;
  return { ...positionOf(snapshot), term, leader, commit, applied, firstIndex, lastIndex };
}
