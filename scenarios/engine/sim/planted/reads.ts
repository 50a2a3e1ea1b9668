// Bugs of what is answered, and when.
import type { Decision, Leadership } from '../../../../src/machines/raft/context.ts';
import * as leading from '../../../../src/machines/raft/leading.ts';
import { groupWith } from './around.ts';
import { chartWith } from './chart.ts';
import type { Planted } from './planted.ts';

export const withoutQuorum: Planted = {
  group: (group, clock) =>
    groupWith(group, {
      read: (done) => (group.status.role === 'leader' ? clock.defer(() => done(null)) : group.read(done)),
    }),
};

/** The first entry of a term need not be committed before reads are answered: the leader may not know yet what was. */
export function beforeNoop(): Planted {
  const early =
    (decide: Decision): Decision =>
    (context, event) => {
      const { leadership } = context;
      if (leadership === null) return decide(context, event);
      const { changes, ...outcome } = decide({ ...context, leadership: { ...leadership, termStart: 0 } }, event);
      const kept: Leadership | null = changes?.leadership ?? null;
      if (changes === undefined || kept === null) return { ...outcome, ...(changes && { changes }) };
      return { ...outcome, changes: { ...changes, leadership: { ...kept, termStart: leadership.termStart } } };
    };
  return chartWith({
    askRound: early(leading.askRound),
    takeHeartbeatReply: early(leading.takeHeartbeatReply),
    takeAppendReply: early(leading.takeAppendReply),
  });
}

export const timeoutIsFailure: Planted = {
  group: (group) =>
    groupWith(group, {
      propose: (payload, timeoutMs, done) =>
        group.propose(payload, timeoutMs, (outcome) =>
          done(
            outcome.outcome === 'unknown' ? { outcome: 'notApplied', reason: 'overwritten', leader: null } : outcome,
          ),
        ),
    }),
};

export const twice: Planted = {
  group: (group) =>
    groupWith(group, {
      propose(payload, timeoutMs, done) {
        group.propose(payload, timeoutMs, done);
        if (payload.length % 7 === 0) group.propose(payload, timeoutMs, () => {});
      },
    }),
};
