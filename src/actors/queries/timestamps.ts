// google.protobuf.Timestamp and milliseconds.
import { invalidArgument } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';

export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

/** Of the years 1 to 9999, as the type's definition has it. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;

/**
 * Null when none was given.
 * @throws VedetteError INVALID_ARGUMENT naming `field`.
 */
export function parseInstant(
  time: { seconds?: number | null; nanos?: number | null } | null | undefined,
  field: string,
): Instant | null {
  if (time === null || time === undefined) return null;
  const seconds = time.seconds ?? 0;
  const nanos = time.nanos ?? 0;
  if (!Number.isInteger(seconds) || seconds < SECONDS_MIN || seconds > SECONDS_MAX)
    throw invalidArgument(field, `${field}: ${seconds} s is not within the years 1 to 9999`);
  if (!Number.isInteger(nanos) || nanos < 0 || nanos > 999_999_999)
    throw invalidArgument(field, `${field}: ${nanos} ns is not within a second`);
  return { seconds, nanos };
}

export const isAfter = (a: Instant, b: Instant): boolean =>
  a.seconds > b.seconds || (a.seconds === b.seconds && a.nanos > b.nanos);

/** The first whole millisecond at or after it: rows from then on are at or after it. */
export const ceilMillis = ({ seconds, nanos }: Instant): Millis => seconds * 1000 + Math.ceil(nanos / 1e6);

/** The last whole millisecond at or before it. */
export const floorMillis = ({ seconds, nanos }: Instant): Millis => seconds * 1000 + Math.floor(nanos / 1e6);

export function toInstant(ms: Millis): Instant {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
