// Short decimals. A metric's definition says how many digits after the point mean anything: the kernel counts CPU time in
// hundredths of a second, so a ratio of two such counts over one second is not known to sixteen digits. The rest would only
// cost bytes.

const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6] as const;

/** Digits after the decimal point that a metric keeps. */
export type Decimals = 0 | 1 | 2 | 3 | 4 | 5 | 6;

/** `value` rounded to the nearest number of `decimals` digits (halves up). NaN and infinities pass as they are. */
export function roundTo(value: number, decimals: Decimals): number {
  const power = POWERS[decimals];
  const scaled = value * power;
  // Past 2^53 every double is whole already, and multiplying would only lose digits.
  return Math.abs(scaled) < 9007199254740992 ? Math.round(scaled) / power : value;
}
