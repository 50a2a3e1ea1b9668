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
import { createNetwork, type LinkFault } from './network.ts';
import { createSnapshotDisk } from './process-snapshots.ts';
import { createSimulatedWirePair } from './simulated-wire.ts';
import type { SnapshotMessage } from '../../../src/streams/snapshot-message.ts';
import type { SimOptions } from './options.ts';
import { isMemberOf } from '../../../src/machines/raft/membership.ts';
import { isQuorumThroughout } from './quorums.ts';
import { memberName } from './schedule.ts';
import type { Planted } from './planted.ts';
import { createProcess, type SimProcess } from './process.ts';
import type { Trace } from './trace.ts';

export interface Cluster {
  readonly size: number;
  readonly groups: number;
  readonly names: readonly BrokerId[];
  readonly checkers: readonly GroupChecker[];
  readonly processes: readonly SimProcess[];
  process(member: number): SimProcess;
  start(member: number): void;
  crash(member: number): void;
  /** It is not started again when it has ended by itself. */
  keepDown(member: number): void;
  impose(from: number, to: number, fault: LinkFault): void;
  lift(from: number, to: number, fault: LinkFault): void;
  /** The whole network is well from now on. */
  calm(delayMaxMs: Millis): void;
  /** The connection between two processes breaks, and is there again a moment later. @returns false when there was none. */
  reset(a: number, b: number): boolean;
  /** Whoever leads a group in the newest term, as far as it knows itself. */
  leaderOf(group: number): number | undefined;
  /** By the newest configuration that is committed. */
  hasMember(group: number, member: number): boolean;
  /** Would enough still be there of every group, if all that this one has were lost? */
  mayLose(member: number): boolean;
  /** Messages that arrived at a living process. */
  readonly delivered: number;
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
  leaps: boolean,
): Cluster {
  const { driftPpmMax } = options;
  const size = options.members + options.spares;
  const names: BrokerId[] = Array.from({ length: size }, (_, member) => parseBrokerId(memberName(member)));
  const groupIds: GroupId[] = Array.from({ length: options.groups }, (_, group) =>
    group === 0 ? 'control' : shardGroup(group - 1),
  );
  const founders = names.slice(0, options.members);
  const numbers = new Map(names.map((name, member) => [name, member]));
  const network = createNetwork(clock, random.fork('network'), size, options.network);
  const connections = random.fork('connections');
  const inspector = createInspector({ clock });
  const checkers = groupIds.map((group, number) =>
    createGroupChecker({ group, number, names, founders, trace, promises }),
  );
  const keptDown = new Set<number>();

  const createStore = (chance: Random) =>
    (options.disk.store === 'log' ? createLogOverDisk : createMemoryStore)(chance, options.disk);
  const { heartbeatMs, electionMinMs, electionMaxMs, closedConnectionHint } = options;
  const processes = names.map((name, number) =>
    createProcess({
      number,
      names,
      founders,
      groups: groupIds,
      clock,
      random: random.fork(name),
      driftPpm: driftPpmMax === 0 ? 0 : (2 * random.fork(`${name}'s clock`).next() - 1) * driftPpmMax,
      leaps,
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
      ended(member) {
        crash(member);
        clock.after(options.electionMinMs, () => keptDown.has(member) || start(member));
      },
      sendPulse,
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
      if (!target.isUp()) return;
      target.enter(() => {
        cluster.delivered++;
        const arrived = planted.incoming?.(envelope) ?? envelope;
        noteMessage(trace, to, group, from, arrived);
        target.group(group)?.receive(arrived);
      }, group);
    };
    const bytes = envelope.entries.reduce((sum, { payload }) => sum + payload.length, 0);
    network.send(from, to, arrive, () => trace.note('lost', from, group, to), bytes);
  }

  function sendPulse(from: number, toName: BrokerId, pulse: Pulse): void {
    const to = numbers.get(toName);
    const sender = names[from];
    if (to === undefined || sender === undefined) throw new RangeError(`a pulse to ${toName}, who is no member`);
    const arrive = () => {
      const target = process(to);
      if (!target.isUp()) return;
      target.enter(() => {
        cluster.delivered++;
        trace.note('pulse', to, -1, from, pulse.seq, pulse.version, pulse.lines?.length ?? 0);
        target.pulses()?.receive(sender, pulse);
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
        if (what === 'opened') process(to).pulses()?.opened(name);
        else process(to).pulses()?.closed(name);
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
    if (process(member).isUp()) return;
    process(member).start();
    for (let other = 0; other < size; other++) {
      if (other === member || !process(other).isUp() || network.isCut(member, other) || network.isCut(other, member))
        continue;
      tellConnection(member, other, 'opened');
      tellConnection(other, member, 'opened');
    }
  }

  function crash(member: number): void {
    if (!process(member).isUp()) return;
    process(member).crash();
    for (let other = 0; other < size; other++) {
      if (other !== member && connections.next() < options.network.closeNoticedChance)
        tellConnection(member, other, 'closed');
    }
  }

  function healed(from: number, to: number): void {
    trace.note('heal', from, -1, to);
    if (network.isCut(to, from) || !process(from).isUp() || !process(to).isUp()) return;
    tellConnection(from, to, 'opened');
    tellConnection(to, from, 'opened');
  }

  const cluster: Cluster & { delivered: number } = {
    size,
    delivered: 0,
    groups: options.groups,
    names,
    checkers,
    processes,
    process,
    start,
    crash,
    keepDown: (member) => void keptDown.add(member),
    impose(from, to, fault) {
      if (fault.cut) trace.note('cut', from, -1, to);
      else trace.note('link', from, -1, to, 1);
      network.impose(from, to, fault);
    },
    lift(from, to, fault) {
      const was = network.isCut(from, to);
      network.lift(from, to, fault);
      if (!fault.cut) trace.note('link', from, -1, to, 0);
      else if (was && !network.isCut(from, to)) healed(from, to);
    },
    calm(delayMaxMs) {
      const pairs = names.flatMap((_, from) => names.map((_name, to) => [from, to] as const));
      const cut = pairs.filter(([from, to]) => network.isCut(from, to));
      network.calm(delayMaxMs);
      for (const [from, to] of cut) healed(from, to);
    },
    reset(a, b) {
      if (!process(a).isUp() || !process(b).isUp()) return false;
      for (const what of ['closed', 'opened'] as const) {
        tellConnection(a, b, what);
        tellConnection(b, a, what);
      }
      return true;
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
    hasMember(group, member) {
      const checker = checkers[group];
      return checker !== undefined && isMemberOf(checker.members(), names[member] as BrokerId);
    },
    mayLose(member) {
      return checkers.every((checker) => {
        const sound = (id: BrokerId) => numbers.get(id) !== member && !checker.isDoubtful(numbers.get(id) ?? 0);
        return checker.configurations().every((configuration) => isQuorumThroughout(configuration, sound));
      });
    },
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
