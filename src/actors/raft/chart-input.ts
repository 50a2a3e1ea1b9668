// What a member's chart begins with: its settings, and what was recovered.
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { RaftInput } from '../../machines/raft/context.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { RecoveredGroup } from '../stores/log.ts';
import { configurationsFrom } from './configurations.ts';

import type { RaftNodeOptions } from './options.ts';
import type { Start } from './start.ts';

interface Beginning {
  readonly self: BrokerId;
  /** The founders, or nobody. */
  readonly members: readonly BrokerId[];
  readonly options: RaftNodeOptions;
  readonly random: Random;
  readonly clock: Clock;
  /** False: the directory was lost. */
  readonly sound?: boolean;
}

export function inputFor(
  { self, members, options, random, clock, sound }: Beginning,
  recovered: RecoveredGroup,
  start: Start,
): RaftInput {
  const { inflightMax, inflightBytesMax, uncommittedBytesMax, diskPatienceMs } = limits.raft;
  return {
    self,
    configurations: configurationsFrom(members, start.configuration, recovered.configurations),
    sound: recovered.sound && sound !== false,
    options: {
      ...options,
      leaseReads: options.leaseReads ?? false,
      diskPatienceMs: options.diskPatienceMs ?? diskPatienceMs,
      boot: random.integer(1, 0xffff_ffff),
      inflightMax,
      inflightBytesMax,
      uncommittedBytesMax,
    },
    term: recovered.hard.term,
    votedFor: recovered.hard.votedFor,
    log: recovered,
    applied: start.position,
    seed: random.integer(0, 0xffff_ffff),
    at: clock.monotonic(),
  };
}
