// Heartbeats of hosts on their way from the broker that heard them to the leader of their shard: once a second, one message per leader.
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { HostBeat } from '../../streams/envelope.ts';
import type { Directory } from '../directory.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';

export interface HostBeatRounds {
  /** From another broker, or from here: only those count whose shard has its leader here. */
  deliver(beats: readonly HostBeat[]): void;
  stop(): void;
}

export interface HostBeatPorts {
  readonly directory: Pick<Directory, 'self' | 'shards' | 'shardOf' | 'leaderOf'>;
  readonly peers: Pick<Peers, 'send'>;
  readonly clock: Clock;
  /** Heard since the last call. */
  readonly take: () => readonly HostBeat[];
}

export function createHostBeatRounds({ directory, peers, clock, take }: HostBeatPorts): HostBeatRounds {
  function deliver(beats: readonly HostBeat[]): void {
    for (const beat of beats) directory.shards.get(directory.shardOf(beat.host))?.beats([beat]);
  }

  const rounds = repeat(clock, limits.peers.beatMs, () => {
    const byLeader = new Map<BrokerId, HostBeat[]>();
    for (const beat of take()) {
      // Without a leader it is lost: the next one begins with a fresh timeout for every host.
      const leader = directory.leaderOf(directory.shardOf(beat.host));
      if (leader === null) continue;
      const beats = byLeader.get(leader);
      if (beats === undefined) byLeader.set(leader, [beat]);
      else beats.push(beat);
    }
    for (const [leader, hosts] of byLeader) {
      if (leader === directory.self) deliver(hosts);
      else peers.send(leader, { kind: 'beats', hosts });
    }
  });

  return { deliver, stop: () => rounds.cancel() };
}
