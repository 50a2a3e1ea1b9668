// What only a group's leader can do, done by this broker's member of the group when it is the one that leads.
import { doneResult } from '../../core/control-sessions.ts';
import { type ErrorCode, VedetteError } from '../../core/errors.ts';
import type { BrokerId, GroupId } from '../../core/ids.ts';
import type { QuestionOutcome } from '../../streams/envelope.ts';
import type { RaftGroup } from '../raft-group.ts';

type Done = (outcome: QuestionOutcome) => void;

export interface Orders {
  /** `done` once. */
  snapshot(group: GroupId, done: Done): void;
  transfer(group: GroupId, to: BrokerId, done: Done): void;
}

export function createOrders(self: BrokerId, groups: ReadonlyMap<GroupId, RaftGroup>): Orders {
  const no = (code: ErrorCode, message: string, leader: BrokerId | null = null): QuestionOutcome => ({
    outcome: 'notDone',
    code,
    message,
    leader,
  });
  const failed = (error: Error, leader: BrokerId | null): QuestionOutcome =>
    no(error instanceof VedetteError ? error.code : 'INTERNAL', error.message, leader);

  function withMember(group: GroupId, done: Done, act: (member: RaftGroup) => void): void {
    const member = groups.get(group);
    if (member === undefined) done(no('UNAVAILABLE', `${self} has no member of ${group}`));
    else act(member);
  }

  return {
    snapshot(group, done) {
      withMember(group, done, (member) =>
        member.snapshot((error, index) => {
          if (error === null) done({ outcome: 'done', result: doneResult(index) });
          else done(failed(error, null));
        }),
      );
    },
    transfer(group, to, done) {
      withMember(group, done, (member) => {
        const { leader } = member.status;
        // Asked for again, after the answer was lost; or it led already.
        if (leader === to) return done({ outcome: 'done', result: doneResult() });
        if (leader !== self) return done(no('UNAVAILABLE', `${self} does not lead ${group}`, leader));
        if (!member.members.includes(to))
          return done(no('FAILED_PRECONDITION', `${to} is no member of ${group}: ${member.members.join(', ')} are`));
        member.transfer(to, (error) => {
          if (error === null) done({ outcome: 'done', result: doneResult() });
          else done(failed(error, member.status.leader));
        });
      });
    },
  };
}
