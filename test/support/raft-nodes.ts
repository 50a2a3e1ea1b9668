// A few Raft actors of one group on a virtual clock: memory logs, a network with a fixed delay, beats at a common tick.
import { strict as assert } from 'node:assert';
import { createRaftNode, type RaftNodeOptions } from '../../src/actors/raft-node.ts';
import type { ProposalOutcome, RaftGroup } from '../../src/actors/raft-group.ts';
import type { LogEntry } from '../../src/actors/stores/log.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { RaftEnvelope } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryLog, type MemoryDisk, type MemoryLog } from './memory-log.ts';

export const OPTIONS: RaftNodeOptions = {
  heartbeatMs: 50,
  electionMinMs: 250,
  electionMaxMs: 500,
  closedConnectionHint: true,
};
const NETWORK_MS = 1;

export interface Node {
  readonly id: BrokerId;
  readonly disk: MemoryDisk;
  log: MemoryLog;
  group: RaftGroup;
  /** The chunks in which entries were applied. */
  chunks: (readonly LogEntry[])[];
  errors: Error[];
  alive: boolean;
}

const text = new TextDecoder();
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

export function createNodes(
  names: readonly string[],
  { options = OPTIONS, seed = 1 }: { options?: RaftNodeOptions; seed?: number } = {},
) {
  const clock = createVirtualClock();
  const random = createRandom(seed);
  const inspector = createInspector({ clock });
  const ids = names.map((name) => name as BrokerId);
  const nodes = new Map<string, Node>();
  const sent: RaftEnvelope[] = [];
  const cuts = new Set<string>();

  function node(name: string): Node {
    const found = nodes.get(name);
    assert.ok(found, `no node ${name}`);
    return found;
  }

  function carry(envelope: RaftEnvelope): void {
    sent.push(envelope);
    const { from, to } = envelope.message;
    if (cuts.has(`${from}>${to}`)) return;
    clock.after(NETWORK_MS, () => {
      const target = nodes.get(to);
      if (target?.alive === true && !cuts.has(`${from}>${to}`)) target.group.receive(envelope);
    });
  }

  function boot(id: BrokerId, disk: MemoryDisk): void {
    const log = createMemoryLog({ clock, disk });
    const chunks: Node['chunks'] = [];
    const errors: Error[] = [];
    let isGone = false;
    const group = createRaftNode({
      self: id,
      group: 'control',
      members: ids,
      clock,
      random: random.fork(`${id}/${clock.monotonic()}`),
      log,
      inspector,
      outbox: (envelope) => {
        assert.ok(!isGone, `${id} is stopped, and sends ${envelope.message.type}`);
        carry(envelope);
      },
      machine: { apply: (entries) => void chunks.push(entries) },
      options,
      failed: (error) => void errors.push(error),
    });
    const stop = group.stop.bind(group);
    group.stop = () => {
      stop();
      isGone = true;
    };
    nodes.set(id, { id, disk, log, group, chunks, errors, alive: true });
  }

  function beat(): void {
    for (const { group, alive } of nodes.values()) if (alive) group.beat();
    clock.after(options.heartbeatMs, beat);
  }

  for (const id of ids) boot(id, new Map());
  clock.after(options.heartbeatMs, beat);

  return {
    clock,
    inspector,
    sent,
    node,
    crash(name: string): void {
      const dying = node(name);
      dying.alive = false;
      dying.log.crash();
      dying.group.stop();
    },
    restart(name: string): void {
      boot(node(name).id, node(name).disk);
    },
    isolate(name: string): void {
      for (const other of ids) cuts.add(`${name}>${other}`).add(`${other}>${name}`);
    },
    heal: () => cuts.clear(),
    /** Runs until it holds. */
    until(holds: () => boolean, what: string, withinMs = 10_000): void {
      const end = clock.monotonic() + withinMs;
      while (!holds()) {
        assert.ok(clock.monotonic() < end && clock.step(), `not within ${withinMs} ms: ${what}`);
      }
    },
    leader(): Node | undefined {
      return [...nodes.values()].find(({ alive, group }) => alive && group.status.serving);
    },
    /** Runs until one of them leads and serves, and all follow it. */
    elected(): Node {
      let leader: Node | undefined;
      this.until(() => {
        leader = this.leader();
        return (
          leader !== undefined &&
          [...nodes.values()].every(({ alive, group }) => !alive || group.status.leader === leader?.id)
        );
      }, 'a leader that all know');
      assert.ok(leader);
      return leader;
    },
    follower(): Node {
      const leader = this.elected();
      const other = [...nodes.values()].find(({ id, alive }) => alive && id !== leader.id);
      assert.ok(other);
      return other;
    },
    /** What clients wrote and this node applied, in order. */
    applied: (name: string): string[] =>
      node(name)
        .chunks.flat()
        .filter(({ kind }) => kind === 'data')
        .map(({ payload }) => text.decode(payload)),
  };
}

/** Collects what a proposal ends in: exactly one outcome. */
export function outcomeOf(begin: (done: (outcome: ProposalOutcome) => void) => void): {
  readonly all: ProposalOutcome[];
  readonly value: ProposalOutcome | undefined;
} {
  const all: ProposalOutcome[] = [];
  begin((outcome) => all.push(outcome));
  assert.equal(all.length, 0, 'never synchronously');
  return {
    all,
    get value() {
      assert.ok(all.length <= 1, 'one outcome');
      return all[0];
    },
  };
}
