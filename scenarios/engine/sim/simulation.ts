// One run: everything follows from its options and its schedule, and those, unless they are given, from its seed.
import { createRandom } from '../../../src/streams/random.ts';
import { createVirtualClock } from '../../../src/streams/virtual-clock.ts';
import { beginRun } from './arena.ts';
import { createClients } from './clients.ts';
import { createCluster } from './cluster.ts';
import { runLiveness } from './liveness.ts';
import { drawSchedule } from './draw-schedule.ts';
import { type Brought, createNemesis } from './nemesis.ts';
import type { SimOptions } from './options.ts';
import type { Planted } from './planted.ts';
import type { Schedule } from './schedule.ts';
import { createTrace } from './trace.ts';
import { Violation } from './violation.ts';

export interface SimResult {
  readonly options: SimOptions;
  readonly schedule: Schedule;
  /** What became of its steps. */
  readonly brought: readonly Brought[];
  /** Null when the run passed. */
  readonly failure: Violation | null;
  /** Messages that arrived at a member. */
  readonly delivered: number;
  readonly virtualMs: number;
  readonly acknowledged: number;
  readonly committed: number;
  /** Of everything that happened: equal for equal runs. */
  readonly hash: string;
  /** The last things that happened, as text. */
  readonly tail: readonly string[];
}

export interface SimHooks {
  /** Default: as it is drawn from the seed. */
  readonly schedule?: Schedule;
  readonly planted?: Planted;
  /** Check what members may say and when, not only what comes of it. Default: yes. */
  readonly promises?: boolean;
  /** Is given every line of the trace as it happens. */
  readonly trace?: (line: string) => void;
}

const TAIL_LINES = 60;
/** A guard against time that does not move on. */
const STEPS_MAX = 20_000_000;

/**
 * V8 forgets the code that it has compiled for a function when the last closure of it is gone, and nearly all of a run is closures. So the
 * newest run of each kind stays: without it a fifth of the time goes into compiling the same again.
 */
const kept = new Map<string, unknown>();

export function runSimulation(
  options: SimOptions,
  { schedule = drawSchedule(options), planted = {}, promises = true, trace: each }: SimHooks = {},
): SimResult {
  beginRun();
  const clock = createVirtualClock();
  const random = createRandom(options.seed).fork('run');
  const trace = createTrace(clock, undefined, each);
  const leaps = schedule.steps.some((step) => step.fault === 'clock' && step.leapMs > 0);
  const cluster = createCluster(options, clock, random, trace, planted, promises, leaps);
  const clients = cluster.checkers.map((checker, group) =>
    createClients({
      group,
      clock,
      random: random.fork(`clients of ${group}`),
      names: cluster.names,
      processes: cluster.processes,
      checker,
      trace,
      options: options.workload,
    }),
  );
  const nemesis = createNemesis(clock, random.fork('nemesis'), cluster, schedule.steps, 4 * options.electionMaxMs);
  let failure: Violation | null = null;
  try {
    safety();
    trace.note('phase', -1, -1, 1);
    runLiveness(options, schedule.ending, clock, random.fork('liveness'), cluster, clients);
    for (const { history } of cluster.checkers) history.checkClients();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    failure = error;
  }

  /** Asked at every step. */
  function isWanting(): boolean {
    for (const { history } of cluster.checkers) if (history.acknowledged < options.acknowledgedMax) return true;
    return false;
  }

  function safety(): void {
    for (let member = 0; member < cluster.size; member++) cluster.start(member);
    for (let steps = 0; clock.monotonic() < options.safetyMs && isWanting(); steps++) {
      if (steps > STEPS_MAX) throw new Violation('time moves on', `${STEPS_MAX} steps within ${clock.monotonic()} ms`);
      clock.step();
    }
    nemesis.stop();
    for (const each of clients) each.stop();
  }

  kept.set(`${options.disk.store} ${options.snapshots === null}`, { clock, cluster, clients, nemesis });
  const total = (of: 'acknowledged' | 'length') => cluster.checkers.reduce((sum, { history }) => sum + history[of], 0);
  return {
    options,
    schedule,
    brought: nemesis.brought,
    failure,
    delivered: cluster.delivered,
    virtualMs: clock.monotonic(),
    acknowledged: total('acknowledged'),
    committed: total('length'),
    hash: trace.hash(),
    tail: failure === null ? [] : trace.tail(TAIL_LINES),
  };
}
