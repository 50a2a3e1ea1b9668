// Who must agree, as the checkers and the faults see it: a majority of the voters, and of those before them while a change is under way.
import type { BrokerId } from '../../../src/core/ids.ts';
import type { Configuration } from '../../../src/machines/raft/membership.ts';

const isMajority = (voters: readonly BrokerId[], has: (voter: BrokerId) => boolean): boolean =>
  voters.filter(has).length > voters.length / 2;

/** Can those decide alone? */
export function isQuorum({ voters, outgoing }: Configuration, has: (voter: BrokerId) => boolean): boolean {
  return isMajority(voters, has) && (outgoing.length === 0 || isMajority(outgoing, has));
}

/**
 * Do those keep what is committed? Whoever is elected later has a majority of the voters of the newest committed configuration, be the
 * change to it over or not; while a leader ends it, its own log names them alone, so that what it commits may lie on no more.
 */
export function isKeptBy({ voters }: Configuration, has: (voter: BrokerId) => boolean): boolean {
  return isMajority(voters, has);
}

/**
 * Can those decide alone, whichever of those who are about to become voters do so meanwhile? They do so one by one: it is worst while only
 * others have.
 */
export function isQuorumThroughout(configuration: Configuration, has: (voter: BrokerId) => boolean): boolean {
  const others = configuration.joining.filter((id) => !has(id));
  return isQuorum(configuration, has) && isMajority([...configuration.voters, ...others], has);
}
