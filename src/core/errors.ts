// One error type for everything that a user or another program is told. `code` is the gRPC status name; it is what goes on
// the wire, into HTTP answers and WebSocket messages, so that one table of meanings serves all three.

export type ErrorCode =
  | 'INVALID_ARGUMENT' // the request is wrong whatever the state; `field` says where
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'FAILED_PRECONDITION' // the state is wrong for this request, and waiting does not help
  | 'RESOURCE_EXHAUSTED' // a limit or backpressure
  | 'UNAVAILABLE' // not now: retry, after `retryAfterMs` when given
  | 'DEADLINE_EXCEEDED' // the outcome is unknown
  | 'ABORTED'
  | 'UNIMPLEMENTED'
  | 'DATA_LOSS' // a checksum or a chain does not hold
  | 'INTERNAL';

export interface ErrorDetails {
  readonly field?: string;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

export class VedetteError extends Error {
  override readonly name = 'VedetteError';
  readonly code: ErrorCode;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
  }
}

export function invalidArgument(field: string, message: string): VedetteError {
  return new VedetteError('INVALID_ARGUMENT', message, { field });
}

export function unavailable(message: string, retryAfterMs = 200): VedetteError {
  return new VedetteError('UNAVAILABLE', message, { retryAfterMs });
}

/** The text for people of anything that was thrown. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
