// The second phase: faults stop healing. A random majority, the core, is whole: up, connected, without faults. Everybody else stays
// broken for good, in one way or another. The core must elect, commit a new write, answer a read, and agree, within a bound of time.
// It finds what healing hides: a cluster that gets well only because something else changes.
import type { Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { Clients } from './clients.ts';
import type { Cluster } from './cluster.ts';
import type { SimOptions } from './options.ts';
import { Violation } from './violation.ts';

/** In longest election timeouts. */
const BOUND_TIMEOUTS = 40;

/** How one outside the core stays broken. */
const afflictions = ['down', 'cut', 'deaf', 'mute', 'paused'] as const;

function breakForGood(cluster: Cluster, random: Random, member: number, core: readonly number[]): void {
  const affliction = afflictions[random.integer(0, afflictions.length - 1)] ?? 'down';
  const { up } = cluster.process(member);
  if (affliction === 'down') cluster.crash(member);
  else if (!up) cluster.start(member);
  if (affliction === 'paused') cluster.process(member).pause();
  else cluster.process(member).resume();
  for (const one of core) {
    if (affliction === 'cut' || affliction === 'deaf') cluster.cut(one, member);
    else cluster.heal(one, member);
    if (affliction === 'cut' || affliction === 'mute') cluster.cut(member, one);
    else cluster.heal(member, one);
  }
}

function drawCore(random: Random, size: number): number[] {
  const members = Array.from({ length: size }, (_, member) => member);
  while (members.length > Math.floor(size / 2) + 1) members.splice(random.integer(0, members.length - 1), 1);
  return members;
}

/** @throws Violation `liveness` when the core does not get there in time. */
export function runLiveness(
  options: SimOptions,
  clock: VirtualClock,
  random: Random,
  cluster: Cluster,
  clients: readonly Clients[],
): void {
  const core = drawCore(random, cluster.size);
  cluster.restartAfter = (member) => (core.includes(member) ? options.electionMinMs : null);
  cluster.network.calm(options.electionMinMs / 10);
  for (let member = 0; member < cluster.size; member++)
    if (!core.includes(member)) breakForGood(cluster, random, member, core);
  for (const member of core) {
    cluster.start(member);
    cluster.process(member).resume();
    cluster.process(member).calmDisk(options.electionMinMs / 20);
    for (const other of core) if (other !== member) cluster.heal(member, other);
  }
  const deadline = clock.monotonic() + BOUND_TIMEOUTS * options.electionMaxMs;
  const goals = clients.map((each, group) => pursue(options, clock, random, cluster, core, each, group));
  while (goals.some((reached) => !reached())) {
    if (clock.monotonic() > deadline || !clock.step()) {
      const late = goals.flatMap((reached, group) => (reached() ? [] : [`group ${group}`]));
      throw new Violation(
        'liveness',
        `the core ${core.map((member) => `b${member + 1}`).join(' ')} did not write, read and agree in ${late.join(', ')} within ${BOUND_TIMEOUTS} election timeouts`,
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
    return core.every((member) => checker !== undefined && checker.appliedBy(member) === checker.history.length);
  };
}
