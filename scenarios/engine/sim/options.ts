// What one run is made of, all of it drawn from its seed ("swarm testing": Groce et al., 2012; TigerBeetle's VOPR). Each run picks
// its own cluster, its own faults and its own probabilities, and leaves many faults out altogether: runs that are alike find alike
// bugs, and a fault that is always there hides what happens without it.
import type { Millis } from '../../../src/core/ids.ts';
import type { SnapshotLimits } from '../../../src/core/limits.ts';
import { createRandom, type Random } from '../../../src/streams/random.ts';

export interface NetworkOptions {
  /** Of each message, by itself. */
  readonly lossChance: number;
  readonly duplicateChance: number;
  /** Every message takes at least this long, and on average `delayMeanMs` longer. */
  readonly delayMinMs: Millis;
  readonly delayMeanMs: Millis;
  /** Of a message that comes seconds late. */
  readonly straggleChance: number;
  /** Messages of a link arrive in order, as over one connection. */
  readonly ordered: boolean;
  /** Messages under way on one link; one more drives out a random one. */
  readonly linkMessagesMax: number;
  /** That a peer's death is noticed at once, because its connection closes. */
  readonly closeNoticedChance: number;
}

export interface DiskOptions {
  /** `memory`: a log store of the simulator's own, fast; `log`: the real one on a simulated disk. */
  readonly store: 'memory' | 'log';
  /** Of the real one: when it begins another segment, and what it keeps in memory. */
  readonly segmentBytes: number;
  readonly cacheBytes: number;
  readonly syncMinMs: Millis;
  readonly syncMeanMs: Millis;
}

const commonFaults = [
  'crash',
  'crashLeader',
  'crashAtWrite',
  'crashAfterSync',
  'powerLoss',
  'pause',
  'isolate',
  'isolateLeader',
  'split',
  'partial',
  'oneWay',
  'clog',
  'reset',
  'slowDisk',
  'wipe',
  'addMember',
  'removeMember',
  'setMembers',
  'transfer',
] as const;

/** What damages disks and clocks, in some of the runs: in the others everything else has its chance. */
const rareFaults = ['hungDisk', 'fullDisk', 'failedSync', 'tornWrite', 'rottenDisk', 'drift'] as const;

/** What was thought of later, in some of the runs, too, and drawn beside all else: so the seeds before it mean what they meant. */
const laterFaults = [
  'crashAtAwait',
  'crashInStart',
  'stop',
  'skew',
  'jump',
  'leap',
  'fullSnapshots',
  'fullAll',
  'failedSnapshotSync',
  'tornSnapshot',
  'rottenSnapshot',
  'rottenGroup',
] as const;

export const faultKinds = [...commonFaults, ...rareFaults] as const;
export const laterFaultKinds: readonly LaterFaultKind[] = laterFaults;
export type LaterFaultKind = (typeof laterFaults)[number];
export type FaultKind = (typeof faultKinds)[number];

export interface FaultOptions {
  /** Between two faults, on average. */
  readonly intervalMeanMs: Millis;
  /** How long a process stays down or stopped, a link cut or clogged, a disk slow: on average. */
  readonly durationMeanMs: Millis;
  /** The kinds of this run, by weight; kinds that are missing do not happen. */
  readonly weights: Readonly<Partial<Record<FaultKind | LaterFaultKind, number>>>;
}

export interface WorkloadOptions {
  readonly clientsPerGroup: number;
  readonly thinkMeanMs: Millis;
  readonly readChance: number;
  readonly timeoutMs: Millis;
  readonly payloadBytesMax: number;
  /** Proposals made in one turn by one client, at most. */
  readonly burstMax: number;
}

export type SnapshotOptions = Pick<
  SnapshotLimits,
  'everyBytes' | 'horizonMs' | 'tailBytesMin' | 'tailBytesMax' | 'windowChunks' | 'patienceMs' | 'partialMs'
>;

export interface SimOptions {
  readonly seed: string;
  /** Processes that the groups begin with, and others that wait to be added. */
  readonly members: number;
  readonly spares: number;
  readonly groups: number;
  readonly heartbeatMs: Millis;
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  readonly closedConnectionHint: boolean;
  /** Each process's clock runs fast or slow by up to this much. */
  readonly driftPpmMax: number;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly faults: FaultOptions;
  readonly workload: WorkloadOptions;
  /** When logs are compacted, and by how much; null: never. */
  readonly snapshots: SnapshotOptions | null;
  /** The safety phase lasts until then, or until so many proposals of each group were acknowledged. */
  readonly safetyMs: Millis;
  readonly acknowledgedMax: number;
}

/** To one part in so many: what is drawn can be written down as it is. */
const rounded = (value: number, parts: number): number => Math.round(value * parts) / parts;

/** Zero in a third of the draws, else up to `max`, small values more often. */
function sometimes(random: Random, max: number): number {
  return random.next() < 0.33 ? 0 : rounded(max * random.next() ** 2, 1e4);
}

function pick<T>(random: Random, values: readonly [T, ...T[]]): T {
  return values[random.integer(0, values.length - 1)] ?? values[0];
}

/** In half of the runs, and then so tight that snapshots are taken and sent all the time. */
function drawSnapshots(random: Random, electionMaxMs: Millis): SimOptions['snapshots'] {
  if (random.next() < 0.5) return null;
  return {
    everyBytes: pick(random, [100, 1_000, 10_000]),
    horizonMs: electionMaxMs * pick(random, [0.1, 2, 10]),
    tailBytesMin: 0,
    tailBytesMax: pick(random, [64, 1_000, 20_000]),
    windowChunks: pick(random, [1, 2, 4]),
    patienceMs: electionMaxMs * pick(random, [0.5, 2]),
    partialMs: electionMaxMs * pick(random, [1, 10]),
  };
}

const drawWeights = (random: Random, kinds: readonly (FaultKind | LaterFaultKind)[]): FaultOptions['weights'] =>
  Object.fromEntries(kinds.filter(() => random.next() < 0.5).map((kind) => [kind, random.integer(1, 10)]));

const drawSomeOf = (random: Random, kinds: readonly (FaultKind | LaterFaultKind)[]): FaultOptions['weights'] =>
  random.next() < 0.4 ? drawWeights(random, kinds) : {};

/** The options of a seed: the same for ever, as long as this function stays the same. */
export function drawOptions(seed: number | string): SimOptions {
  const random = createRandom(seed).fork('options');
  const heartbeatMs = pick(random, [20, 50, 50, 100]);
  const electionMinMs = heartbeatMs * pick(random, [3, 4, 5, 10]);
  const electionMaxMs = Math.round(electionMinMs * (1.2 + 1.3 * random.next()));
  return {
    seed: String(seed),
    members: pick(random, [3, 3, 3, 5]),
    spares: pick(createRandom(seed).fork('spares'), [0, 0, 1, 2]),
    groups: pick(random, [1, 1, 2, 3]),
    heartbeatMs,
    electionMinMs,
    electionMaxMs,
    closedConnectionHint: random.next() < 0.75,
    driftPpmMax: random.next() < 0.25 ? 30_000 : 0,
    network: {
      lossChance: sometimes(random, 0.3),
      duplicateChance: sometimes(random, 0.3),
      delayMinMs: rounded(5 * random.next(), 100),
      delayMeanMs: pick(random, [0.5, 2, 10, rounded(electionMinMs / 6, 100)]),
      straggleChance: sometimes(random, 0.02),
      ordered: random.next() < 0.4,
      linkMessagesMax: pick(random, [4, 20, 1000, 1000]),
      closeNoticedChance: pick(random, [0, 0.5, 1]),
    },
    disk: {
      store: pick(random, ['memory', 'log']),
      segmentBytes: pick(random, [4_000, 100_000, 64_000_000]),
      cacheBytes: pick(random, [1_000, 50_000, 64_000_000]),
      syncMinMs: 0.2,
      syncMeanMs: pick(random, [0.2, 1, 5, 30]),
    },
    faults: {
      intervalMeanMs: electionMaxMs * pick(random, [0.5, 1, 3, 8]),
      durationMeanMs: electionMaxMs * pick(random, [0.3, 1, 3]),
      weights: {
        ...drawWeights(random, commonFaults),
        ...drawSomeOf(createRandom(seed).fork('rare faults'), rareFaults),
        ...drawSomeOf(createRandom(seed).fork('later faults'), laterFaults),
      },
    },
    workload: {
      clientsPerGroup: random.integer(1, 4),
      thinkMeanMs: pick(random, [2, 10, 50]),
      readChance: pick(random, [0, 0.2, 0.5]),
      timeoutMs: electionMaxMs * random.integer(1, 4),
      payloadBytesMax: pick(random, [16, 16, 16, 200, 200, 4000, 4000, 40_000]),
      burstMax: pick(random, [1, 1, 4, 40]),
    },
    snapshots: drawSnapshots(createRandom(seed).fork('snapshots'), electionMaxMs),
    safetyMs: 20 * electionMaxMs,
    acknowledgedMax: 250,
  };
}
