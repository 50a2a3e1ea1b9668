// Client sessions of the control group (Ongaro, "Consensus: Bridging Theory and Practice", section 6.3): a proposal that is made again
// after its outcome stayed unknown is applied once.
//
//   open ──▶ session (the index of that entry) ──▶ call 1, 2, 3 … ──▶ unused for long, or too many others ──▶ expired
//
// Invariants
//   1. Of one session, a call is applied only if its number is above that of every call before; the last one made again gets the result
//      that is recorded.
//   2. A call whose session is not known is never applied: whether it was applied before cannot be told any more.
//   3. What expires, and when, follows from the log alone: from the stamps of its entries and their order. So all replicas agree.
import type { vedette } from './proto.ts';
import type { LogIndex, Millis } from './ids.ts';

/** What became of an entry: `code` '' is done, else a gRPC status name, and nothing was changed. */
export interface ControlResult {
  readonly code: string;
  readonly message: string;
  readonly field: string;
  /** The session's id, or the configuration's version. */
  readonly value: number;
}

export type Verdict =
  | { readonly verdict: 'new' }
  | { readonly verdict: 'again'; readonly result: ControlResult }
  /** Never to be applied. */
  | { readonly verdict: 'refused'; readonly result: ControlResult };

export interface ControlSessions {
  readonly count: number;
  /** The entry at `index` opens one. */
  open(index: LogIndex, now: Millis): void;
  judge(session: number, sequence: number, now: Millis): Verdict;
  /** Of a call that was judged new. */
  record(session: number, sequence: number, result: ControlResult): void;
  /** Those unused for too long are gone. */
  expire(now: Millis): void;
  encode(): vedette.v1.IControlSession[];
}

interface Session {
  sequence: number;
  result: ControlResult;
  usedMs: Millis;
}

/** What proposers look for: their session is gone. */
export const SESSION_EXPIRED = 'session';

export const refusedResult = (code: string, message: string, field = '', value = 0): ControlResult => ({
  code,
  message,
  field,
  value,
});
export const doneResult = (value = 0): ControlResult => ({ code: '', message: '', field: '', value });

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly idleMs: Millis;
}

/** @param saved from a snapshot: longest unused first. */
export function createControlSessions(
  { sessionsMax, idleMs }: SessionBounds,
  saved: readonly vedette.v1.IControlSession[] = [],
): ControlSessions {
  /** In order of use: the first is the one unused for longest. */
  const sessions = new Map<number, Session>(
    saved.map(({ session, sequence, result, usedMs }) => [
      session ?? 0,
      { sequence: sequence ?? 0, result: resultFromProto(result ?? {}), usedMs: usedMs ?? 0 },
    ]),
  );

  return {
    get count() {
      return sessions.size;
    },
    open(index, now) {
      sessions.set(index, { sequence: 0, result: doneResult(), usedMs: now });
      for (const id of sessions.keys()) {
        if (sessions.size <= sessionsMax) break;
        sessions.delete(id);
      }
    },
    judge(id, sequence, now) {
      const session = sessions.get(id);
      if (session === undefined)
        return {
          verdict: 'refused',
          result: refusedResult('FAILED_PRECONDITION', `session ${id} has expired`, SESSION_EXPIRED),
        };
      sessions.delete(id);
      sessions.set(id, session);
      session.usedMs = now;
      if (sequence > session.sequence) return { verdict: 'new' };
      if (sequence === session.sequence) return { verdict: 'again', result: session.result };
      return {
        verdict: 'refused',
        result: refusedResult('ABORTED', `call ${sequence} of session ${id} came after call ${session.sequence}`),
      };
    },
    record(id, sequence, result) {
      const session = sessions.get(id);
      if (session === undefined) return;
      session.sequence = sequence;
      session.result = result;
    },
    expire(now) {
      for (const [id, { usedMs }] of sessions) {
        if (now - usedMs <= idleMs) break;
        sessions.delete(id);
      }
    },
    encode: () =>
      [...sessions].map(([session, { sequence, result, usedMs }]) => ({ session, sequence, result, usedMs })),
  };
}

export function resultFromProto({ code, message, field, value }: vedette.v1.IControlResult): ControlResult {
  return { code: code ?? '', message: message ?? '', field: field ?? '', value: value ?? 0 };
}
