// Times, selectors and ranges as they come in a URL.
import { invalidArgument } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';

/**
 * Milliseconds since 1970, or RFC 3339.
 * @throws VedetteError INVALID_ARGUMENT naming `field`.
 */
export function parseTime(text: string, field: string): Millis {
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isSafeInteger(ms)) {
    throw invalidArgument(
      field,
      `${field} ${JSON.stringify(text)} is neither milliseconds since 1970 nor RFC 3339 (2026-01-31T12:00:00Z)`,
    );
  }
  return ms;
}

export function toTimestamp(ms: Millis): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: (ms - seconds * 1000) * 1e6 };
}

export function fromTimestamp(
  timestamp: { seconds?: number | null; nanos?: number | null } | null | undefined,
): Millis | null {
  if (timestamp === null || timestamp === undefined) return null;
  return (timestamp.seconds ?? 0) * 1000 + Math.floor((timestamp.nanos ?? 0) / 1e6);
}

/** `a,b{x=1,y=2},c` → its three selectors: commas inside braces belong to the labels. */
export function splitSelectors(text: string): string[] {
  const selectors: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '{') depth++;
    if (character === '}') depth--;
    if (character !== undefined && (character !== ',' || depth > 0)) continue;
    const selector = text.slice(start, at).trim();
    if (selector !== '') selectors.push(selector);
    start = at + 1;
  }
  return selectors;
}
