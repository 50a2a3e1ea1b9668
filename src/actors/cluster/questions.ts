// Questions to one certain broker, and their answers. Without a link to it, another broker that has one passes the question on, and
// brings the answer back: two hops at most.
//
//   asker ──question──▶ broker that answers                  asker ──question──▶ relay ──question, relayed──▶ broker that answers
//
// Invariants
//   1. Each question ends in exactly one outcome, told once, and never synchronously.
//   2. What may have reached the broker that answers and was not answered is unknown; what certainly did not is not done.
//   3. What was asked over a stream is answered over that stream or not at all: an answer over a later one could be taken for the
//      answer to another question, of the asking broker's next process.
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { AskedQuestion, GivenAnswer, Question, QuestionOutcome } from '../../streams/envelope.ts';
import type { Peers } from './peer-interface.ts';
import { isLinked, relayTo } from './ways.ts';

export interface Questions {
  ask(to: BrokerId, question: Question, timeoutMs: Millis, done: (outcome: QuestionOutcome) => void): void;
  receive(from: BrokerId, message: AskedQuestion | GivenAnswer): void;
  /** The stream to it ended. */
  peerLost(peer: BrokerId): void;
  stop(): void;
}

export interface QuestionsPorts {
  readonly self: BrokerId;
  readonly peers: Pick<Peers, 'views' | 'send'>;
  readonly clock: Clock;
  /** Of this broker itself; `done` once. */
  readonly answer: (question: Question, timeoutMs: Millis, done: (outcome: QuestionOutcome) => void) => void;
}

interface Asked {
  /** Whom the question was sent to: the one who answers, or a relay. */
  readonly via: BrokerId;
  readonly timer: Timer;
  readonly done: (outcome: QuestionOutcome) => void;
}

const notDone = (code: 'UNAVAILABLE' | 'RESOURCE_EXHAUSTED', message: string): QuestionOutcome => ({
  outcome: 'notDone',
  code,
  message,
  leader: null,
});

export function createQuestions({ self, peers, clock, answer }: QuestionsPorts): Questions {
  const asked = new Map<number, Asked>();
  /** How many streams to each broker have ended. */
  const ended = new Map<BrokerId, number>();
  let nextRequest = 1;
  let stopped = false;

  function end(requestId: number, outcome: QuestionOutcome): void {
    const question = asked.get(requestId);
    if (question === undefined) return;
    asked.delete(requestId);
    question.timer.cancel();
    question.done(outcome);
  }

  /** The broker itself, or one that may pass the question on; null: nobody. */
  function wayTo(to: BrokerId, relayed: boolean): BrokerId | null {
    if (isLinked(peers.views, to)) return to;
    return relayed ? null : relayTo(peers.views, to, nextRequest);
  }

  function send(
    to: BrokerId,
    question: Question,
    relayed: boolean,
    timeoutMs: Millis,
    done: (outcome: QuestionOutcome) => void,
  ): void {
    const via = stopped ? null : wayTo(to, relayed);
    if (via === null || asked.size >= limits.control.questionsMax) {
      const outcome =
        via === null
          ? notDone('UNAVAILABLE', `${self} has no link to ${to}`)
          : notDone('RESOURCE_EXHAUSTED', `${asked.size} questions are on their way to other brokers`);
      clock.defer(() => done(outcome));
      return;
    }
    const requestId = nextRequest++;
    const timer = clock.after(timeoutMs, () =>
      end(requestId, { outcome: 'unknown', message: `${to} did not answer within ${Math.round(timeoutMs)} ms` }),
    );
    asked.set(requestId, { via, timer, done });
    peers.send(via, { kind: 'question', requestId, to, relayed, timeoutMs, question });
  }

  function serve(from: BrokerId, { requestId, to, relayed, timeoutMs, question }: AskedQuestion): void {
    const stream = ended.get(from) ?? 0;
    const reply = (result: QuestionOutcome) => {
      if ((ended.get(from) ?? 0) === stream) peers.send(from, { kind: 'answer', requestId, result });
    };
    if (to === self) answer(question, timeoutMs, reply);
    else if (relayed) reply(notDone('UNAVAILABLE', `${self} is not ${to}, and the question was passed on already`));
    else send(to, question, true, timeoutMs, reply);
  }

  return {
    ask(to, question, timeoutMs, done) {
      if (to !== self) send(to, question, false, timeoutMs, done);
      else if (stopped) clock.defer(() => done(notDone('UNAVAILABLE', `${self} is stopping`)));
      else clock.defer(() => answer(question, timeoutMs, done));
    },
    receive(from, message) {
      if (stopped) return;
      if (message.kind === 'question') serve(from, message);
      else if (asked.get(message.requestId)?.via === from) end(message.requestId, message.result);
    },
    peerLost(peer) {
      ended.set(peer, (ended.get(peer) ?? 0) + 1);
      for (const [requestId, { via }] of [...asked])
        if (via === peer) end(requestId, { outcome: 'unknown', message: `the link to ${peer} broke` });
    },
    stop() {
      stopped = true;
      for (const requestId of [...asked.keys()]) end(requestId, { outcome: 'unknown', message: `${self} is stopping` });
    },
  };
}
