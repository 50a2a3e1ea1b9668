// Checks that several calls share.
import { invalidArgument } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { vedette } from '../../core/proto.ts';

/** @throws VedetteError INVALID_ARGUMENT when there are too many names or globs, or one is empty. */
export function checkPatterns(patterns: readonly string[], field: string): void {
  const { patternsMax } = limits.queries;
  if (patterns.length > patternsMax)
    throw invalidArgument(field, `${patterns.length} names or globs; at most ${patternsMax} are taken`);
  if (patterns.includes('')) throw invalidArgument(field, 'a name is empty; leave the list empty for all, or write *');
}

/**
 * Is any replica enough?
 * @throws VedetteError INVALID_ARGUMENT for what is no consistency.
 */
export function isEventual(consistency: vedette.v1.Consistency): boolean {
  if (consistency === vedette.v1.Consistency.EVENTUAL) return true;
  if (consistency === vedette.v1.Consistency.LINEARIZABLE) return false;
  throw invalidArgument('consistency', `consistency ${consistency} is neither LINEARIZABLE (0) nor EVENTUAL (1)`);
}
