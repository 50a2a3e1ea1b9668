// The simulated cluster: processes, the network between them, and what the one knows of the other's connections.
import type { BrokerId, GroupId, Millis } from '../../../src/core/ids.ts';
import { parseBrokerId, shardGroup } from '../../../src/core/ids.ts';
import type { Pulse, RaftEnvelope } from '../../../src/streams/envelope.ts';
import { createInspector } from '../../../src/streams/inspector.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import { createGroupChecker, type GroupChecker } from './checker.ts';
import { createLogOverDisk } from './log-over-disk.ts';
import { createMemoryStore } from './memory-store.ts';
import { createNetwork, type Network } from './network.ts';
import { createSnapshotDisk } from './process-snapshots.ts';
import { createSimulatedWirePair } from './simulated-wire.ts';
import type { SnapshotMessage } from '../../../src/streams/snapshot-message.ts';
import type { SimOptions } from './options.ts';
import type { Planted } from './planted.ts';
import { createProcess, type SimProcess } from './process.ts';
import type { Trace } from './trace.ts';

export interface Cluster {
  readonly size: number;
  readonly groups: number;
  readonly network: Network;
  readonly checkers: readonly GroupChecker[];
  readonly processes: readonly SimProcess[];
  process(member: number): SimProcess;
  start(member: number): void;
  crash(member: number): void;
  cut(from: number, to: number): void;
  heal(from: number, to: number): void;
  isCut(from: number, to: number): boolean;
  clog(from: number, to: number, ms: Millis): void;
  /** The connection between two living processes breaks, and is there again a moment later. */
  reset(a: number, b: number): void;
  /** Whoever leads a group in the newest term, as far as it knows itself. */
  leaderOf(group: number): number | undefined;
  /** Messages that arrived at a living process. */
  readonly delivered: number;
  /** How long a process that crashed by itself stays down; null: for good. Asked again when it is to start. */
  restartAfter: (member: number) => Millis | null;
}

/** How soon a closed connection is noticed, and a new one made. */
const NOTICE_MAX_MS = 5;

export function createCluster(
  options: SimOptions,
  clock: VirtualClock,
  random: Random,
  trace: Trace,
  planted: Planted,
  promises: boolean,
): Cluster {
  const { members: size, driftPpmMax } = options;
  const names: BrokerId[] = Array.from({ length: size }, (_, member) => parseBrokerId(`b${member + 1}`));
  const groupIds: GroupId[] = Array.from({ length: options.groups }, (_, group) =>
    group === 0 ? 'control' : shardGroup(group - 1),
  );
  const numbers = new Map(names.map((name, member) => [name, member]));
  const network = createNetwork(clock, random.fork('network'), size, options.network);
  const connections = random.fork('connections');
  const inspector = createInspector({ clock });
  const checkers = groupIds.map((group, number) => createGroupChecker({ group, number, names, trace, promises }));
  let delivered = 0;

  const createStore = (chance: Random) =>
    (options.disk.store === 'log' ? createLogOverDisk : createMemoryStore)(chance, options.disk);
  const { heartbeatMs, electionMinMs, electionMaxMs, closedConnectionHint } = options;
  const processes = names.map((name, number) =>
    createProcess({
      number,
      names,
      groups: groupIds,
      clock,
      random: random.fork(name),
      driftPpm: driftPpmMax === 0 ? 0 : (2 * random.fork(`${name}'s clock`).next() - 1) * driftPpmMax,
      inspector,
      store: createStore(random.fork(`${name}'s disk`)),
      snapshots:
        options.snapshots === null
          ? null
          : createSnapshotDisk(random.fork(`${name}'s snapshots`), options.disk, options.snapshots),
      dialSnapshots(from, toName) {
        const to = numbers.get(toName);
        if (to === undefined) throw new RangeError(`a snapshot for ${toName}, who is no member`);
        const pair = createSimulatedWirePair<SnapshotMessage>(clock, network, from, to);
        clock.defer(() => process(to).acceptSnapshot(pair.b));
        return pair.a;
      },
      checkers,
      raft: { heartbeatMs, electionMinMs, electionMaxMs, closedConnectionHint },
      trace,
      planted,
      send,
      sendPulse,
      crashed(member) {
        crash(member);
        const after = cluster.restartAfter(member);
        if (after === null) return;
        clock.after(after, () => {
          if (cluster.restartAfter(member) !== null) start(member);
        });
      },
    }),
  );

  function process(member: number): SimProcess {
    const found = processes[member];
    if (found === undefined) throw new RangeError(`no member ${member}`);
    return found;
  }

  function send(from: number, group: number, envelope: RaftEnvelope): void {
    const to = numbers.get(envelope.message.to);
    if (to === undefined) throw new RangeError(`a message to ${envelope.message.to}, who is no member`);
    const arrive = () => {
      const target = process(to);
      if (!target.up) return;
      target.enter(() => {
        delivered++;
        const arrived = planted.incoming?.(envelope) ?? envelope;
        noteMessage(trace, to, group, from, arrived);
        target.group(group)?.receive(arrived);
      }, group);
    };
    network.send(from, to, arrive, () => trace.note('lost', from, group, to));
  }

  function sendPulse(from: number, toName: BrokerId, pulse: Pulse): void {
    const to = numbers.get(toName);
    const sender = names[from];
    if (to === undefined || sender === undefined) throw new RangeError(`a pulse to ${toName}, who is no member`);
    const arrive = () => {
      const target = process(to);
      if (!target.up) return;
      target.enter(() => {
        delivered++;
        trace.note('pulse', to, -1, from, pulse.seq, pulse.version, pulse.lines?.length ?? 0);
        target.pulses?.receive(sender, pulse);
      });
    };
    network.send(from, to, arrive, () => trace.note('lost', from, -1, to));
  }

  /** Both know of it, if both live and no cut hides it. */
  function tellConnection(about: number, to: number, what: 'opened' | 'closed'): void {
    clock.after(connections.next() * NOTICE_MAX_MS, () => {
      if (network.isCut(about, to)) return;
      const name = names[about];
      process(to).enter(() => {
        trace.note(what, to, -1, about);
        if (name === undefined) return;
        if (what === 'opened') process(to).pulses?.opened(name);
        else process(to).pulses?.closed(name);
        for (let group = 0; group < groupIds.length; group++) {
          const member = process(to).group(group);
          if (member === undefined) continue;
          if (what === 'opened') member.peerOpened(name);
          else member.peerClosed(name);
        }
      });
    });
  }

  function start(member: number): void {
    if (process(member).up) return;
    process(member).start();
    for (let other = 0; other < size; other++) {
      if (other === member || !process(other).up || network.isCut(member, other) || network.isCut(other, member))
        continue;
      tellConnection(member, other, 'opened');
      tellConnection(other, member, 'opened');
    }
  }

  function crash(member: number): void {
    if (!process(member).up) return;
    process(member).crash();
    for (let other = 0; other < size; other++) {
      if (other !== member && connections.next() < options.network.closeNoticedChance)
        tellConnection(member, other, 'closed');
    }
  }

  const cluster: Cluster = {
    size,
    groups: options.groups,
    network,
    checkers,
    processes,
    process,
    start,
    crash,
    cut(from, to) {
      trace.note('cut', from, -1, to);
      network.cut(from, to);
    },
    heal(from, to) {
      if (!network.isCut(from, to)) return;
      trace.note('heal', from, -1, to);
      network.heal(from, to);
      if (network.isCut(to, from) || !process(from).up || !process(to).up) return;
      tellConnection(from, to, 'opened');
      tellConnection(to, from, 'opened');
    },
    isCut: network.isCut,
    clog(from, to, ms) {
      trace.note('clog', from, -1, to, Math.round(ms));
      network.clog(from, to, ms);
    },
    reset(a, b) {
      if (!process(a).up || !process(b).up) return;
      for (const what of ['closed', 'opened'] as const) {
        tellConnection(a, b, what);
        tellConnection(b, a, what);
      }
    },
    leaderOf(group) {
      let leader: number | undefined;
      let term = 0;
      for (const { number, group: groupOf } of processes) {
        const status = groupOf(group)?.status;
        if (status?.role !== 'leader' || status.term < term) continue;
        leader = number;
        term = status.term;
      }
      return leader;
    },
    get delivered() {
      return delivered;
    },
    restartAfter: () => null,
  };
  return cluster;
}

function noteMessage(trace: Trace, to: number, group: number, from: number, { message }: RaftEnvelope): void {
  const { term } = message;
  switch (message.type) {
    case 'preVote':
    case 'vote':
      return trace.note(message.type, to, group, from, term, message.lastIndex, message.lastTerm);
    case 'preVoteReply':
    case 'voteReply':
      return trace.note(message.type, to, group, from, term, message.granted ? 1 : 0);
    case 'append':
      return trace.note('append', to, group, from, term, message.prevIndex, message.lastIndex, message.commit);
    case 'appendReply':
      return trace.note('appendReply', to, group, from, term, message.rejected ? 1 : 0, message.index);
    case 'heartbeat':
      return trace.note('heartbeat', to, group, from, term, message.commit, message.round);
    case 'installSnapshot':
      return trace.note('installSnapshot', to, group, from, term, message.index, message.indexTerm);
    case 'heartbeatReply':
      return trace.note('heartbeatReply', to, group, from, term, message.round);
  }
}
