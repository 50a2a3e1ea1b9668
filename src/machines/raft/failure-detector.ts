// How long silence is usual on a link, just now: an accrual detector in small (cf. TigerBeetle's fault detector, and Jacobson's
// estimate for TCP). Regular arrivals leave nothing to wait for; where they come in jerks, as under an overloaded processor, the
// jerks are learnt, and a leader is not deposed for them.
//
// Invariants
//   1. One long gap teaches nothing: it takes two of them, so that a pause that ended does not slow the next detection.
//   2. What was learnt fades by half in HALF_LIFE_MS, and patience never exceeds FACTOR times the longest gap that is believed.
import type { Millis } from '../../core/ids.ts';

interface Gap {
  readonly ms: Millis;
  readonly at: Millis;
}

/** The two longest gaps, as they have faded. */
export interface FailureDetector {
  readonly longest: Gap;
  readonly second: Gap;
}

const HALF_LIFE_MS: Millis = 20_000;
const FACTOR = 1.5;

const NONE: Gap = { ms: 0, at: 0 };
export const newDetector: FailureDetector = { longest: NONE, second: NONE };

const faded = ({ ms, at }: Gap, now: Millis): Millis => ms * 0.5 ** ((now - at) / HALF_LIFE_MS);

/** Something arrived at `at`, `gap` after what came before. @param believedMax a longer gap counts as this long. */
export function arrived(
  { longest, second }: FailureDetector,
  gap: Millis,
  at: Millis,
  believedMax: Millis,
): FailureDetector {
  const seen = { ms: Math.min(gap, believedMax), at };
  if (seen.ms >= faded(longest, at)) return { longest: seen, second: longest };
  return seen.ms >= faded(second, at) ? { longest, second: seen } : { longest, second };
}

/** Silence shorter than this is usual. */
export function patience({ second }: FailureDetector, at: Millis): Millis {
  return FACTOR * faded(second, at);
}
