// What is done with one seed: its run, and when that fails, a smallest run that fails in the same way, as a file.
import { describeError } from '../../../src/core/errors.ts';
import { drawSchedule } from './draw-schedule.ts';
import { drawOptions } from './options.ts';
import { type PlantedBug, plantedBugs } from './planted.ts';
import { type Tally, tally } from './report.ts';
import { printScenario } from './scenario-file.ts';
import { type Candidate, shrink } from './shrink.ts';
import { runSimulation, type SimResult } from './simulation.ts';

export interface SeedFailure {
  readonly rule: string;
  /** The first line says it all. */
  readonly message: string;
  /** Faults that were drawn, and those that are left of them. */
  readonly drawn: number;
  readonly left: number;
  readonly runs: number;
  /** The smallest run, as a file. */
  readonly scenario: string;
}

export interface SeedReport {
  readonly seed: number;
  readonly delivered: number;
  readonly failure: SeedFailure | null;
  readonly faults: readonly (readonly [label: string, tally: Tally])[];
}

export interface FuzzOptions {
  /** A bug to put in, to see it found. */
  readonly bug: PlantedBug | null;
  readonly shrinkRuns: number;
}

/** What a run that was stopped by an error of the simulator's own is said to have broken. */
const CRASHED = 'the simulator goes on';

type Run = (candidate: Candidate) => Pick<SimResult, 'delivered' | 'brought' | 'failure'> & { rule: string | null };

/** @param progress is told of each smaller run. */
export function fuzzSeed(
  seed: number,
  { bug, shrinkRuns }: FuzzOptions,
  progress: (left: number, runs: number) => void = () => {},
): SeedReport {
  const run: Run = ({ options, schedule }) => {
    const planted = bug === null ? {} : plantedBugs[bug](options);
    const result = runSimulation(options, { schedule, planted });
    return { ...result, rule: result.failure?.rule ?? null };
  };
  const options = drawOptions(seed);
  const start: Candidate = { options, schedule: drawSchedule(options) };
  const totals = new Map<string, Tally>();
  let found: { readonly rule: string; readonly message: string } | null;
  let delivered = 0;
  try {
    const { failure, brought, ...result } = run(start);
    delivered = result.delivered;
    tally(totals, brought);
    found = failure;
  } catch (error) {
    found = { rule: CRASHED, message: describeError(error) };
  }
  const failure = found === null ? null : reduce(seed, start, found, ruleOf(run), shrinkRuns, progress);
  return { seed, delivered, failure, faults: [...totals] };
}

const ruleOf =
  (run: Run) =>
  (candidate: Candidate): string | null => {
    try {
      return run(candidate).rule;
    } catch {
      return CRASHED;
    }
  };

function reduce(
  seed: number,
  start: Candidate,
  { rule, message }: { readonly rule: string; readonly message: string },
  broken: (candidate: Candidate) => string | null,
  runsMax: number,
  progress: (left: number, runs: number) => void,
): SeedFailure {
  const { runs, ...smallest } = shrink(start, rule, {
    broken,
    runsMax,
    progress: ({ schedule }, count) => progress(schedule.steps.length, count),
  });
  const [said = rule] = message.split('\n');
  const drawn = start.schedule.steps.length;
  const left = smallest.schedule.steps.length;
  const comment = [
    `Found by seed ${seed}, and made small: ${left} of ${drawn} faults are left. It breaks this rule:`,
    `  ${said}`,
  ];
  const scenario = printScenario({ name: `seed ${seed}: ${rule}`, ...smallest }, comment);
  return { rule, message: said, drawn, left, runs, scenario };
}
