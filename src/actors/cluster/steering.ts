// What it takes to steer the cluster from any broker: changes of what it agreed on, and what only a group's leader can do.
//
//   admin ─▶ proposer ─▶ leader calls ─▶ questions ─▶ the leader's broker, over its link or through one other ─▶ its groups
import { unreachable } from '../../core/assert.ts';
import { doneResult } from '../../core/control-sessions.ts';
import { type ErrorCode, VedetteError } from '../../core/errors.ts';
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
        return snapshot(question.group, done);
      case 'transfer':
        return done({ outcome: 'notDone', code: 'UNIMPLEMENTED', message: 'not in this release', leader: null });
      default:
        unreachable(question);
    }
  }

  function snapshot(group: GroupId, done: (outcome: QuestionOutcome) => void): void {
    const member = groups.get(group);
    const no = (code: ErrorCode, message: string) => done({ outcome: 'notDone', code, message, leader: null });
    if (member === undefined) return no('UNAVAILABLE', `${self} has no member of ${group}`);
    member.snapshot((error, index) => {
      if (error === null) done({ outcome: 'done', result: doneResult(index) });
      else no(error instanceof VedetteError ? error.code : 'INTERNAL', error.message);
    });
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
