// What it takes to steer the cluster from any broker: changes of what it agreed on, and what only a group's leader can do.
//
//   admin ─▶ proposer ─▶ leader calls ─▶ questions ─▶ the leader's broker, over its link or through one other ─▶ its groups
import { unreachable } from '../../core/assert.ts';
import type { BrokerId, GroupId, Millis } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Question, QuestionOutcome } from '../../streams/envelope.ts';
import type { Random } from '../../streams/random.ts';
import type { AdminService } from '../admin-service.ts';
import type { RaftGroup } from '../raft-group.ts';
import { createAdmin } from './admin.ts';
import type { ClusterView } from './cluster-view.ts';
import type { ControlGroup } from './control-group.ts';
import { createControlProposer } from './control-proposer.ts';
import { createLeaderCalls } from './leader-calls.ts';
import { createOrders } from './orders.ts';
import type { Peers } from './peer-interface.ts';
import { createQuestions, type Questions } from './questions.ts';

export interface Steering extends Pick<Questions, 'receive' | 'peerLost'> {
  readonly admin: AdminService;
  stop(): void;
}

export interface SteeringPorts {
  readonly self: BrokerId;
  readonly control: ControlGroup;
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  /** As far as this broker knows. */
  readonly leaderOf: (group: GroupId) => BrokerId | null;
  readonly view: ClusterView;
  readonly peers: Pick<Peers, 'views' | 'send'>;
  readonly clock: Clock;
  readonly random: Random;
}

export function createSteering(ports: SteeringPorts): Steering {
  const { self, control, groups, view, peers, clock, random } = ports;
  const orders = createOrders(self, groups);
  const questions = createQuestions({ self, peers, clock, answer });
  const calls = createLeaderCalls({ clock, random, ask: (...asked) => questions.ask(...asked) });
  const proposer = createControlProposer({ clock, calls, leader: () => control.raft.status.leader });

  function answer(question: Question, timeoutMs: Millis, done: (outcome: QuestionOutcome) => void): void {
    switch (question.what) {
      case 'propose':
        return control.propose(question.entry, timeoutMs, done);
      case 'read':
        return control.confirm(done);
      case 'snapshot':
        return orders.snapshot(question.group, done);
      case 'transfer':
        return orders.transfer(question.group, question.to, done);
      default:
        unreachable(question);
    }
  }

  return {
    admin: createAdmin({ control, view, proposer, calls, clock, leaderOf: ports.leaderOf }),
    receive: (from, message) => questions.receive(from, message),
    peerLost: (peer) => questions.peerLost(peer),
    stop() {
      proposer.stop();
      calls.stop();
      questions.stop();
    },
  };
}
