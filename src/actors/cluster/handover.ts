// Before a broker stops in order it hands over what it leads, so that nobody has to notice that it is gone.
//
//   each group led here ─▶ a voter that is there and keeps up ─▶ leads, or does not take over in time ─▶ done
//
// Invariants
//   1. It ends within limits.supervisor.handOverMs, whatever Raft's timeouts are: whoever asked it to stop would end it by force. A
//      group that nobody has taken over by then, or that has nobody who could, goes without: the others elect somebody when the
//      connection closes.
//   2. A shard goes to the first that can take it in the order of its layout: each shard has one of its own, so that what one broker
//      led is spread over the others, and as it is to lie as long as this one is away. Where the layout names nobody, the group's number
//      chooses.
import { type BrokerId, type GroupId, groupNumber } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { RaftGroup } from '../raft-group.ts';

export interface HandOverPorts {
  readonly groups: Iterable<RaftGroup>;
  /** By the layout, in its order; nobody for a group that is laid nowhere. */
  readonly wanted: (group: GroupId) => readonly BrokerId[];
  /** It can be spoken to: one that has died looks as if it kept up, as long as nothing is written. */
  readonly isLinked: (broker: BrokerId) => boolean;
  readonly clock: Clock;
}

/** @param done is called once, never synchronously, when every group has been handed over or was not to be. */
export function handOver(ports: HandOverPorts, done: () => void): void {
  const { groups, clock } = ports;
  let left = 1;
  const patience = clock.after(limits.supervisor.handOverMs, () => {
    left = 0;
    done();
  });
  const settle = (): void => {
    // Too late otherwise: it was given up.
    if (left === 0) return;
    left--;
    if (left > 0) return;
    patience.cancel();
    done();
  };
  for (const group of groups) {
    const to = group.status.role === 'leader' ? heirOf(group, ports) : undefined;
    if (to === undefined) continue;
    left++;
    group.transfer(to, settle);
  }
  clock.defer(settle);
}

/** Those that could take over are known only to whoever leads: of itself it knows nothing. */
function heirOf(group: RaftGroup, { wanted, isLinked }: HandOverPorts): BrokerId | undefined {
  const { voters } = group.status.configuration.configuration;
  const able = voters.filter((voter) => group.keepsUp(voter) && isLinked(voter));
  return wanted(group.id).find((broker) => able.includes(broker)) ?? able[groupNumber(group.id) % able.length];
}
