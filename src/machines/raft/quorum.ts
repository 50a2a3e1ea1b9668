// Who has to agree: a majority of the voters, and while a change is under way a majority of each half (§4.3). Any two majorities of
// the same voters share a member, and on that all of Raft's safety rests (§3.6.3).
import type { BrokerId, LogIndex } from '../../core/ids.ts';
import type { Configuration } from './membership.ts';

/** How many of `members` are a majority. */
export function majorityOf(members: number): number {
  return Math.floor(members / 2) + 1;
}

/** The highest value that a majority of the voters has reached; 0 where there are no voters. One value for each voter. */
export function reachedByMajority(values: readonly LogIndex[]): LogIndex {
  const needed = majorityOf(values.length);
  let reached = values.length === 0 ? 0 : Number.NEGATIVE_INFINITY;
  // There are few, and this is asked at every answer: counting takes less than sorting them.
  for (const value of values) {
    if (value <= reached) continue;
    let count = 0;
    for (const other of values) if (other >= value) count++;
    if (count >= needed) reached = value;
  }
  return reached;
}

/** The highest value that a majority of each half has reached. */
export function reachedByQuorum({ voters, outgoing }: Configuration, valueOf: (voter: BrokerId) => number): number {
  const reached = reachedByMajority(voters.map(valueOf));
  return outgoing.length === 0 ? reached : Math.min(reached, reachedByMajority(outgoing.map(valueOf)));
}

export type Tally = 'won' | 'lost' | 'open';

/** Won: a majority said yes. Lost: so many said no that a majority can no longer say yes. Whoever is no voter does not count. */
export function tally(voters: readonly BrokerId[], votes: Readonly<Record<string, boolean>>): Tally {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes[voter];
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  const needed = majorityOf(voters.length);
  if (granted >= needed) return 'won';
  return refused > voters.length - needed ? 'lost' : 'open';
}

/** Each half has to say yes; one that cannot any more decides it. */
export function tallyOf({ voters, outgoing }: Configuration, votes: Readonly<Record<string, boolean>>): Tally {
  const incoming = tally(voters, votes);
  if (outgoing.length === 0) return incoming;
  const leaving = tally(outgoing, votes);
  if (incoming === 'lost' || leaving === 'lost') return 'lost';
  return incoming === 'won' && leaving === 'won' ? 'won' : 'open';
}
