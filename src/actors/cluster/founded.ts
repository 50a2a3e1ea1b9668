// The cluster's id, from the moment when its founders have agreed on one: on disk before anybody here goes by it, for a broker that has
// acknowledged something must know at its next start to which cluster that belongs.
//
// Invariant: what is older than the list of members that is known here counts for nothing: a log that is applied again tells of the id
// that the cluster had before it was recovered (cluster/recovery.ts), too.
import type { BehaviorSubject, Subscription } from 'rxjs';
import type { ClusterId } from '../../core/ids.ts';
import type { IdentityStore } from '../stores/identity.ts';
import type { ControlGroup } from './control-group.ts';
import type { Peers } from './peer-interface.ts';

export interface FoundedPorts {
  readonly control: Pick<ControlGroup, 'cluster' | 'state'>;
  readonly identity: IdentityStore;
  /** What this broker goes by; null: there is no cluster yet. */
  readonly cluster: BehaviorSubject<ClusterId | null>;
  readonly peers: Pick<Peers, 'sayAgain'>;
  /** The disk does not take it, or there was another one. */
  readonly fail: (error: unknown) => void;
}

export function followFounding({ control, identity, cluster, peers, fail }: FoundedPorts): Subscription {
  return control.cluster.subscribe((agreed) => {
    if (agreed === null || control.state.membersAt < identity.identity.roster.at) return;
    try {
      const isNew = identity.identity.cluster === '';
      identity.setCluster(agreed);
      cluster.next(agreed);
      // Whoever heard before that there is none must not take that for the state of things.
      if (isNew) peers.sayAgain();
    } catch (error) {
      fail(error);
    }
  });
}
