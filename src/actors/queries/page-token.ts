// Tokens of the next page: opaque to clients, bound to the request they came from, good on every broker.
import { invalidArgument } from '../../core/errors.ts';
import { hash32 } from '../../core/hash.ts';

const VERSION = 1;

/** @param request what must be the same on every page. @param next where to go on. */
export function encodePageToken(request: string, next: string): string {
  const body = JSON.stringify([VERSION, hash32(request), next]);
  return Buffer.from(`${hash32(body).toString(36)} ${body}`).toString('base64url');
}

/** @throws VedetteError INVALID_ARGUMENT, field `page_token`. */
export function decodePageToken(token: string, request: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const space = text.indexOf(' ');
  const body = text.slice(space + 1);
  if (text.slice(0, Math.max(0, space)) !== hash32(body).toString(36)) throw malformed();
  const [version, of, next] = parse(body);
  if (version !== VERSION || typeof next !== 'string') throw malformed();
  if (of !== hash32(request)) throw invalidArgument('page_token', 'the page token belongs to another request');
  return next;
}

function parse(body: string): unknown[] {
  try {
    const parts: unknown = JSON.parse(body);
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

const malformed = () =>
  invalidArgument('page_token', 'the page token is malformed: give it back as it was received, or leave it empty');
