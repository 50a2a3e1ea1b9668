// All Raft groups that have a member on this broker: what is one for all of them. They beat together, so that what they say to a peer
// in that turn is one frame.
import type { BrokerId, GroupId } from '../../core/ids.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { RaftGroup, StateMachine } from '../raft-group.ts';
import { createRaftNode, type RaftNodeOptions } from '../raft-node.ts';
import type { LogStore } from '../stores/log.ts';
import { repeat } from './repeat.ts';

export interface RaftHost {
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  create(group: GroupId, members: readonly BrokerId[], machine: StateMachine): RaftGroup;
  /** Messages that do not come from the member that they name, or for groups that have no member here, are dropped. */
  receive(from: BrokerId, envelopes: readonly RaftEnvelope[]): void;
  peerOpened(peer: BrokerId): void;
  peerClosed(peer: BrokerId): void;
  /** No more beats. The groups themselves are stopped by those who asked for them. */
  stop(): void;
}

export interface RaftHostPorts {
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogStore;
  readonly inspector: Inspector;
  readonly send: (to: BrokerId, envelope: RaftEnvelope) => void;
  readonly options: RaftNodeOptions;
  readonly failed: (error: Error) => void;
}

export function createRaftHost(ports: RaftHostPorts): RaftHost {
  const { self, clock, random, log, inspector, options, failed } = ports;
  const groups = new Map<GroupId, RaftGroup>();
  const beating: Timer = repeat(clock, options.heartbeatMs, () => {
    for (const group of groups.values()) group.beat();
  });

  return {
    groups,
    create(group, members, machine) {
      const node = createRaftNode({
        self,
        group,
        members,
        clock,
        random: random.fork(group),
        log,
        inspector,
        outbox: (envelope) => ports.send(envelope.message.to, envelope),
        machine,
        options,
        failed,
      });
      groups.set(group, node);
      return node;
    },
    receive(from, envelopes) {
      for (const envelope of envelopes)
        if (envelope.message.from === from) groups.get(envelope.group)?.receive(envelope);
    },
    peerOpened(peer) {
      for (const group of groups.values()) group.peerOpened(peer);
    },
    peerClosed(peer) {
      for (const group of groups.values()) group.peerClosed(peer);
    },
    stop: () => beating.cancel(),
  };
}
