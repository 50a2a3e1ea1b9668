// Three brokers' Raft hosts on virtual time, with pulses between them, over links that can be delayed, cut and lossy.
import { strict as assert } from 'node:assert';
import { createRaftHost, type RaftHost } from '../../src/actors/cluster/raft-host.ts';
import type { RaftNodeOptions } from '../../src/actors/raft-node.ts';
import type { BrokerId, GroupId, Millis } from '../../src/core/ids.ts';
import { type ClockView, createClockView } from '../../src/streams/clock-view.ts';
import type { Pulse, RaftEnvelope } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryLog } from './memory-log.ts';

export interface Host {
  readonly id: BrokerId;
  readonly raft: RaftHost;
  readonly clock: ClockView;
}

const OPTIONS: RaftNodeOptions = {
  heartbeatMs: 50,
  electionMinMs: 250,
  electionMaxMs: 500,
  closedConnectionHint: true,
};

export function createHosts(groups: readonly GroupId[], seed: number, options: Partial<RaftNodeOptions> = {}) {
  const clock = createVirtualClock();
  const random = createRandom(seed);
  const inspector = createInspector({ clock });
  const ids = ['a', 'b', 'c'] as BrokerId[];
  const hosts = new Map<BrokerId, Host>();
  const sent: { readonly at: Millis; readonly envelope: RaftEnvelope }[] = [];
  const pulses: { readonly from: BrokerId; readonly to: BrokerId; readonly pulse: Pulse }[] = [];
  const cuts = new Set<string>();
  const traffic = {
    delay: (_from: BrokerId, _to: BrokerId): Millis => 1,
    loses: (_envelope: RaftEnvelope): boolean => false,
  };

  function deliver(from: BrokerId, to: BrokerId, act: (host: Host) => void): void {
    if (cuts.has(`${from}>${to}`)) return;
    clock.after(traffic.delay(from, to), () => {
      const target = hosts.get(to);
      if (target !== undefined && !cuts.has(`${from}>${to}`)) target.clock.enter(() => act(target));
    });
  }

  function host(id: string): Host {
    const found = hosts.get(id as BrokerId);
    assert.ok(found, `no host ${id}`);
    return found;
  }

  for (const id of ids) {
    const view = createClockView(clock);
    const raft = createRaftHost({
      self: id,
      clock: view,
      random: random.fork(id),
      log: createMemoryLog({ clock: view, disk: new Map() }),
      inspector,
      send(to, envelope) {
        sent.push({ at: clock.monotonic(), envelope });
        if (!traffic.loses(envelope)) deliver(id, to, ({ raft: target }) => target.receive(id, [envelope]));
      },
      sendPulse(to, pulse) {
        pulses.push({ from: id, to, pulse });
        deliver(id, to, ({ raft: target }) => target.pulse(id, pulse));
      },
      options: { ...OPTIONS, ...options },
      failed: (error) => {
        throw error;
      },
    });
    for (const group of groups) raft.create(group, ids, { apply() {} }).trust();
    hosts.set(id, { id, raft, clock: view });
  }
  for (const { id, raft } of hosts.values()) for (const other of ids) if (other !== id) raft.peerOpened(other);

  return {
    clock,
    inspector,
    hosts,
    sent,
    pulses,
    traffic,
    host,
    cut(from: string, to: string) {
      cuts.add(`${from}>${to}`);
    },
    open(a: string, b: string) {
      host(a).raft.peerOpened(b as BrokerId);
      host(b).raft.peerOpened(a as BrokerId);
    },
    close(a: string, b: string) {
      host(a).raft.peerClosed(b as BrokerId);
      host(b).raft.peerClosed(a as BrokerId);
    },
    leaderOf(group: GroupId): Host | undefined {
      return [...hosts.values()].find(({ raft }) => raft.groups.get(group)?.status.serving === true);
    },
    terms: (group: GroupId): number[] =>
      [...hosts.values()].map(({ raft }) => raft.groups.get(group)?.status.term ?? -1),
    /** Runs until each group has a leader that all follow, and a moment more. */
    settled(): void {
      const end = clock.monotonic() + 10_000;
      const isLed = (group: GroupId) => {
        const leader = this.leaderOf(group)?.id;
        return (
          leader !== undefined &&
          [...hosts.values()].every(({ raft }) => raft.groups.get(group)?.status.leader === leader)
        );
      };
      while (!groups.every(isLed)) assert.ok(clock.monotonic() < end && clock.step(), 'every group finds its leader');
      clock.advance(1_000);
    },
    stop(): void {
      for (const { raft } of hosts.values()) {
        raft.stop();
        for (const group of raft.groups.values()) group.stop();
      }
    },
  };
}
