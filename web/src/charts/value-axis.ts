// The value axis of a chart: what is in view of it, and what is written beside it.

export interface ValueAxis {
  /** What lies between two marks, smallest first. */
  readonly steps: readonly number[];
  /** At least so much is in view: what is smaller is a flat line, not noise that is magnified. */
  readonly least: number;
  readonly mark: (value: number) => string;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Marks lie at powers of two, so that they can be written in their units without rounding. */
function byteMark(value: number): string {
  if (value === 0) return '0';
  const unit = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log2(value) / 10)));
  return `${value / 1024 ** unit} ${UNITS[unit]}`;
}

export const byteAxis: ValueAxis = {
  steps: Array.from({ length: 53 }, (_, power) => 2 ** power),
  least: 1024,
  mark: byteMark,
};

export const byteRateAxis: ValueAxis = {
  ...byteAxis,
  mark: (value) => (value === 0 ? '0' : `${byteMark(value)}/s`),
};

/** What is in view: zero always, and no less than `least`. */
export function span(low: number | null, high: number | null, least = 0): [number, number] {
  const bottom = Math.min(0, low ?? 0);
  const top = Math.max(0, high ?? 0);
  const pad = (top - bottom) * 0.08;
  const [from, to] = [bottom < 0 ? bottom - pad : 0, top > 0 ? top + pad : 0];
  return from === to ? [0, least || 1] : [from, Math.max(to, from + least)];
}
