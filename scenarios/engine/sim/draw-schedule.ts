// Draws a run's faults from its seed: each kind that the options let happen is a recipe for one fault.
import type { Millis } from '../../../src/core/ids.ts';
import { createRandom, type Random } from '../../../src/streams/random.ts';
import { type FaultKind, faultKinds, type LaterFaultKind, laterFaultKinds, type SimOptions } from './options.ts';
import {
  type Affliction,
  awaitKinds,
  type ClockFault,
  type DiskFault,
  type DiskFiles,
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
const FOR_LOG: ReadonlySet<AnyKind> = new Set([
  'fullDisk',
  'failedSync',
  'tornWrite',
  'rottenDisk',
  'rottenGroup',
  'crashInStart',
]);
const FOR_SNAPSHOTS: ReadonlySet<AnyKind> = new Set([
  'fullSnapshots',
  'failedSnapshotSync',
  'tornSnapshot',
  'rottenSnapshot',
]);

type AnyKind = FaultKind | LaterFaultKind;

const disk =
  (kind: DiskFault['kind'], files: DiskFiles = 'log') =>
  (draw: Draw): Fault => ({
    fault: 'disk',
    targets: draw.member(),
    kind,
    files,
    group: null,
    factor: 10,
    forMs: draw.duration(),
  });

const rightClock = { driftPpm: 0, skewMs: 0, jumpMs: 0, leapMs: 0 };

const clock =
  (wrong: (draw: Draw) => Partial<ClockFault>) =>
  (draw: Draw): Fault => ({
    fault: 'clock',
    targets: draw.member(),
    ...rightClock,
    ...wrong(draw),
    forMs: draw.duration(),
  });

/** Up to an hour forward or back, in whole milliseconds; mostly about as long as what is waited for. */
const shift = ({ random }: Draw): Millis =>
  (random.next() < 0.5 ? -1 : 1) * random.integer(1, [100, 1_000, 10_000, 3_600_000][random.integer(0, 3)] ?? 1);

const recipes: Readonly<Record<AnyKind, (draw: Draw) => Fault>> = {
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
    files: 'log',
    group: null,
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
    ...rightClock,
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
  crashAtAwait: (draw) => crashAt(draw, false, draw.random.integer(1, 40)),
  crashInStart: (draw) => crashAt(draw, true, draw.random.integer(1, 12)),
  stop: (draw) => ({
    fault: 'stop',
    targets: draw.random.next() < 0.5 ? draw.leader() : draw.member(),
    forMs: draw.duration(),
  }),
  skew: clock((draw) => ({ skewMs: shift(draw) })),
  jump: clock((draw) => ({ jumpMs: shift(draw) })),
  leap: clock((draw) => ({ leapMs: Math.abs(shift(draw)) })),
  fullSnapshots: disk('full', 'snapshots'),
  fullAll: disk('full', 'all'),
  failedSnapshotSync: disk('fsync-error', 'snapshots'),
  tornSnapshot: disk('torn-write', 'snapshots'),
  rottenSnapshot: disk('corrupt', 'snapshots'),
  rottenGroup: (draw) => ({
    fault: 'disk',
    targets: draw.member(),
    kind: 'corrupt',
    files: 'log',
    group: group(draw),
    factor: 10,
    forMs: 0,
  }),
};

/** At any place in a half of the cases, else at one of those that are rare. */
function crashAt(draw: Draw, restart: boolean, nth: number): Fault {
  const { random } = draw;
  const of = random.next() < 0.5 ? 'any' : (awaitKinds[random.integer(0, awaitKinds.length - 1)] ?? 'any');
  return {
    fault: 'crash-at',
    targets: draw.member(),
    of,
    nth: of === 'any' ? nth : Math.ceil(nth / 4),
    times: random.integer(1, 3),
    restart,
    forMs: draw.duration(),
  };
}

const group = ({ random, groups }: Draw): number => random.integer(0, groups - 1);

function drawKind<K extends AnyKind>(random: Random, kinds: readonly K[], options: SimOptions): K | undefined {
  const {
    disk: { store },
    snapshots,
    faults: { weights },
  } = options;
  const possible = kinds.filter(
    (kind) =>
      (weights[kind] ?? 0) > 0 &&
      (store === 'log' || !FOR_LOG.has(kind)) &&
      (snapshots !== null || !FOR_SNAPSHOTS.has(kind)),
  );
  let left = random.next() * possible.reduce((sum, kind) => sum + (weights[kind] ?? 0), 0);
  return possible.find((kind) => {
    left -= weights[kind] ?? 0;
    return left < 0;
  });
}

function drawSteps(options: SimOptions, random: Random, kinds: readonly AnyKind[]): Step[] {
  const { intervalMeanMs } = options.faults;
  const draw = createDraw(random, options);
  const steps: Step[] = [];
  for (let at = exponential(random, intervalMeanMs); at < options.safetyMs; at += exponential(random, intervalMeanMs)) {
    const kind = drawKind(random, kinds, options);
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
  const steps = [
    ...drawSteps(options, random.fork('steps'), faultKinds),
    ...drawSteps(options, random.fork('later steps'), laterFaultKinds),
  ];
  return { steps: steps.toSorted((a, b) => a.atMs - b.atMs), ending: drawEnding(options, random.fork('ending')) };
}
