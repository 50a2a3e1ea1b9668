// The control group's state: what the whole cluster agrees on. Its first leader mints the cluster's id.
//
// Invariant: the first founding entry that is committed counts; later ones (of leaders that did not know it yet) change nothing.
import { BehaviorSubject, type Observable } from 'rxjs';
import { assert } from '../../core/assert.ts';
import type { ClusterId } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { RaftGroup, StateMachine } from '../raft-group.ts';
import type { Founding } from '../stores/identity.ts';
import type { LogEntry } from '../stores/log.ts';

const CONTROL_ENTRY_FORMAT = 1;
const FOUND_TIMEOUT_MS = 2_000;

export interface ControlGroup {
  readonly raft: RaftGroup;
  /** Null until it is agreed on. */
  readonly cluster: Observable<ClusterId | null> & { readonly value: ClusterId | null };
  stop(): void;
}

export interface ControlGroupPorts {
  readonly raft: (machine: StateMachine) => RaftGroup;
  readonly founding: Founding;
  readonly clock: Clock;
  /** A new, unguessable name for a cluster. */
  readonly mintCluster: () => ClusterId;
}

export function createControlGroup(ports: ControlGroupPorts): ControlGroup {
  const { founding, clock } = ports;
  const cluster = new BehaviorSubject<ClusterId | null>(null);
  let proposing = false;
  let retry: Timer | null = null;

  function apply(entry: LogEntry): void {
    if (entry.kind !== 'data') return;
    assert(
      entry.payload[0] === CONTROL_ENTRY_FORMAT,
      `a control entry of format ${entry.payload[0]}; this version reads ${CONTROL_ENTRY_FORMAT}`,
    );
    const { founded } = vedette.v1.ControlEntry.decode(entry.payload.subarray(1));
    if (founded === null || founded === undefined || cluster.value !== null) return;
    cluster.next((founded.clusterId ?? '') as ClusterId);
  }

  const raft = ports.raft({ apply: (entries) => entries.forEach(apply) });

  function found(): void {
    retry?.cancel();
    if (!raft.status.serving || cluster.value !== null || proposing) return;
    proposing = true;
    const { members, shards, replicas } = founding;
    const message = vedette.v1.ControlEntry.encode({
      stampMs: clock.now(),
      founded: { clusterId: ports.mintCluster(), shards, replicas, brokerIds: Object.keys(members).sort() },
    }).finish();
    const payload = new Uint8Array(1 + message.length);
    payload[0] = CONTROL_ENTRY_FORMAT;
    payload.set(message, 1);
    raft.propose(payload, FOUND_TIMEOUT_MS, () => {
      proposing = false;
      retry = clock.after(100, found);
    });
  }

  const leading = raft.statusChanges.subscribe(found);
  return {
    raft,
    cluster,
    stop() {
      retry?.cancel();
      leading.unsubscribe();
      raft.stop();
    },
  };
}
