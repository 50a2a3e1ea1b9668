// The control group on this broker: its replicated state (core/control-state.ts), and what its leader has the others agree on by
// itself. Its first leader mints the cluster's id; later ones have agreed on what brokers say of themselves, so that it is known of
// those that are down, too.
//
// Invariants
//   1. Of itself only the leader proposes, one entry at a time, and only what would change something.
//   2. Whoever asked for an entry gets what came of it: its result, not only that it was applied.
import { BehaviorSubject, type Observable, Subject } from 'rxjs';
import { type ControlResult, doneResult } from '../../core/control-sessions.ts';
import {
  type AgreedBroker,
  type BrokerFacts,
  type ControlChange,
  type ControlState,
  createControlState,
  encodeControlEntry,
  factsToProto,
  isControlEntry,
} from '../../core/control-state.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { BrokerId, ClusterId, LogIndex, Millis } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { QuestionOutcome } from '../../streams/envelope.ts';
import type { ProposalOutcome, RaftGroup, Restoring, StateMachine } from '../raft-group.ts';
import { type ClusterConfig, configFrom, defaultConfig } from './cluster-config.ts';
import type { Founding } from '../stores/identity.ts';
import type { LogEntry } from '../stores/log.ts';

const PROPOSAL_TIMEOUT: Millis = 2_000;
const RETRY_AFTER: Millis = 100;

export interface ControlGroup {
  readonly raft: RaftGroup;
  readonly state: ControlState;
  /** As of what is applied here. */
  readonly config: ClusterConfig;
  readonly applied: Observable<LogIndex>;
  /** The state has changed. */
  readonly changes: Observable<void>;
  /** Null until it is agreed on. */
  readonly cluster: Observable<ClusterId | null> & { readonly value: ClusterId | null };
  /** A broker has presented itself here; when this one leads, it has the others agree. */
  note(facts: BrokerFacts): void;
  /** Here and now: only the leader can. */
  propose(entry: Uint8Array, timeoutMs: Millis, done: (outcome: QuestionOutcome) => void): void;
  /** The index that a replica must have applied to have seen everything that was acknowledged before: only the leader knows it. */
  confirm(done: (outcome: QuestionOutcome) => void): void;
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
  const state = createControlState();
  const cluster = new BehaviorSubject<ClusterId | null>(null);
  const changes = new Subject<void>();
  const applied = new BehaviorSubject<LogIndex>(0);
  let config: { readonly version: number; readonly whole: ClusterConfig } = { version: 0, whole: defaultConfig };
  /** Of members, and of those that may become members: what one said that has left since is nobody's any more. */
  const heard = new Map<BrokerId, BrokerFacts>();
  let members: ReadonlySet<BrokerId> = new Set();
  /** Of the entries applied last. Whoever proposed one of them is told before the next ones come. */
  const results = new Map<LogIndex, ControlResult>();
  let proposing = false;
  let stopped = false;
  let retry: Timer | null = null;

  function apply(entries: readonly LogEntry[]): void {
    results.clear();
    for (const { kind, index, payload } of entries) {
      if (kind !== 'data') continue;
      results.set(index, state.apply(index, payload));
      forgetGone();
    }
    if (results.size > 0) tellChanges();
    applied.next(entries.at(-1)?.index ?? applied.value);
  }

  function forgetGone(): void {
    for (const id of members) if (!state.brokers.has(id)) heard.delete(id);
    members = new Set(state.brokers.keys());
  }

  function tellChanges(): void {
    const { version, values } = state.config;
    if (version !== config.version) config = { version, whole: configFrom(values) };
    if (cluster.value !== state.cluster) cluster.next(state.cluster);
    changes.next();
  }

  /** All of it is one chunk: it is small. */
  function restore(): Restoring {
    const chunks: Uint8Array[] = [];
    return {
      take: (chunk) => void chunks.push(chunk),
      finish(position) {
        for (const chunk of chunks) state.become(chunk);
        forgetGone();
        tellChanges();
        applied.next(position);
      },
      abandon() {},
    };
  }

  const raft = ports.raft({
    apply,
    saved: {
      pass: (entries) => applied.next(entries.at(-1)?.index ?? applied.value),
      snapshot: () => [state.encode()],
      restore,
    },
  });

  /** What this leader would have changed; null: nothing. */
  function wanted(): ControlChange | null {
    const { members, shards, replicas } = founding;
    if (state.cluster === null) {
      const brokerIds = Object.keys(members).sort();
      const grpcAddresses = brokerIds.map((id) => members[id] ?? '');
      return { founded: { clusterId: ports.mintCluster(), shards, replicas, brokerIds, grpcAddresses } };
    }
    for (const facts of heard.values()) {
      const known = state.brokers.get(facts.id);
      if (known !== undefined && !same(known, facts)) return { announced: factsToProto(facts) };
    }
    return null;
  }

  function proposeNext(): void {
    retry?.cancel();
    if (stopped || proposing || !raft.status.serving) return;
    const change = wanted();
    if (change === null) return;
    proposing = true;
    const entry = encodeControlEntry({ stampMs: clock.now(), ...change });
    raft.propose(entry, PROPOSAL_TIMEOUT, ({ outcome }) => {
      proposing = false;
      if (outcome === 'applied') proposeNext();
      else if (!stopped) retry = clock.after(RETRY_AFTER, proposeNext);
    });
  }

  const leading = raft.statusChanges.subscribe(proposeNext);
  return {
    raft,
    state,
    get config() {
      return config.whole;
    },
    applied,
    changes,
    cluster,
    note(facts) {
      heard.set(facts.id, facts);
      proposeNext();
    },
    propose(entry, timeoutMs, done) {
      if (isControlEntry(entry))
        raft.propose(entry, timeoutMs, (outcome) => done(told(outcome, (index) => results.get(index) ?? doneResult())));
      else
        clock.defer(() =>
          done({ outcome: 'notDone', code: 'INVALID_ARGUMENT', message: 'no entry of this version', leader: null }),
        );
    },
    confirm(done) {
      raft.read((error) => {
        const { applied: value, leader } = raft.status;
        if (error === null) done({ outcome: 'done', result: doneResult(value) });
        else done({ outcome: 'notDone', code: 'UNAVAILABLE', message: error.message, leader });
      });
    },
    stop() {
      stopped = true;
      retry?.cancel();
      leading.unsubscribe();
      raft.stop();
      changes.complete();
      applied.complete();
    },
  };
}

type Refusal = Extract<ProposalOutcome, { outcome: 'notApplied' }>;
const REFUSALS: Readonly<Record<Refusal['reason'], readonly [code: ErrorCode, message: string]>> = {
  notLeader: ['UNAVAILABLE', 'this broker does not lead the control group'],
  transferring: ['UNAVAILABLE', 'leadership of the control group is changing hands'],
  overwritten: ['UNAVAILABLE', 'leadership of the control group has changed'],
  stopped: ['UNAVAILABLE', 'this broker is stopping'],
  logFull: ['RESOURCE_EXHAUSTED', "the leader's disk is full"],
  uncommittedLimit: ['RESOURCE_EXHAUSTED', 'too much waits to be agreed on'],
  tooLarge: ['INVALID_ARGUMENT', 'the change is too large'],
};

function told(outcome: ProposalOutcome, resultAt: (index: LogIndex) => ControlResult): QuestionOutcome {
  if (outcome.outcome === 'applied') return { outcome: 'done', result: resultAt(outcome.index) };
  if (outcome.outcome === 'unknown') return { outcome: 'unknown', message: 'not agreed on in time' };
  const [code, message] = REFUSALS[outcome.reason];
  return { outcome: 'notDone', code, message, leader: outcome.leader };
}

function same(known: AgreedBroker, { incarnation, grpcAddress, httpAddress, zone }: BrokerFacts): boolean {
  return (
    known.incarnation === incarnation &&
    known.grpcAddress === grpcAddress &&
    known.httpAddress === httpAddress &&
    known.zone === zone
  );
}
