// What a planted bug changes: a port of a member, put around the real one; or a decision of its chart.
import type { SnapshotPorts } from '../../../../src/actors/raft/group-snapshots.ts';
import type { RaftGroup } from '../../../../src/actors/raft-group.ts';
import type { Disk } from '../../../../src/actors/stores/disk.ts';
import type { LogStore } from '../../../../src/actors/stores/log.ts';
import type { BrokerId } from '../../../../src/core/ids.ts';
import type { raftMachine } from '../../../../src/machines/raft/raft-machine.ts';
import type { Clock } from '../../../../src/streams/clock.ts';
import type { RaftEnvelope } from '../../../../src/streams/envelope.ts';

/** Nothing, when it is empty. One of them serves one run: it may remember. */
export interface Planted {
  /** What a member takes for its log. */
  readonly log?: (log: LogStore, clock: Clock, self: BrokerId) => LogStore;
  /** What a member takes for its snapshots. */
  readonly snapshots?: (ports: SnapshotPorts) => SnapshotPorts;
  /** What a process takes for the disk of its snapshots. */
  readonly snapshotDisk?: (disk: Disk, clock: Clock) => Disk;
  /** What a member takes for its clock. */
  readonly clock?: (clock: Clock) => Clock;
  /** A member takes its disk for sound, though it was lost. */
  readonly trustsStorage?: true;
  /** What a member takes for the chart of its role. */
  readonly chart?: typeof raftMachine;
  /** A message on its way out. */
  readonly outgoing?: (envelope: RaftEnvelope) => RaftEnvelope;
  /** A message that arrives. */
  readonly incoming?: (envelope: RaftEnvelope) => RaftEnvelope;
  /** What clients talk to. */
  readonly group?: (group: RaftGroup, clock: Clock) => RaftGroup;
}
