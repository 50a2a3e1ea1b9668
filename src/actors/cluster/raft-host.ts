// All Raft groups that have a member on this broker: what is one for all of them. They beat together, so that what they say to a peer
// in that turn is one frame.
import type { BrokerId, GroupId } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Pulse, RaftEnvelope } from '../../streams/envelope.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { RaftGroup, StateMachine } from '../raft-group.ts';
import { createRaftNode, type RaftNodeOptions } from '../raft-node.ts';
import type { SnapshotPorts } from '../raft/group-snapshots.ts';
import type { LogStore } from '../stores/log.ts';
import { createPulses } from './pulses.ts';

export interface RaftHost {
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  create(group: GroupId, members: readonly BrokerId[], machine: StateMachine): RaftGroup;
  /** Its member here was stopped: nothing is received for it any more. */
  remove(group: GroupId): void;
  /** Messages that do not come from the member that they name, or for groups that have no member here, are dropped. */
  receive(from: BrokerId, envelopes: readonly RaftEnvelope[]): void;
  pulse(from: BrokerId, pulse: Pulse): void;
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
  readonly sendPulse: (to: BrokerId, pulse: Pulse) => void;
  readonly options: RaftNodeOptions;
  readonly snapshots?: SnapshotPorts;
  readonly warn?: (message: string) => void;
  readonly failed: (error: Error) => void;
}

export function createRaftHost(ports: RaftHostPorts): RaftHost {
  const { self, clock, random, log, inspector, options, failed } = ports;
  const groups = new Map<GroupId, RaftGroup>();
  /** How many members of each group there have been: no two of them draw the same, or one could be taken for the other. */
  const lives = new Map<GroupId, number>();
  const pulses = createPulses({
    self,
    groups,
    clock,
    random: random.fork('pulses'),
    heartbeatMs: options.heartbeatMs,
    electionMinMs: options.electionMinMs,
    electionMaxMs: options.electionMaxMs,
    send: ports.sendPulse,
  });

  return {
    groups,
    create(group, members, machine) {
      const life = lives.get(group) ?? 0;
      lives.set(group, life + 1);
      // Where nothing was ever written a member may have been, whose disk was lost (beginning.ts).
      const isNew = log.recovered(group).isNew;
      const node = createRaftNode({
        self,
        group,
        members,
        ...(isNew ? { sound: false } : {}),
        clock,
        random: random.fork(life === 0 ? group : `${group}/${life}`),
        log,
        inspector,
        outbox: (envelope) => ports.send(envelope.message.to, envelope),
        machine,
        options,
        ...(ports.snapshots === undefined ? {} : { snapshots: ports.snapshots }),
        link: (leader, term, heardAt) => pulses.news(leader, group, term, heardAt),
        ...(ports.warn === undefined ? {} : { warn: ports.warn }),
        failed,
      });
      groups.set(group, node);
      return node;
    },
    remove: (group) => void groups.delete(group),
    receive(from, envelopes) {
      for (const envelope of envelopes)
        if (envelope.message.from === from) groups.get(envelope.group)?.receive(envelope);
    },
    pulse: (from, pulse) => pulses.receive(from, pulse),
    peerOpened(peer) {
      pulses.opened(peer);
      for (const group of groups.values()) group.peerOpened(peer);
    },
    peerClosed(peer) {
      pulses.closed(peer);
      for (const group of groups.values()) group.peerClosed(peer);
    },
    stop: () => pulses.stop(),
  };
}
