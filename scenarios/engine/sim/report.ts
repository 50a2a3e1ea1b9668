// What people read of a run.
import { invalidArgument } from '../../../src/core/errors.ts';
import type { Brought } from './nemesis.ts';
import type { Step } from './schedule.ts';
import type { SimResult } from './simulation.ts';

/** `17` or `1..500`. @throws Error that says what was expected. */
export function parseSeeds(text: string): { readonly first: number; readonly last: number } {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  const first = Number(match?.[1] ?? Number.NaN);
  const last = Number(match?.[2] ?? first);
  if (!Number.isInteger(first) || !(last >= first))
    throw invalidArgument('seeds', `seeds are a number or a range such as 1..500, not ${JSON.stringify(text)}`);
  return { first, last };
}

/** The seed, what was broken, the options, and the last things that happened. */
export function describeFailure({ options, failure, tail }: SimResult): string {
  const { seed, ...drawn } = options;
  return [
    `seed ${seed}: ${failure?.message ?? 'passed'}`,
    `options ${JSON.stringify(drawn)}`,
    ...tail,
    `again: node --import tsx scenarios/engine/sim/main.ts ${seed} --trace`,
    '',
  ].join('\n');
}

/** How often a kind of fault was brought, and how many of those touched anything. */
export interface Tally {
  brought: number;
  effective: number;
}

/** `disk slow`, `disk full snapshots`, `membership add`, `clock jump`, `crash`. */
function labelOf(step: Step): string {
  const words: string[] = [step.fault, ...('kind' in step ? [step.kind] : [])];
  if (step.fault === 'disk' && step.files !== 'log') words.push(step.files);
  if (step.fault === 'disk' && step.group !== null) words.push('one group');
  if (step.fault === 'clock') {
    if (step.driftPpm !== 0) words.push('drift');
    if (step.skewMs !== 0) words.push('skew');
    if (step.jumpMs !== 0) words.push('jump');
    if (step.leapMs !== 0) words.push('leap');
  }
  return words.join(' ');
}

function count(totals: Map<string, Tally>, label: string, touched: boolean): void {
  const total = totals.get(label) ?? { brought: 0, effective: 0 };
  totals.set(label, total);
  total.brought++;
  if (touched) total.effective++;
}

export function tally(totals: Map<string, Tally>, brought: readonly Brought[]): void {
  for (const { step, touched, places } of brought) {
    count(totals, labelOf(step), touched > 0);
    for (const place of places) count(totals, `${labelOf(step)} ${place}`, true);
  }
}

export const tallyText = (totals: ReadonlyMap<string, Tally>): string =>
  [...totals]
    .toSorted()
    .map(([label, { brought, effective }]) => `${label} ${effective}/${brought}`)
    .join(', ');
