// Has the control group's members follow from the cluster's brokers: the leader takes one step after another (machines/
// control-members.ts decides which), and looks again whenever something has changed, and now and then.
//
// Invariant: one step at a time; the next is decided when it is known what became of the one before.
import { merge } from 'rxjs';
import { unreachable } from '../../core/assert.ts';
import { encodeControlEntry } from '../../core/control-state.ts';
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type MembersStep, nextMembersStep } from '../../machines/control-members.ts';
import { isJoint } from '../../machines/raft/membership.ts';
import type { Clock } from '../../streams/clock.ts';
import type { RaftStatus } from '../raft-group.ts';
import type { ControlGroup } from './control-group.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';

export interface MemberKeeperPorts {
  readonly self: BrokerId;
  readonly control: Pick<ControlGroup, 'raft' | 'state' | 'changes' | 'propose'>;
  readonly peers: Pick<Peers, 'views' | 'changes'>;
  readonly clock: Clock;
  /** Of any shard, as their leaders tell; true also while that is not known. */
  readonly holdsReplicas: (broker: BrokerId) => boolean;
}

const { keeperEveryMs, keeperStepMs } = limits.control;

export function createMemberKeeper({ self, control, peers, clock, holdsReplicas }: MemberKeeperPorts): {
  stop(): void;
} {
  const { raft, state } = control;
  let busy = false;
  let turn = 0;
  let stopped = false;

  function link(broker: BrokerId): 'up' | 'away' | 'down' {
    const known = peers.views.find(({ id }) => id === broker)?.state;
    if (known === 'up' || known === 'suspect') return 'up';
    return known === 'connecting' ? 'away' : 'down';
  }

  function decide(): MembersStep | null {
    const { configuration, commit } = raft.status;
    const settled = commit >= configuration.index && !isJoint(configuration.configuration);
    return nextMembersStep({
      self,
      configuration: settled ? configuration.configuration : null,
      brokers: new Map(
        [...state.brokers].map(([id, { leaving, incarnation }]) => [id, { leaving, known: incarnation !== '' }]),
      ),
      link,
      holdsReplicas,
      turn,
    });
  }

  function look(): void {
    if (busy || stopped || !raft.status.serving || state.cluster === null) return;
    const step = decide();
    if (step === null) return;
    busy = true;
    take(step, raft.status);
  }

  /** Whatever came of it: what to do next follows from how things are then. */
  function over(): void {
    busy = false;
    clock.defer(look);
  }
  /** It could not be done now; it may be later. */
  function failed(): void {
    turn++;
    busy = false;
  }

  function take(step: MembersStep, { configuration }: RaftStatus): void {
    switch (step.step) {
      case 'change':
        return raft.changeMembership(configuration.index, step.target, keeperStepMs, ({ outcome }) =>
          outcome === 'changed' ? over() : failed(),
        );
      case 'handOver':
        return raft.transfer(step.to, (error) => (error === null ? over() : failed()));
      case 'forget': {
        const entry = encodeControlEntry({ stampMs: clock.now(), brokerRemoved: { brokerId: step.broker } });
        return control.propose(entry, keeperStepMs, ({ outcome }) => (outcome === 'done' ? over() : failed()));
      }
      default:
        unreachable(step);
    }
  }

  const watching = merge(raft.statusChanges, control.changes, peers.changes).subscribe(look);
  const looking = repeat(clock, keeperEveryMs, look);

  return {
    stop() {
      stopped = true;
      looking.cancel();
      watching.unsubscribe();
    },
  };
}
