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

/** `disk slow`, `membership add`, `crash`. */
const labelOf = (step: Step): string => ('kind' in step ? `${step.fault} ${step.kind}` : step.fault);

export function tally(totals: Map<string, Tally>, brought: readonly Brought[]): void {
  for (const { step, touched } of brought) {
    const label = labelOf(step);
    const total = totals.get(label) ?? { brought: 0, effective: 0 };
    totals.set(label, total);
    total.brought++;
    if (touched > 0) total.effective++;
  }
}

export const tallyText = (totals: ReadonlyMap<string, Tally>): string =>
  [...totals]
    .toSorted()
    .map(([label, { brought, effective }]) => `${label} ${effective}/${brought}`)
    .join(', ');
