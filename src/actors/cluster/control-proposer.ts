// Changes of the control group's state, each made once, however often it has to be proposed.
//
//   propose ──▶ waits for the one before it ──▶ session (opened when there is none) ──▶ its next call ──▶ the leader, until it is known
//
// Invariants
//   1. A change is applied at most once: all attempts are one call of one session (core/control-sessions.ts).
//   2. A session has one call under way. A later call makes an earlier one, whose outcome stayed unknown, impossible for good.
import { type ControlResult, SESSION_EXPIRED } from '../../core/control-sessions.ts';
import { type ControlChange, encodeControlEntry } from '../../core/control-state.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { QuestionOutcome } from '../../streams/envelope.ts';
import type { CallDone, LeaderCalls } from './leader-calls.ts';

/** A call of a session that the caller opened itself. */
export interface SessionCall {
  readonly session: number;
  readonly sequence: number;
}

export interface ControlProposer {
  /** In a session of this broker's own, or as the caller's call. `done` exactly once. */
  propose(change: ControlChange, done: (outcome: QuestionOutcome) => void, call?: SessionCall): void;
  stop(): void;
}

export interface ControlProposerPorts {
  readonly clock: Clock;
  readonly calls: Pick<LeaderCalls, 'call'>;
  /** Of the control group, as far as this broker knows. */
  readonly leader: () => BrokerId | null;
}

interface Work {
  readonly change: ControlChange;
  readonly deadline: Millis;
  readonly done: (outcome: QuestionOutcome) => void;
}

const { deadlineMs, waitingMax } = limits.control;

const STOPPING: QuestionOutcome = {
  outcome: 'notDone',
  code: 'UNAVAILABLE',
  message: 'this broker is stopping',
  leader: null,
};
const TOO_MANY: QuestionOutcome = {
  outcome: 'notDone',
  code: 'RESOURCE_EXHAUSTED',
  message: `${waitingMax} changes of the cluster are waiting`,
  leader: null,
};

export function createControlProposer({ clock, calls, leader }: ControlProposerPorts): ControlProposer {
  const waiting: Work[] = [];
  let current: Work | null = null;
  let session: number | null = null;
  let sequence = 0;
  let stopped = false;

  function propose(change: ControlChange, call: SessionCall | null, deadline: Millis, done: CallDone): void {
    const entry = encodeControlEntry({ stampMs: clock.now(), ...change, ...(call === null ? {} : { call }) });
    calls.call({ what: 'propose', entry }, leader, deadline, done);
  }

  function next(): void {
    if (current !== null) return;
    const work = waiting.shift();
    if (work === undefined) return;
    current = work;
    withSession(work, (outcome) => {
      current = null;
      work.done(outcome);
      next();
    });
  }

  function withSession(work: Work, done: (outcome: QuestionOutcome) => void): void {
    if (session !== null) return callIn(session, work, done);
    propose({ sessionOpened: {} }, null, work.deadline, (outcome) => {
      if (outcome.outcome === 'notDone') return done(outcome);
      // Whether a session was opened is unknown; nothing was asked in it.
      if (outcome.outcome === 'unknown')
        return done({ outcome: 'notDone', code: 'UNAVAILABLE', message: outcome.message, leader: null });
      session = outcome.result.value;
      sequence = 0;
      callIn(session, work, done);
    });
  }

  function callIn(id: number, work: Work, done: (outcome: QuestionOutcome) => void): void {
    propose(work.change, { session: id, sequence: ++sequence }, work.deadline, (outcome, unsettled) => {
      if (outcome.outcome !== 'done' || !isExpired(outcome.result)) return done(outcome);
      session = null;
      // An earlier attempt may have been applied before the session expired: that cannot be told any more.
      if (unsettled) done({ outcome: 'unknown', message: outcome.result.message });
      else withSession(work, done);
    });
  }

  return {
    propose(change, done, call) {
      const deadline = clock.monotonic() + deadlineMs;
      if (stopped || (call === undefined && waiting.length >= waitingMax)) {
        const outcome = stopped ? STOPPING : TOO_MANY;
        clock.defer(() => done(outcome));
        return;
      }
      if (call !== undefined) return propose(change, call, deadline, (outcome) => done(outcome));
      waiting.push({ change, deadline, done });
      next();
    },
    stop() {
      stopped = true;
      for (const { done } of waiting.splice(0)) done(STOPPING);
    },
  };
}

const isExpired = ({ code, field }: ControlResult): boolean =>
  code === 'FAILED_PRECONDITION' && field === SESSION_EXPIRED;
