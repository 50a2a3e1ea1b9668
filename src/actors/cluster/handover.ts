// Before a broker stops in order it hands over what it leads, so that nobody has to notice that it is gone.
//
//   each group led here ─▶ a voter that keeps up ─▶ leads, or does not take over in time ─▶ done
//
// A group that has nobody to take over goes without: the others elect somebody when the connection closes. It takes no longer than a
// transfer has patience.
import type { Clock } from '../../streams/clock.ts';
import type { RaftGroup } from '../raft-group.ts';

/** @param done is called once, never synchronously, when every group has been handed over or was not to be. */
export function handOver(groups: Iterable<RaftGroup>, clock: Clock, done: () => void): void {
  let left = 1;
  const settle = (): void => {
    left--;
    if (left === 0) done();
  };
  for (const group of groups) {
    const { role, configuration } = group.status;
    // Those that could take over are known only to whoever leads: of itself it knows nothing.
    const to = role === 'leader' ? configuration.configuration.voters.find((voter) => group.keepsUp(voter)) : undefined;
    if (to === undefined) continue;
    left++;
    group.transfer(to, settle);
  }
  clock.defer(settle);
}
