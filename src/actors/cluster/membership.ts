// This broker follows the cluster's members: links to them, where they are at the next start, and whether it still is one itself.
//
// Invariants
//   1. Only what is newer than what is known counts: a log that is applied again at a start tells of members that have long gone.
//   2. What others are dialled by is on disk: a broker that comes back finds the members that there were when it last heard of them,
//      and those that are newer find it, since their list is the newer one.
//   3. A broker has left when it was on its way out and a configuration without it is committed: then it says so, and ends.
import { merge } from 'rxjs';
import type { BrokerId } from '../../core/ids.ts';
import type { IdentityStore } from '../stores/identity.ts';
import type { ControlGroup } from './control-group.ts';
import type { Peers } from './peer-interface.ts';

export interface MembershipPorts {
  readonly self: BrokerId;
  readonly control: Pick<ControlGroup, 'raft' | 'state' | 'changes' | 'applied'>;
  readonly identity: IdentityStore;
  readonly peers: Pick<Peers, 'setMembers'>;
  /** This broker is no member any more. */
  readonly left: () => void;
  readonly say: (message: string) => void;
}

export interface Membership {
  /** Others say so, and none of them can be wrong: their lists of members are as new as the one known here, or newer. */
  removed(why: string): void;
  stop(): void;
}

/** @throws what the disk throws: then this process must end. */
export function followMembership({ self, control, identity, peers, left, say }: MembershipPorts): Membership {
  const { state, raft } = control;

  /** Addresses as they were agreed on before. */
  let before = new Map<BrokerId, string>();

  function follow(): void {
    const { roster } = identity.identity;
    const agreed = new Map([...state.brokers.values()].map(({ id, grpcAddress }) => [id, grpcAddress]));
    if (state.membersAt > roster.at && agreed.has(self)) {
      // Who was started at another address may be known there before that is agreed on.
      const members = [...agreed].map(
        ([id, address]) => [id, before.get(id) === address ? (roster.members[id] ?? address) : address] as const,
      );
      identity.setRoster({ at: state.membersAt, members: Object.fromEntries(members) });
      peers.setMembers(new Map(members));
    }
    before = agreed;
  }

  function mayHaveLeft(): void {
    const { role, applied, commit, configuration } = raft.status;
    if (role !== 'removed' || commit < configuration.index || applied < identity.identity.roster.at) return;
    if (state.brokers.get(self)?.leaving === true) leave();
  }

  function leave(): void {
    if (identity.identity.removed) return;
    identity.setRemoved();
    left();
  }

  const following = control.changes.subscribe(follow);
  const leaving = merge(raft.statusChanges, control.applied).subscribe(mayHaveLeft);
  return {
    removed(why) {
      say(why);
      leave();
    },
    stop() {
      following.unsubscribe();
      leaving.unsubscribe();
    },
  };
}
