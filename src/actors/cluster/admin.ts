// Seeing and steering the cluster from this broker (actors/admin-service.ts): what another one must do is asked of it.
import { type ErrorCode, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { QuestionOutcome } from '../../streams/envelope.ts';
import type { AdminService } from '../admin-service.ts';
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
}

export function createAdmin({ control, view, proposer, calls, clock }: AdminPorts): AdminService {
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
  };
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
