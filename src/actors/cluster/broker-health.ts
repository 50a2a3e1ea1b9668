// Whether a broker may be sent work, and if not, why.
//
// Invariant: to have caught up is for good, as long as the process lives. Entries that are committed and about to be applied are no
// reason to send clients elsewhere.
import type { ClusterId, GroupId, ShardId } from '../../core/ids.ts';
import type { RaftGroup } from '../raft-group.ts';
import type { Shard } from '../shard.ts';

export interface Health {
  readonly ready: boolean;
  /** Why not, for people. */
  readonly reasons: readonly string[];
}

export interface HealthPorts {
  /** Of the broker's chart. */
  readonly state: () => string;
  readonly cluster: () => ClusterId | null;
  readonly control: RaftGroup;
  /** Replicas that count, or will when they are vouched for. */
  readonly shards: ReadonlyMap<ShardId, Shard>;
  readonly log: { readonly full: boolean };
}

const NAMED_MAX = 3;

export function createHealth({ state, cluster, control, shards, log }: HealthPorts): () => Health {
  const caughtUp = new Set<GroupId>();

  /** Looked at ten times a second, so a group that has caught up is not looked at again. */
  function behind(): number {
    let waiting = hasCaughtUp(control) ? 0 : 1;
    for (const { raft } of shards.values()) if (!hasCaughtUp(raft)) waiting++;
    return waiting;
  }

  function hasCaughtUp(group: RaftGroup): boolean {
    if (caughtUp.has(group.id)) return true;
    const { leader, commit, applied } = group.status;
    if (leader === null || commit === 0 || applied < commit) return false;
    caughtUp.add(group.id);
    return true;
  }

  return () => {
    const reasons: string[] = [];
    if (state() !== 'joining' && state() !== 'serving') reasons.push(`the broker is ${state()}`);
    if (cluster() === null) reasons.push('the cluster is not founded yet');
    if (control.status.leader === null) reasons.push('the control group has no leader');
    const leaderless = [...shards.values()]
      .filter(({ raft }) => raft.status.leader === null)
      .map(({ raft }) => raft.id);
    const waiting = behind();
    if (leaderless.length > 0) {
      const named = [...leaderless.slice(0, NAMED_MAX), ...(leaderless.length > NAMED_MAX ? ['…'] : [])].join(', ');
      reasons.push(`no leader for ${leaderless.length} of ${shards.size} shards (${named})`);
    } else if (waiting > 0) reasons.push(`${waiting} of ${shards.size + 1} logs are still being applied`);
    if (log.full) reasons.push('the disk is full: writes are refused');
    return { ready: reasons.length === 0, reasons };
  };
}
