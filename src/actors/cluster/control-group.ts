// The control group's state: what the whole cluster agrees on. Its first leader mints the cluster's id; later ones have agreed on
// what brokers say of themselves, so that it is known of those that are down, too.
//
// Invariants
//   1. The first founding entry that is committed counts; later ones (of leaders that did not know it yet) change nothing.
//   2. Only the leader proposes, one entry at a time, and only what would change something.
import { BehaviorSubject, type Observable } from 'rxjs';
import { assert } from '../../core/assert.ts';
import type { BrokerId, ClusterId, Millis } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { RaftGroup, StateMachine } from '../raft-group.ts';
import type { Founding } from '../stores/identity.ts';
import type { LogEntry } from '../stores/log.ts';

const CONTROL_ENTRY_FORMAT = 1;
const PROPOSAL_TIMEOUT: Millis = 2_000;
const RETRY_AFTER: Millis = 100;

/** A broker as it presents itself. */
export interface BrokerFacts {
  readonly id: BrokerId;
  readonly incarnation: string;
  readonly grpcAddress: string;
  readonly httpAddress: string;
}

export interface ControlGroup {
  readonly raft: RaftGroup;
  /** Null until it is agreed on. */
  readonly cluster: Observable<ClusterId | null> & { readonly value: ClusterId | null };
  /** As agreed on. */
  readonly announced: ReadonlyMap<BrokerId, BrokerFacts>;
  /** A broker has presented itself here; when this one leads, it has the others agree. */
  note(facts: BrokerFacts): void;
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
  const announced = new Map<BrokerId, BrokerFacts>();
  const heard = new Map<BrokerId, BrokerFacts>();
  let proposing = false;
  let stopped = false;
  let retry: Timer | null = null;

  function apply(entry: LogEntry): void {
    if (entry.kind !== 'data') return;
    assert(
      entry.payload[0] === CONTROL_ENTRY_FORMAT,
      `a control entry of format ${entry.payload[0]}; this version reads ${CONTROL_ENTRY_FORMAT}`,
    );
    const { founded, announced: facts } = vedette.v1.ControlEntry.decode(entry.payload.subarray(1));
    if (founded && cluster.value === null) cluster.next((founded.clusterId ?? '') as ClusterId);
    if (facts) {
      const id = (facts.brokerId ?? '') as BrokerId;
      const { incarnation, grpcAddress, httpAddress } = facts;
      announced.set(id, {
        id,
        incarnation: incarnation ?? '',
        grpcAddress: grpcAddress ?? '',
        httpAddress: httpAddress ?? '',
      });
    }
  }

  const raft = ports.raft({ apply: (entries) => entries.forEach(apply) });

  /** What this leader would have changed; null: nothing. */
  function change(): Pick<vedette.v1.IControlEntry, 'founded' | 'announced'> | null {
    const { members, shards, replicas } = founding;
    if (cluster.value === null)
      return { founded: { clusterId: ports.mintCluster(), shards, replicas, brokerIds: Object.keys(members).sort() } };
    for (const facts of heard.values()) {
      const { id, ...rest } = facts;
      if (!same(announced.get(id), facts)) return { announced: { brokerId: id, ...rest } };
    }
    return null;
  }

  function proposeNext(): void {
    retry?.cancel();
    if (stopped || proposing || !raft.status.serving) return;
    const wanted = change();
    if (wanted === null) return;
    proposing = true;
    const message = vedette.v1.ControlEntry.encode({ stampMs: clock.now(), ...wanted }).finish();
    const payload = new Uint8Array(1 + message.length);
    payload[0] = CONTROL_ENTRY_FORMAT;
    payload.set(message, 1);
    raft.propose(payload, PROPOSAL_TIMEOUT, ({ outcome }) => {
      proposing = false;
      if (outcome === 'applied') proposeNext();
      else if (!stopped) retry = clock.after(RETRY_AFTER, proposeNext);
    });
  }

  const leading = raft.statusChanges.subscribe(proposeNext);
  return {
    raft,
    cluster,
    announced,
    note(facts) {
      heard.set(facts.id, facts);
      proposeNext();
    },
    stop() {
      stopped = true;
      retry?.cancel();
      leading.unsubscribe();
      raft.stop();
    },
  };
}

function same(known: BrokerFacts | undefined, { incarnation, grpcAddress, httpAddress }: BrokerFacts): boolean {
  return (
    known !== undefined &&
    known.incarnation === incarnation &&
    known.grpcAddress === grpcAddress &&
    known.httpAddress === httpAddress
  );
}
