// Tokens of the next page: opaque to clients, bound to the request they came from.
import { invalidArgument } from '../../core/errors.ts';
import { hash32 } from '../../core/hash.ts';

const VERSION = 1;

/** @param request what must be the same on every page. @param next where to go on. */
export function encodePageToken(request: string, next: string): string {
  return Buffer.from(JSON.stringify([VERSION, hash32(request), next])).toString('base64url');
}

/** @throws VedetteError INVALID_ARGUMENT, field `page_token`. */
export function decodePageToken(token: string, request: string): string {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch {
    parts = null;
  }
  if (!Array.isArray(parts) || parts[0] !== VERSION || typeof parts[2] !== 'string') {
    throw invalidArgument('page_token', 'the page token is malformed: give it back as it was received');
  }
  if (parts[1] !== hash32(request)) throw invalidArgument('page_token', 'the page token belongs to another request');
  return parts[2];
}
