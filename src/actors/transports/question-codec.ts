// Questions and answers between brokers ↔ their messages in proto/vedette/v1/peer.proto.
import { unreachable } from '../../core/assert.ts';
import { resultFromProto } from '../../core/control-sessions.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { type BrokerId, groupFromNumber, groupNumber } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import type { AskedQuestion, GivenAnswer, Question, QuestionOutcome } from '../../streams/envelope.ts';

const OUTCOMES = ['unknown', 'done', 'notDone'] as const satisfies QuestionOutcome['outcome'][];

export function encodeQuestion({ requestId, to, relayed, timeoutMs, question }: AskedQuestion): vedette.v1.IQuestion {
  return { requestId, to, relayed, timeoutMs: Math.ceil(timeoutMs), ...encodeBody(question) };
}

function encodeBody(question: Question): vedette.v1.IQuestion {
  switch (question.what) {
    case 'propose':
      return { controlEntry: question.entry };
    case 'read':
      return { read: {} };
    case 'transfer':
      return { transfer: { group: groupNumber(question.group), to: question.to } };
    case 'snapshot':
      return { snapshot: { group: groupNumber(question.group) } };
    default:
      return unreachable(question);
  }
}

/** Undefined for a question that this version does not know: nobody is answered, and the asking side gives up in time. */
export function decodeQuestion(message: vedette.v1.IQuestion): AskedQuestion | undefined {
  const question = decodeBody(message);
  if (question === undefined) return undefined;
  const { requestId, to, relayed, timeoutMs } = message;
  return {
    kind: 'question',
    requestId: requestId ?? 0,
    to: (to ?? '') as BrokerId,
    relayed: relayed ?? false,
    timeoutMs: timeoutMs ?? 0,
    question,
  };
}

function decodeBody({ controlEntry, read, transfer, snapshot }: vedette.v1.IQuestion): Question | undefined {
  if (transfer)
    return { what: 'transfer', group: groupFromNumber(transfer.group ?? 0), to: (transfer.to ?? '') as BrokerId };
  if (snapshot) return { what: 'snapshot', group: groupFromNumber(snapshot.group ?? 0) };
  if (read) return { what: 'read' };
  return controlEntry ? { what: 'propose', entry: controlEntry } : undefined;
}

export function encodeAnswer({ requestId, result }: GivenAnswer): vedette.v1.IAnswer {
  const head = { requestId, outcome: OUTCOMES.indexOf(result.outcome) };
  switch (result.outcome) {
    case 'done':
      return { ...head, ...result.result };
    case 'notDone':
      return { ...head, code: result.code, message: result.message, leader: result.leader ?? '' };
    case 'unknown':
      return { ...head, message: result.message };
    default:
      return unreachable(result);
  }
}

export function decodeAnswer(answer: vedette.v1.IAnswer): GivenAnswer {
  return { kind: 'answer', requestId: answer.requestId ?? 0, result: decodeOutcome(answer) };
}

function decodeOutcome(answer: vedette.v1.IAnswer): QuestionOutcome {
  const { code, message, leader } = answer;
  const outcome = OUTCOMES[answer.outcome ?? 0] ?? 'unknown';
  switch (outcome) {
    case 'done':
      return { outcome, result: resultFromProto(answer) };
    case 'notDone':
      return {
        outcome,
        code: (code || 'UNAVAILABLE') as ErrorCode,
        message: message ?? '',
        leader: leader ? (leader as BrokerId) : null,
      };
    case 'unknown':
      return { outcome, message: message ?? '' };
    default:
      return unreachable(outcome);
  }
}
