// Calls that only a shard's leader may answer: here, when this broker leads; else passed on to the one that does. Tried again
// while leadership is changing hands, until the time is up.
import { describeError, unavailable, VedetteError } from '../../core/errors.ts';
import type { Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { MonitorClient } from '../monitor-client.ts';
import type { Shard } from '../shard.ts';

export interface ReachLeader {
  /**
   * @param forwarded the caller is a broker: answer here or not at all.
   * @throws VedetteError whatever the leader answered; UNAVAILABLE when none was found in time.
   */
  <T>(
    shard: ShardId,
    forwarded: boolean,
    here: (shard: Shard) => T,
    there: (client: MonitorClient, deadlineMs: Millis) => Promise<T>,
  ): Promise<T>;
}

export function createReachLeader(directory: Directory, clock: Clock): ReachLeader {
  const { deadlineMs, retryMs } = limits.queries;
  const pause = () => new Promise<void>((resolve) => clock.after(retryMs, resolve));
  const isTransient = (error: unknown) =>
    error instanceof VedetteError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED');

  /** Through ReadIndex: what was acknowledged before the call is seen. */
  async function read<T>(shard: Shard, here: (shard: Shard) => T): Promise<T> {
    await new Promise<void>((resolve, reject) => {
      shard.raft.read((error) => (error === null ? resolve() : reject(error)));
    });
    return here(shard);
  }

  return async (shardId, forwarded, here, there) => {
    const until = clock.monotonic() + deadlineMs;
    const local = directory.shards.get(shardId);
    if (forwarded) {
      if (local === undefined) throw unavailable(`this broker holds no replica of shard ${shardId}`);
      return read(local, here);
    }
    for (let turn = 0; ; turn++) {
      try {
        const leader = directory.leaderOf(shardId);
        if (local !== undefined && leader === directory.self) return await read(local, here);
        const replicas = directory.replicasOf(shardId).filter((id) => id !== directory.self);
        // Without a replica here nobody may be known to lead: whoever is asked says who does, or does not answer for another.
        const asked = leader ?? (local === undefined ? replicas[turn % replicas.length] : undefined);
        const client = asked === undefined ? null : directory.client(asked);
        if (client === null) throw unavailable(`shard ${shardId} has no leader just now`);
        return await there(client, Math.max(1, until - clock.monotonic()));
      } catch (error) {
        if (!isTransient(error)) throw error;
        if (clock.monotonic() + retryMs >= until)
          throw unavailable(`shard ${shardId} could not be read: ${describeError(error)}`);
      }
      await pause();
    }
  };
}
