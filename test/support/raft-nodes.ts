// A few Raft actors of one group on a virtual clock: memory logs, a network with a fixed delay, beats at a common tick.
import { strict as assert } from 'node:assert';
import { createRaftNode, type RaftNodeOptions } from '../../src/actors/raft-node.ts';
import type { ProposalOutcome, RaftGroup, SavedState } from '../../src/actors/raft-group.ts';
import type { LogEntry } from '../../src/actors/stores/log.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { RaftEnvelope } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { openSnapshots, type SnapshotStore } from '../../src/actors/stores/snapshots.ts';
import type { SnapshotDelivery } from '../../src/actors/snapshot-transfer.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { SnapshotLimits } from '../../src/core/limits.ts';
import { createMemoryDisk as createFileDisk, type MemoryDisk as FileDisk } from './memory-disk.ts';
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
  /** With snapshots: where they are. */
  readonly files: FileDisk;
  store: SnapshotStore | null;
  /** Snapshots that it was asked to send, and that are to be told an end. */
  deliveries: SnapshotDelivery[];
  log: MemoryLog;
  group: RaftGroup;
  /** The chunks in which entries were applied. */
  chunks: (readonly LogEntry[])[];
  errors: Error[];
  warnings: string[];
  alive: boolean;
}

const text = new TextDecoder();
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

/** A state that is all that was ever applied, one entry in a chunk. */
function savedChunks(chunks: Node['chunks']): SavedState {
  return {
    pass: () => {},
    snapshot: () =>
      chunks
        .flat()
        .map((entry) => bytes(JSON.stringify([entry.index, entry.term, entry.kind, text.decode(entry.payload)]))),
    restore() {
      const restored: LogEntry[] = [];
      return {
        take(chunk) {
          const [index, term, kind, payload] = JSON.parse(text.decode(chunk)) as [
            number,
            number,
            LogEntry['kind'],
            string,
          ];
          restored.push({ index, term, kind, payload: bytes(payload) });
        },
        finish() {
          chunks.splice(0, chunks.length, restored);
        },
        abandon() {},
      };
    },
  };
}

export function createNodes(
  names: readonly string[],
  {
    options = OPTIONS,
    seed = 1,
    snapshots: limits,
    founders = names,
  }: {
    options?: RaftNodeOptions;
    seed?: number;
    snapshots?: Partial<SnapshotLimits>;
    /** The others wait to be added. */
    founders?: readonly string[];
  } = {},
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

  function boot(id: BrokerId, disk: MemoryDisk, files: FileDisk, sound = true): void {
    const deliveries: SnapshotDelivery[] = [];
    const store = limits === undefined ? null : storeOn(files);
    const log = createMemoryLog({ clock, disk });
    const chunks: Node['chunks'] = [];
    const errors: Error[] = [];
    const warnings: string[] = [];
    let isGone = false;
    const group = createRaftNode({
      self: id,
      group: 'control',
      members: founders.includes(id) ? founders.map((name) => name as BrokerId) : [],
      sound,
      clock,
      random: random.fork(`${id}/${clock.monotonic()}`),
      log,
      inspector,
      outbox: (envelope) => {
        assert.ok(!isGone, `${id} is stopped, and sends ${envelope.message.type}`);
        carry(envelope);
      },
      machine: {
        apply: (entries) => void chunks.push(entries),
        ...(store === null ? {} : { saved: savedChunks(chunks) }),
      },
      ...(store === null || limits === undefined
        ? {}
        : {
            snapshots: {
              store,
              cluster: () => '' as const,
              options: limits,
              transfers: { send: (delivery) => void deliveries.push(delivery) },
            },
          }),
      options,
      warn: (message) => void warnings.push(message),
      failed: (error) => void errors.push(error),
    });
    const stop = group.stop.bind(group);
    group.stop = () => {
      stop();
      isGone = true;
    };
    nodes.set(id, { id, disk, files, store, deliveries, log, group, chunks, errors, warnings, alive: true });
  }

  function storeOn(files: FileDisk): SnapshotStore {
    return openSnapshots({
      disk: files,
      directory: '/snapshots',
      clock,
      crc32c,
      cluster: '',
      warn: () => {},
      failed: (error) => {
        throw error;
      },
    });
  }

  /** The node's oldest delivery arrives, chunk by chunk, unless it is held up; `done` when it is durable there. */
  function deliver(name: string, isHeld = (): boolean => false): void {
    const from = node(name);
    const delivery = from.deliveries.shift();
    assert.ok(delivery && from.store, `${name} sends a snapshot`);
    const { snapshot, to, done } = delivery;
    const source = from.store;
    const target = node(to).store;
    assert.ok(target);
    const reader = source.read(snapshot);
    const writer = target.receive(snapshot.meta);
    const next = (number: number): void => {
      if (isHeld()) return void clock.after(10, () => next(number));
      if (number === snapshot.offsets.length) return writer.finish((stored) => done(stored !== null));
      const { payload, crc } = reader.readSync(number);
      writer.add(payload, crc, (written) => (written ? next(number + 1) : done(false)));
    };
    next(0);
  }

  function beat(): void {
    for (const { group, alive } of nodes.values()) if (alive) group.beat();
    clock.after(options.heartbeatMs, beat);
  }

  for (const id of ids) boot(id, new Map(), createFileDisk(clock));
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
      dying.files.crash();
    },
    restart(name: string): void {
      boot(node(name).id, node(name).disk, node(name).files);
    },
    /** Its disk is empty, and it knows that it was not. */
    wipe(name: string): void {
      this.crash(name);
      boot(node(name).id, new Map(), createFileDisk(clock), false);
    },
    isolate(name: string): void {
      for (const other of ids) cuts.add(`${name}>${other}`).add(`${other}>${name}`);
    },
    heal: () => cuts.clear(),
    deliver,
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
