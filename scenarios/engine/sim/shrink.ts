// Makes a failing run small: fewer faults first (delta debugging: Zeller and Hildebrandt, 2002), then shorter and simpler ones, then a
// simpler cluster. What is left still breaks the same rule. Each try is a whole run, so they are counted.
import type { SimOptions } from './options.ts';
import type { Affliction, Schedule, Step } from './schedule.ts';

/** What can be run, and made smaller. */
export interface Candidate {
  readonly options: SimOptions;
  readonly schedule: Schedule;
}

export interface ShrinkPorts {
  /** The rule that a run breaks, if any. */
  readonly broken: (candidate: Candidate) => string | null;
  readonly runsMax: number;
  /** After each smaller one that was found. */
  readonly progress?: (smallest: Candidate, runs: number) => void;
}

export interface Shrunk extends Candidate {
  readonly runs: number;
}

/** @param rule what must stay broken. */
export function shrink(start: Candidate, rule: string, { broken, runsMax, progress }: ShrinkPorts): Shrunk {
  let smallest = start;
  let runs = 0;

  function keeps(candidate: Candidate): boolean {
    if (runs >= runsMax) return false;
    runs++;
    if (broken(candidate) !== rule) return false;
    smallest = candidate;
    progress?.(smallest, runs);
    return true;
  }

  const withSteps = (steps: readonly Step[]): Candidate => ({
    ...smallest,
    schedule: { ...smallest.schedule, steps },
  });

  /** Leaves out ever smaller parts of the steps, until none can be spared. */
  function fewerSteps(): void {
    let parts = 1;
    while (runs < runsMax) {
      const { steps } = smallest.schedule;
      if (steps.length === 0) return;
      const size = Math.ceil(steps.length / parts);
      const left = starts(steps.length, size).find((at) => keeps(withSteps(steps.toSpliced(at, size))));
      if (left !== undefined) parts = Math.max(1, parts - 1);
      else if (size === 1) return;
      else parts = Math.min(steps.length, parts * 2);
    }
  }

  function simplerSteps(): void {
    for (let at = 0; at < smallest.schedule.steps.length; at++) {
      for (let again = true; again; ) {
        const step = smallest.schedule.steps[at];
        if (step === undefined) return;
        again = simplerOf(step).some((simpler) => keeps(withSteps(smallest.schedule.steps.with(at, simpler))));
      }
    }
  }

  function simplerEnding(): void {
    const well: Affliction = 'well';
    smallest.schedule.ending.others.forEach((affliction, member) => {
      if (affliction === well) return;
      const { ending } = smallest.schedule;
      const others = ending.others.with(member, well);
      keeps({ ...smallest, schedule: { ...smallest.schedule, ending: { ...ending, others } } });
    });
  }

  function simplerOptions(): void {
    for (const simplify of SIMPLER) {
      for (let again = true; again; ) {
        const options = simplify(smallest.options, smallest.schedule);
        again = options !== null && keeps({ ...smallest, options });
      }
    }
  }

  fewerSteps();
  simplerEnding();
  simplerOptions();
  simplerSteps();
  fewerSteps();
  return { ...smallest, runs };
}

const starts = (length: number, size: number): number[] =>
  Array.from({ length: Math.ceil(length / size) }, (_, part) => part * size);

/** A step that does a little less, in several ways. */
function simplerOf(step: Step): Step[] {
  const simpler: Step[] = [];
  if (step.forMs > 1) simpler.push({ ...step, forMs: Math.floor(step.forMs / 2) });
  if ('targets' in step && step.targets.length > 1)
    step.targets.forEach((_, at) => simpler.push({ ...step, targets: step.targets.toSpliced(at, 1) }));
  if (step.fault === 'crash-at') {
    if (step.times > 1) simpler.push({ ...step, times: step.times - 1 });
    if (step.restart) simpler.push({ ...step, restart: false });
    if (step.nth > 1) simpler.push({ ...step, nth: Math.floor(step.nth / 2) }, { ...step, nth: step.nth - 1 });
  }
  if (step.fault === 'clock')
    for (const part of ['driftPpm', 'skewMs', 'jumpMs', 'leapMs'] as const) {
      const less = Math.trunc(step[part] / 2);
      if (Math.abs(step[part]) > 1) simpler.push({ ...step, [part]: 0 }, { ...step, [part]: less });
    }
  if (step.fault === 'partition')
    step.groups.forEach((group, at) => {
      if (group.length > 1) simpler.push({ ...step, groups: step.groups.with(at, group.slice(1)) });
    });
  return simpler;
}

type Simplify = (options: SimOptions, schedule: Schedule) => SimOptions | null;

/** Each is tried again as long as it helps; null: there is nothing to simplify. */
const SIMPLER: readonly Simplify[] = [
  (options) => (options.snapshots === null ? null : { ...options, snapshots: null }),
  (options) => (options.driftPpmMax === 0 ? null : { ...options, driftPpmMax: 0 }),
  ...(['lossChance', 'duplicateChance', 'straggleChance'] as const).map(
    (chance): Simplify =>
      (options) =>
        options.network[chance] === 0 ? null : { ...options, network: { ...options.network, [chance]: 0 } },
  ),
  (options) => (options.network.ordered ? null : { ...options, network: { ...options.network, ordered: true } }),
  (options) => (options.disk.store === 'memory' ? null : { ...options, disk: { ...options.disk, store: 'memory' } }),
  ...(['clientsPerGroup', 'burstMax'] as const).map(
    (count): Simplify =>
      (options) =>
        options.workload[count] === 1 ? null : { ...options, workload: { ...options.workload, [count]: 1 } },
  ),
  (options) =>
    options.workload.readChance === 0 ? null : { ...options, workload: { ...options.workload, readChance: 0 } },
  (options, { steps }) => (options.groups === 1 || namesGroups(steps) ? null : { ...options, groups: 1 }),
  ({ acknowledgedMax, ...options }) =>
    acknowledgedMax <= 1 ? null : { ...options, acknowledgedMax: Math.floor(acknowledgedMax / 2) },
  ({ safetyMs, ...options }) => (safetyMs <= 100 ? null : { ...options, safetyMs: Math.floor(safetyMs / 2) }),
];

const namesGroups = (steps: readonly Step[]): boolean =>
  steps.some(
    (step) =>
      ((step.fault === 'membership' || step.fault === 'disk') && (step.group ?? 0) > 0) ||
      ('targets' in step && step.targets.some((target) => target.type === 'leader' && target.group > 0)),
  );
