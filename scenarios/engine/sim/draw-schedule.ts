// Draws a run's faults from its seed: each kind that the options let happen is a recipe for one fault.
import type { Millis } from '../../../src/core/ids.ts';
import { createRandom, type Random } from '../../../src/streams/random.ts';
import { type FaultKind, faultKinds, type SimOptions } from './options.ts';
import {
  type Affliction,
  type DiskFault,
  type Ending,
  type Fault,
  plainLink,
  type Schedule,
  type Step,
  type Target,
} from './schedule.ts';

/** How those outside the core may stay broken. */
const BROKEN = ['down', 'cut', 'deaf', 'mute', 'paused'] as const satisfies readonly Affliction[];

/** What recipes draw from. Times are whole: they can be written down as they are. */
interface Draw {
  readonly random: Random;
  readonly size: number;
  readonly groups: number;
  anyone(): number;
  member(): readonly Target[];
  leader(): readonly Target[];
  duration(): Millis;
}

function createDraw(random: Random, { members, spares, groups, faults }: SimOptions): Draw {
  const size = members + spares;
  const anyone = () => random.integer(0, size - 1);
  return {
    random,
    size,
    groups,
    anyone,
    member: () => [{ type: 'member', member: anyone() }],
    leader: () => [{ type: 'leader', group: random.integer(0, groups - 1) }],
    duration: () => exponential(random, faults.durationMeanMs),
  };
}

const exponential = (random: Random, mean: Millis): Millis => Math.ceil(-Math.log(1 - random.next()) * mean);

/** Some of the members, each by the chance. */
function some({ random, size }: Draw, chance: number): number[] {
  return Array.from({ length: size }, (_, member) => member).filter(() => random.next() < chance);
}

/** A link to somebody else. */
function link({ random, size, anyone }: Draw): { readonly from: number; readonly to: number } {
  const from = anyone();
  return { from, to: (from + random.integer(1, size - 1)) % size };
}

/** They need a disk with bytes on it. */
const FOR_LOG: ReadonlySet<FaultKind> = new Set(['fullDisk', 'failedSync', 'tornWrite', 'rottenDisk']);

const disk =
  (kind: DiskFault['kind']) =>
  (draw: Draw): Fault => ({ fault: 'disk', targets: draw.member(), kind, factor: 10, forMs: draw.duration() });

const recipes: Readonly<Record<FaultKind, (draw: Draw) => Fault>> = {
  crash: (draw) => ({ fault: 'crash', targets: draw.member(), moment: 'now', forMs: draw.duration() }),
  crashLeader: (draw) => ({ fault: 'crash', targets: draw.leader(), moment: 'now', forMs: draw.duration() }),
  crashAtWrite: (draw) => ({ fault: 'crash', targets: draw.member(), moment: 'write', forMs: draw.duration() }),
  crashAfterSync: (draw) => ({ fault: 'crash', targets: draw.member(), moment: 'synced', forMs: draw.duration() }),
  /** All at once, or all but a few. */
  powerLoss: (draw) => ({
    fault: 'crash',
    targets: some(draw, 0.8).map((member) => ({ type: 'member', member })),
    moment: 'now',
    forMs: draw.duration(),
  }),
  pause: (draw) => ({ fault: 'pause', targets: draw.member(), forMs: draw.duration() }),
  isolate: (draw) => ({ fault: 'isolate', targets: draw.member(), direction: 'both', forMs: draw.duration() }),
  isolateLeader: (draw) => ({ fault: 'isolate', targets: draw.leader(), direction: 'both', forMs: draw.duration() }),
  split: (draw) => {
    const side = some(draw, 0.5);
    const rest = Array.from({ length: draw.size }, (_, member) => member).filter((member) => !side.includes(member));
    return { fault: 'partition', groups: [side, rest], direction: 'both', forMs: draw.duration() };
  },
  /** Two hear each other no more, and a third one hears both. */
  partial: (draw) => {
    const { from, to } = link(draw);
    return { fault: 'partition', groups: [[from], [to]], direction: 'both', forMs: draw.duration() };
  },
  oneWay: (draw) => {
    const member = draw.anyone();
    const others = some(draw, 0.6).filter((other) => other !== member);
    const direction = draw.random.next() < 0.5 ? 'out' : 'in';
    return { fault: 'partition', groups: [[member], others], direction, forMs: draw.duration() };
  },
  clog: (draw) => ({
    fault: 'network',
    ...plainLink,
    link: { ...link(draw), both: false },
    hold: true,
    reset: false,
    forMs: draw.duration(),
  }),
  reset: (draw) => ({
    fault: 'network',
    ...plainLink,
    link: { ...link(draw), both: true },
    reset: true,
    forMs: 0,
  }),
  slowDisk: (draw) => ({
    fault: 'disk',
    targets: draw.member(),
    kind: 'slow',
    factor: draw.random.integer(5, 100),
    forMs: draw.duration(),
  }),
  hungDisk: disk('hang'),
  fullDisk: disk('full'),
  failedSync: disk('fsync-error'),
  tornWrite: disk('torn-write'),
  rottenDisk: disk('corrupt'),
  drift: (draw) => ({
    fault: 'clock',
    targets: draw.member(),
    driftPpm: 1000 * draw.random.integer(-100, 100),
    forMs: draw.duration(),
  }),
  wipe: (draw) => ({ fault: 'wipe', targets: draw.member(), forMs: draw.duration() }),
  addMember: (draw) => ({
    fault: 'membership',
    kind: 'add',
    group: group(draw),
    targets: draw.random.next() < 0.8 ? [{ type: 'outsider' }] : draw.member(),
    forMs: 0,
  }),
  removeMember: (draw) => ({
    fault: 'membership',
    kind: 'remove',
    group: group(draw),
    targets: draw.random.next() < 0.3 ? draw.leader() : draw.member(),
    forMs: 0,
  }),
  setMembers: (draw) => ({
    fault: 'membership',
    kind: 'set',
    group: group(draw),
    targets: some(draw, 0.7).map((member) => ({ type: 'member', member })),
    forMs: 0,
  }),
  transfer: (draw) => ({ fault: 'membership', kind: 'transfer', group: group(draw), targets: draw.member(), forMs: 0 }),
};

const group = ({ random, groups }: Draw): number => random.integer(0, groups - 1);

function drawKind(random: Random, { disk: { store }, faults: { weights } }: SimOptions): FaultKind | undefined {
  const kinds = faultKinds.filter((kind) => (weights[kind] ?? 0) > 0 && (store === 'log' || !FOR_LOG.has(kind)));
  let left = random.next() * kinds.reduce((sum, kind) => sum + (weights[kind] ?? 0), 0);
  return kinds.find((kind) => {
    left -= weights[kind] ?? 0;
    return left < 0;
  });
}

function drawSteps(options: SimOptions, random: Random): Step[] {
  const { intervalMeanMs } = options.faults;
  const draw = createDraw(random, options);
  const steps: Step[] = [];
  for (let at = exponential(random, intervalMeanMs); at < options.safetyMs; at += exponential(random, intervalMeanMs)) {
    const kind = drawKind(random, options);
    if (kind === undefined) break;
    steps.push({ atMs: at, ...recipes[kind](draw) });
  }
  return steps;
}

function drawEnding({ members, spares }: SimOptions, random: Random): Ending {
  const core = Array.from({ length: members + spares }, (_, member) => member);
  for (let at = core.length - 1; at > 0; at--) {
    const other = random.integer(0, at);
    [core[at], core[other]] = [core[other] ?? 0, core[at] ?? 0];
  }
  return { core, others: core.map(() => BROKEN[random.integer(0, BROKEN.length - 1)] ?? 'down') };
}

/** The same for the same options, for ever, as long as the recipes stay the same. */
export function drawSchedule(options: SimOptions): Schedule {
  const random = createRandom(options.seed).fork('schedule');
  return { steps: drawSteps(options, random.fork('steps')), ending: drawEnding(options, random.fork('ending')) };
}
