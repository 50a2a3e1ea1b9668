// A question for a group's leader, asked of whoever leads, again and again, until it is known what became of it.
//
//   ask ──▶ leader: done, with its result
//     ▲        │
//     └────────┴── unknown, or not done: again, later and later, of whoever leads now
//                  in vain until the deadline: not done; or, when an attempt was left without an answer, unknown
//
// Invariant: it ends as `notDone` only when no attempt may yet be carried out.
import type { ErrorCode } from '../../core/errors.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Question, QuestionOutcome } from '../../streams/envelope.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';

export interface LeaderCalls {
  /** @param attemptMs how long one attempt may take. @param done exactly once. @param leader as far as this broker knows. @param deadline by the monotonic clock. */
  call(question: Question, leader: () => BrokerId | null, deadline: Millis, done: CallDone, attemptMs?: Millis): void;
  /** Those under way end now. */
  stop(): void;
}

/** @param unsettled an attempt before the one that settled it, if any, was left without an answer. */
export type CallDone = (outcome: QuestionOutcome, unsettled: boolean) => void;

export interface LeaderCallsPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ask: (to: BrokerId, question: Question, timeoutMs: Millis, done: (outcome: QuestionOutcome) => void) => void;
}

const { retryBaseMs, retryMaxMs } = limits.control;
const BACKOFF = { baseMs: retryBaseMs, maxMs: retryMaxMs };

/** To ask the same again cannot do better. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set(['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'UNIMPLEMENTED']);

type NotDone = Extract<QuestionOutcome, { outcome: 'notDone' }>;
const LEADERLESS: NotDone = {
  outcome: 'notDone',
  code: 'UNAVAILABLE',
  message: 'the group has no leader just now',
  leader: null,
};

export function createLeaderCalls({ clock, random, ask }: LeaderCallsPorts): LeaderCalls {
  /** Ends each call that is under way. */
  const running = new Set<() => void>();

  function call(
    question: Question,
    leader: () => BrokerId | null,
    deadline: Millis,
    done: CallDone,
    attemptMs: Millis = limits.control.attemptMs,
  ): void {
    let attempts = 0;
    let hint: BrokerId | null = null;
    let unsettled: string | null = null;
    let asking = false;
    let reason = LEADERLESS;
    let timer: Timer | null = null;

    const end = (outcome: QuestionOutcome) => {
      if (!running.delete(giveUp)) return;
      timer?.cancel();
      done(outcome, unsettled !== null);
    };
    const giveUp = () => {
      if (asking) unsettled = 'it was given up before the leader answered';
      end(unsettled === null ? reason : { outcome: 'unknown', message: unsettled });
    };
    running.add(giveUp);

    function attempt(): void {
      const left = deadline - clock.monotonic();
      if (left <= 0) return giveUp();
      const to = hint ?? leader();
      hint = null;
      if (to === null) return later();
      asking = true;
      ask(to, question, Math.min(attemptMs, left), heard);
    }

    function heard(outcome: QuestionOutcome): void {
      if (!running.has(giveUp)) return;
      asking = false;
      if (outcome.outcome === 'done') return end(outcome);
      if (outcome.outcome === 'unknown') unsettled = outcome.message;
      else {
        reason = outcome;
        hint = outcome.leader;
        if (FOR_GOOD.has(outcome.code)) return giveUp();
      }
      later();
    }

    function later(): void {
      const delay = Math.max(1, backoffDelay(++attempts, BACKOFF, random));
      timer = clock.after(Math.min(delay, Math.max(0, deadline - clock.monotonic())), attempt);
    }

    attempt();
  }

  return {
    call,
    stop() {
      for (const giveUp of [...running]) giveUp();
    },
  };
}
