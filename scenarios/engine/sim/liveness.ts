// The second phase: faults stop healing. A majority, the core, is whole: up, connected, without faults. Everybody else stays broken for
// good, in one way or another. The core must elect, commit a new write, answer a read, and agree, within a bound of time. It finds what
// healing hides: a cluster that gets well only because something else changes.
import type { BrokerId, Millis } from '../../../src/core/ids.ts';
import { isMemberOf } from '../../../src/machines/raft/membership.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { Clients } from './clients.ts';
import type { Cluster } from './cluster.ts';
import type { SimOptions } from './options.ts';
import { isQuorumThroughout } from './quorums.ts';
import { type Affliction, type Ending, memberName, plainLink } from './schedule.ts';
import { Violation } from './violation.ts';

/** In longest election timeouts. */
const BOUND_TIMEOUTS = 40;

function breakForGood(cluster: Cluster, member: number, affliction: Affliction, core: readonly number[]): void {
  const process = cluster.process(member);
  if (affliction === 'down') {
    cluster.keepDown(member);
    cluster.crash(member);
  } else cluster.start(member);
  if (affliction === 'paused') process.pause();
  else process.resume();
  const cut = { cut: true, change: plainLink, touched: 0 };
  for (const one of core) {
    if (affliction === 'cut' || affliction === 'deaf') cluster.impose(one, member, cut);
    if (affliction === 'cut' || affliction === 'mute') cluster.impose(member, one, cut);
  }
}

/**
 * As few as are a quorum of every group, whatever of the changes under way comes of them: those about to become voters among them, and
 * not counting those whose storage is in doubt, who can be vouched for by no others.
 */
function chooseCore({ checkers, names }: Cluster, order: readonly number[]): number[] {
  const joining = order.filter((member) =>
    checkers.some((checker) =>
      checker.configurations().some((each) => each.joining.includes(names[member] as BrokerId)),
    ),
  );
  const isEnough = (core: readonly number[]) =>
    checkers.every((checker) =>
      checker.configurations().every((configuration) =>
        isQuorumThroughout(configuration, (id) => {
          const member = names.indexOf(id);
          return core.includes(member) && !checker.isDoubtful(member);
        }),
      ),
    );
  const rest = order.filter((member) => !joining.includes(member));
  for (let count = 0; count <= rest.length; count++) {
    const core = [...joining, ...rest.slice(0, count)];
    if (isEnough(core)) return core;
  }
  throw new RangeError('more was lost than can be survived');
}

/** @throws Violation `liveness` when the core does not get there in time. */
export function runLiveness(
  options: SimOptions,
  { core: order, others }: Ending,
  clock: VirtualClock,
  random: Random,
  cluster: Cluster,
  clients: readonly Clients[],
): void {
  // Who is well may lead.
  const core = [...new Set([...chooseCore(cluster, order), ...order.filter((member) => others[member] === 'well')])];
  cluster.calm(options.electionMinMs / 10);
  for (const process of cluster.processes) process.disarm();
  for (const member of order) if (!core.includes(member)) breakForGood(cluster, member, others[member] ?? 'well', core);
  for (const member of core) {
    cluster.start(member);
    cluster.process(member).resume();
    cluster.process(member).calmDisk(options.electionMinMs / 20);
  }
  const deadline = clock.monotonic() + BOUND_TIMEOUTS * options.electionMaxMs;
  const goals = clients.map((each, group) => pursue(options, clock, random, cluster, core, each, group));
  while (goals.some((reached) => !reached())) {
    if (clock.monotonic() > deadline || !clock.step()) {
      const late = goals.flatMap((reached, group) => (reached() ? [] : [`group ${group}`]));
      throw new Violation(
        'liveness',
        `the core ${core.map(memberName).join(' ')} did not write, read and agree in ${late.join(', ')} within ${BOUND_TIMEOUTS} election timeouts`,
      );
    }
  }
}

/** Tries at one member of the core after another. Returns whether everything was reached. */
function pursue(
  options: SimOptions,
  clock: VirtualClock,
  random: Random,
  cluster: Cluster,
  core: readonly number[],
  clients: Clients,
  group: number,
): () => boolean {
  const pause: Millis = options.heartbeatMs;
  let written = false;
  let read = false;

  function attempt(): void {
    if (written && read) return;
    const process = cluster.process(core[random.integer(0, core.length - 1)] ?? 0);
    if (!written) clients.propose(process, (index) => (written = written || index !== null));
    else clients.read(process, (answered) => (read = read || answered));
    clock.after(pause, attempt);
  }
  attempt();

  return () => {
    if (!written || !read) return false;
    const checker = cluster.checkers[group];
    if (checker === undefined) return false;
    const { history } = checker;
    const members = checker.members();
    return core.every((member) => {
      if (!isMemberOf(members, cluster.names[member] as BrokerId)) return true;
      return checker.appliedBy(member) === history.length && !checker.isInDoubt(member);
    });
  };
}
