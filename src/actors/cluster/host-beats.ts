// Heartbeats of hosts on their way from the broker that heard them to the leader of their shard: once a second, one message per leader.
// Where there is no link to the leader, another broker passes them on, once.
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { HostBeat, HostBeats } from '../../streams/envelope.ts';
import type { Directory } from '../directory.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';
import { isLinked, relayTo } from './ways.ts';

export interface HostBeatRounds {
  /** From another broker: only those count whose shard has its leader here, or to whose leader they are to be passed on. */
  receive(beats: HostBeats): void;
  stop(): void;
}

export interface HostBeatPorts {
  readonly directory: Pick<Directory, 'self' | 'shards' | 'shardOf' | 'leaderOf'>;
  readonly peers: Pick<Peers, 'views' | 'send'>;
  readonly clock: Clock;
  /** Heard since the last call. */
  readonly take: () => readonly HostBeat[];
}

export function createHostBeatRounds({ directory, peers, clock, take }: HostBeatPorts): HostBeatRounds {
  let round = 0;

  function deliver(beats: readonly HostBeat[]): void {
    for (const beat of beats) directory.shards.get(directory.shardOf(beat.host))?.beats([beat]);
  }

  /** Returns those to whose leader there is no way from here. */
  function route(beats: readonly HostBeat[]): HostBeat[] {
    const byLeader = new Map<BrokerId, HostBeat[]>();
    const left: HostBeat[] = [];
    for (const beat of beats) {
      const leader = directory.leaderOf(directory.shardOf(beat.host));
      if (leader === null || (leader !== directory.self && !isLinked(peers.views, leader))) left.push(beat);
      else {
        const others = byLeader.get(leader);
        if (others === undefined) byLeader.set(leader, [beat]);
        else others.push(beat);
      }
    }
    for (const [leader, hosts] of byLeader) {
      if (leader === directory.self) deliver(hosts);
      else peers.send(leader, { kind: 'beats', hosts, relay: false });
    }
    return left;
  }

  const rounds = repeat(clock, limits.peers.beatMs, () => {
    const hosts = route(take());
    // Where nobody leads they are lost: the next leader begins with a fresh timeout for every host.
    const relay = hosts.length > 0 ? relayTo(peers.views, null, round++) : null;
    if (relay !== null) peers.send(relay, { kind: 'beats', hosts, relay: true });
  });

  return {
    receive({ hosts, relay }) {
      if (relay) route(hosts);
      else deliver(hosts);
    },
    stop: () => rounds.cancel(),
  };
}
