// Errors between the program and gRPC. The code is the status; `vedette-field` and `vedette-retry-after-ms` in the trailers carry
// what the status has no place for.
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, VedetteError } from '../../core/errors.ts';

const FIELD = 'vedette-field';
const RETRY_AFTER = 'vedette-retry-after-ms';

const CODES = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  ABORTED: status.ABORTED,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  DATA_LOSS: status.DATA_LOSS,
  INTERNAL: status.INTERNAL,
} as const satisfies Record<ErrorCode, status>;

const NAMES = new Map<number, ErrorCode>(Object.entries(CODES).map(([name, code]) => [code, name as ErrorCode]));

/** What a server answers. What is no VedetteError is a bug: its text stays here. */
export function toStatus(error: unknown): { code: status; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  if (!(error instanceof VedetteError)) return { code: status.INTERNAL, details: 'internal error', metadata };
  if (error.field !== undefined) metadata.set(FIELD, error.field);
  if (error.retryAfterMs !== undefined) metadata.set(RETRY_AFTER, String(error.retryAfterMs));
  return { code: CODES[error.code], details: error.message, metadata };
}

/** What a client makes of a status. A connection that failed is UNAVAILABLE; a call that this side ended is ABORTED. */
export function fromStatus(error: ServiceError): VedetteError {
  const code = error.code === status.CANCELLED ? 'ABORTED' : (NAMES.get(error.code) ?? 'INTERNAL');
  const [field] = error.metadata?.get(FIELD) ?? [];
  const [retryAfter] = error.metadata?.get(RETRY_AFTER) ?? [];
  return new VedetteError(code, error.details || error.message, {
    ...(field === undefined ? {} : { field: String(field) }),
    ...(retryAfter === undefined ? {} : { retryAfterMs: Number(retryAfter) }),
  });
}
