// Seeing and steering the cluster from this broker (actors/admin-service.ts): what another one must do is asked of it.
import { type ErrorCode, invalidArgument, VedetteError } from '../../core/errors.ts';
import { type BrokerId, type GroupId, shardGroup } from '../../core/ids.ts';
import { checkNewBroker, checkRemoval, parseMember } from './admission.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { QuestionOutcome } from '../../streams/envelope.ts';
import type { Admission, AdminService } from '../admin-service.ts';
import { checkConfig, configFrom } from './cluster-config.ts';
import type { ClusterView } from './cluster-view.ts';
import type { ControlGroup } from './control-group.ts';
import type { ControlProposer, SessionCall } from './control-proposer.ts';
import type { LeaderCalls } from './leader-calls.ts';
import type { ControlChange } from '../../core/control-state.ts';

export interface AdminPorts {
  readonly control: ControlGroup;
  readonly view: ClusterView;
  readonly proposer: Pick<ControlProposer, 'propose'>;
  readonly calls: Pick<LeaderCalls, 'call'>;
  readonly clock: Clock;
  readonly leaderOf: (group: GroupId) => BrokerId | null;
}

export function createAdmin({ control, view, proposer, calls, clock, leaderOf }: AdminPorts): AdminService {
  const leader = () => control.raft.status.leader;

  /** @returns the value of its result. */
  function change(wanted: ControlChange, call?: SessionCall): Promise<number> {
    return new Promise((resolve, reject) => {
      proposer.propose(wanted, (outcome) => settle(outcome, resolve, reject), call);
    });
  }

  /** Resolves when this broker has applied everything that was acknowledged before the call. */
  async function caughtUp(): Promise<void> {
    const deadline = clock.monotonic() + limits.control.readDeadlineMs;
    const index = await new Promise<number>((resolve, reject) => {
      calls.call({ what: 'read' }, leader, deadline, (outcome) => settle(outcome, resolve, reject));
    });
    await new Promise<void>((resolve, reject) => {
      const late = clock.after(Math.max(1, deadline - clock.monotonic()), () => {
        watching.unsubscribe();
        reject(new VedetteError('UNAVAILABLE', 'this broker lags behind the control group', { retryAfterMs: 200 }));
      });
      const watching = control.applied.subscribe((applied) => {
        if (applied < index) return;
        late.cancel();
        // It may hold at once, before there is a subscription to end.
        clock.defer(() => watching.unsubscribe());
        resolve();
      });
    });
  }

  function admission(): Admission {
    const { cluster, founding, brokers, membersAt } = control.state;
    if (cluster === null || founding === null) throw new VedetteError('UNAVAILABLE', 'the cluster is not founded yet');
    const { shards, replicas, members } = founding;
    return {
      clusterId: cluster,
      shards,
      replicas,
      founders: Object.entries(members).map(([id, grpc]) => ({ id, grpc })),
      brokers: [...brokers.values()].map(({ id, grpcAddress }) => ({ id, grpc: grpcAddress })),
      membersAt,
    };
  }

  return {
    status: () => view.status(),
    nodes: () => view.nodes(),
    async config() {
      await caughtUp();
      const { version, values } = control.state.config;
      return { version, config: configFrom(values) };
    },
    openSession: () => change({ sessionOpened: {} }),
    async setConfig(version, config, call) {
      const values = checkConfig(config);
      const agreed = await change({ configChanged: { version, values } }, call);
      return { version: agreed, config: configFrom(values) };
    },
    async addBroker(broker, call) {
      const { id, grpc, http, zone } = checkNewBroker(broker);
      await change({ brokerAdded: { brokerId: id, grpcAddress: grpc, httpAddress: http, zone } }, call);
      await caughtUp();
      return admission();
    },
    async removeBroker(name, call) {
      // What is agreed on decides; what this broker knows may be old.
      await caughtUp();
      const leaver = parseMember(name, control.state.brokers, 'id');
      checkRemoval(leaver, control.state.brokers, view.nodes());
      await change({ brokerLeaving: { brokerId: leaver } }, call);
    },
    async snapshot(name) {
      const group = parseGroup(name, view.status().shards.length);
      const { snapshotDeadlineMs } = limits.control;
      const deadline = clock.monotonic() + snapshotDeadlineMs;
      return new Promise<number>((resolve, reject) => {
        const done = (outcome: QuestionOutcome) => settle(outcome, resolve, reject);
        calls.call({ what: 'snapshot', group }, () => leaderOf(group), deadline, done, snapshotDeadlineMs);
      });
    },
    async transfer(name, to) {
      const group = parseGroup(name, view.status().shards.length);
      const heir = parseMember(to, control.state.brokers, 'to');
      const deadline = clock.monotonic() + limits.control.deadlineMs;
      await new Promise<number>((resolve, reject) => {
        const done = (outcome: QuestionOutcome) => settle(outcome, resolve, reject);
        calls.call({ what: 'transfer', group, to: heir }, () => leaderOf(group), deadline, done);
      });
    },
  };
}

/** `control`, or `shard-N`. @throws VedetteError INVALID_ARGUMENT naming the nearest right thing. */
function parseGroup(name: string, shards: number): GroupId {
  if (name === 'control') return name;
  const shard = Number(/^shard-(0|[1-9]\d*)$/.exec(name)?.[1] ?? Number.NaN);
  if (shard < shards) return shardGroup(shard);
  throw invalidArgument(
    'group',
    `${JSON.stringify(name)} is no group: there are control and shard-0 to shard-${shards - 1}`,
  );
}

function settle(
  outcome: QuestionOutcome,
  resolve: (value: number) => void,
  reject: (error: VedetteError) => void,
): void {
  if (outcome.outcome === 'unknown')
    return reject(new VedetteError('DEADLINE_EXCEEDED', `whether it was done is not known: ${outcome.message}`));
  if (outcome.outcome === 'notDone')
    return reject(
      new VedetteError(outcome.code, outcome.message, outcome.code === 'UNAVAILABLE' ? { retryAfterMs: 500 } : {}),
    );
  const { code, message, field, value } = outcome.result;
  if (code === '') resolve(value);
  else reject(new VedetteError(code as ErrorCode, message, field === '' ? {} : { field }));
}
