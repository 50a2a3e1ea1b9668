// One question that several can answer: they are asked one after another, the next one as soon as one has failed or is slow. The first
// answer counts, so one that hangs costs a moment, not its whole deadline.
import { describeError, VedetteError } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';

export interface FirstAnswerOptions<Candidate> {
  readonly clock: Clock;
  /** Without an answer for so long the next one is asked as well; null: never are two asked at once. */
  readonly patienceMs: Millis | null;
  /** False: the others would fail like this, too. */
  readonly worthAnother: (error: unknown) => boolean;
  readonly nameOf: (candidate: Candidate) => string;
  /** What it means that none has answered, in words. */
  readonly nobody: string;
}

/** @throws VedetteError UNAVAILABLE that names each one and its cause; whatever is not worth asking another for, as it is. */
export function firstAnswer<Candidate, Answer>(
  candidates: readonly Candidate[],
  ask: (candidate: Candidate) => Promise<Answer>,
  { clock, patienceMs, worthAnother, nameOf, nobody }: FirstAnswerOptions<Candidate>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const failures: string[] = [];
    let asked = 0;
    let over = false;
    let patience: Timer | null = null;

    function end(settle: () => void): void {
      if (over) return;
      over = true;
      patience?.cancel();
      settle();
    }

    function askNext(): void {
      patience?.cancel();
      const candidate = candidates[asked];
      if (over || candidate === undefined) return;
      asked++;
      if (patienceMs !== null) patience = clock.after(patienceMs, askNext);
      ask(candidate).then(
        (answer) => end(() => resolve(answer)),
        (error: unknown) => failed(candidate, error),
      );
    }

    function failed(candidate: Candidate, error: unknown): void {
      if (!worthAnother(error)) return end(() => reject(error));
      failures.push(`${nameOf(candidate)}: ${describeError(error)}`);
      if (failures.length === candidates.length) endEmpty(failures.join('; '));
      else askNext();
    }

    function endEmpty(causes: string): void {
      end(() => reject(new VedetteError('UNAVAILABLE', `${nobody} (${causes})`, { retryAfterMs: 500 })));
    }

    if (candidates.length === 0) endEmpty('none is known yet');
    else askNext();
  });
}
