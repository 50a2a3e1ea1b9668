// Where a shard is read: at its leader, here or passed on to the broker that leads it, tried again while leadership changes hands; or
// at any replica, where that is enough.
import { describeError, unavailable, VedetteError } from '../../core/errors.ts';
import type { BrokerId, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { CallOptions, MonitorClient } from '../monitor-client.ts';
import type { Shard } from '../shard.ts';

/** How to answer from a replica here, and how to have another broker answer. */
export interface Reading<T> {
  here(shard: Shard): T;
  there(client: MonitorClient, options: CallOptions): Promise<T>;
}

export interface ReachShard {
  /**
   * Sees everything acknowledged before the call. @param forwarded the caller is a broker: answered here or not at all.
   * @throws VedetteError whatever the leader answered; UNAVAILABLE when none was found in time.
   */
  atLeader<T>(shard: ShardId, forwarded: boolean, reading: Reading<T>): Promise<T>;
  /** Sees what the replica that answers has applied. @throws as `atLeader`. */
  anywhere<T>(shard: ShardId, forwarded: boolean, reading: Reading<T>): Promise<T>;
  /** Resolves when this replica is known to lead, and to have applied what was acknowledged before. @throws UNAVAILABLE. */
  confirm(shard: Shard): Promise<void>;
  /** Who is to be asked for a shard, in this turn; null: nobody is known. */
  leader(shard: ShardId, turn: number): BrokerId | null;
  replica(shard: ShardId, turn: number): BrokerId | null;
  /** @throws UNAVAILABLE when it takes too long. */
  within<T>(ms: Millis, what: string, answer: Promise<T>): Promise<T>;
  pause(): Promise<void>;
}

const { deadlineMs, attemptMs, confirmMs, retryMs } = limits.queries;

/** Another attempt may go better. */
export const isTransient = (error: unknown): boolean =>
  error instanceof VedetteError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED');

export function createReachShard(directory: Directory, clock: Clock): ReachShard {
  /** Of shards without a replica here: who answered for them last as their leader. */
  const answered = new Map<ShardId, BrokerId>();

  /** Those whose link is up come first. */
  function replicas(shard: ShardId): BrokerId[] {
    const up = new Set(directory.brokers.filter(({ state }) => state === 'up').map(({ id }) => id));
    const others = directory.replicasOf(shard).filter((id) => id !== directory.self);
    return [...others.filter((id) => up.has(id)), ...others.filter((id) => !up.has(id))];
  }

  function leader(shard: ShardId, turn: number): BrokerId | null {
    const told = directory.leaderOf(shard);
    // A replica here hears of every change. Without one what was heard may be long past, so that all are asked in turn.
    if (directory.shards.has(shard)) return told;
    const order = new Set(
      [answered.get(shard), told ?? undefined, ...replicas(shard)].filter((id) => id !== undefined),
    );
    return [...order][turn % Math.max(1, order.size)] ?? null;
  }

  function within<T>(ms: Millis, what: string, answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = clock.after(ms, () => reject(unavailable(what)));
      answer.then(
        (value) => {
          timer.cancel();
          resolve(value);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error instanceof Error ? error : unavailable(describeError(error)));
        },
      );
    });
  }

  const pause = () =>
    new Promise<void>((resolve) => {
      clock.after(retryMs, resolve);
    });

  function confirm({ id, raft }: Shard): Promise<void> {
    const confirmed = new Promise<void>((resolve, reject) => {
      raft.read((error) => (error === null ? resolve() : reject(error)));
    });
    return within(confirmMs, `no quorum of shard ${id} has answered its leader ${directory.self}`, confirmed);
  }

  function ask<T>(broker: BrokerId, left: Millis, { there }: Reading<T>): Promise<T> {
    const client = directory.client(broker);
    if (client === null) throw unavailable(`no way to ${broker} is known`);
    const deadline = Math.max(1, Math.min(attemptMs, left));
    return within(deadline, `${broker} has not answered`, there(client, { forwarded: true, deadlineMs: deadline }));
  }

  async function tryLeader<T>(shard: ShardId, turn: number, left: Millis, reading: Reading<T>): Promise<T> {
    const broker = leader(shard, turn);
    const local = directory.shards.get(shard);
    if (broker === null) throw unavailable(`shard ${shard} has no leader just now`);
    if (broker === directory.self && local !== undefined) {
      await confirm(local);
      return reading.here(local);
    }
    const answer = await ask(broker, left, reading);
    answered.set(shard, broker);
    return answer;
  }

  function replicaHere(shard: ShardId): Shard {
    const local = directory.shards.get(shard);
    if (local === undefined) throw unavailable(`${directory.self} holds no replica of shard ${shard}`);
    return local;
  }

  return {
    leader,
    replica: (shard, turn) => {
      const order = replicas(shard);
      return order[turn % Math.max(1, order.length)] ?? null;
    },
    within,
    pause,
    confirm,
    async atLeader(shard, forwarded, reading) {
      if (forwarded) {
        const local = replicaHere(shard);
        await confirm(local);
        return reading.here(local);
      }
      const until = clock.monotonic() + deadlineMs;
      for (let turn = 0; ; turn++) {
        try {
          return await tryLeader(shard, turn, until - clock.monotonic(), reading);
        } catch (error) {
          if (!isTransient(error)) throw error;
          if (clock.monotonic() + retryMs >= until)
            throw unavailable(`shard ${shard} could not be read: ${describeError(error)}`);
        }
        await pause();
      }
    },
    async anywhere(shard, forwarded, reading) {
      const local = directory.shards.get(shard);
      if (local !== undefined || forwarded) return reading.here(replicaHere(shard));
      let last: unknown = unavailable(`shard ${shard} has no replica that is known here`);
      for (const broker of replicas(shard)) {
        try {
          return await ask(broker, deadlineMs, reading);
        } catch (error) {
          if (!isTransient(error)) throw error;
          last = error;
        }
      }
      throw unavailable(`no replica of shard ${shard} answers: ${describeError(last)}`);
    },
  };
}
