// What came of a scenario: for people as a timeline, for programs as an object.
import { type PlantedBug, plantedBugs } from './planted.ts';
import { step as stepFields } from './schedule-fields.ts';
import { memberName, type Step } from './schedule.ts';
import type { SimScenario } from './scenario-file.ts';
import { runSimulation, type SimResult } from './simulation.ts';

/** `invalid`: nothing was broken, but a fault that was brought touched nothing, so the run has not shown what it was to show. */
export type Verdict = 'passed' | 'failed' | 'invalid';

export interface ReplayReport {
  readonly name: string;
  readonly seed: string;
  readonly verdict: Verdict;
  readonly violation: { readonly rule: string; readonly message: string } | null;
  readonly faults: readonly ReplayedFault[];
  readonly deliveredMessages: number;
  readonly acknowledgedProposals: number;
  readonly committedEntries: number;
  readonly virtualMs: number;
  readonly traceHash: string;
  /** The last things that happened before the violation. */
  readonly tail: readonly string[];
}

export interface ReplayedFault {
  readonly atMs: number;
  /** As in the file, without its time. */
  readonly fault: string;
  /** Whom it met; empty: its moment did not come before the violation, or the end. */
  readonly brokers: readonly string[];
  readonly brought: boolean;
  readonly touched: number;
}

/** @param bug one to put in, as when it was found. */
export function replay({ name, options, schedule }: SimScenario, bug: PlantedBug | null = null): ReplayReport {
  const { failure, brought, delivered, acknowledged, committed, virtualMs, hash, tail } = runSimulation(options, {
    schedule,
    planted: bug === null ? {} : plantedBugs[bug](options),
  });
  const byStep = new Map(brought.map((each) => [each.step, each]));
  const faults = schedule.steps.map((step) => {
    const done = byStep.get(step);
    const brokers = (done?.members ?? []).map(memberName);
    const touched = done?.touched ?? 0;
    return { atMs: step.atMs, fault: stepText(step), brokers, brought: done !== undefined, touched };
  });
  return {
    name,
    seed: options.seed,
    verdict: verdictOf(failure, faults),
    violation: failure === null ? null : { rule: failure.rule, message: failure.message },
    faults,
    deliveredMessages: delivered,
    acknowledgedProposals: acknowledged,
    committedEntries: committed,
    virtualMs,
    traceHash: hash,
    tail,
  };
}

function verdictOf(failure: SimResult['failure'], faults: readonly ReplayedFault[]): Verdict {
  if (failure !== null) return 'failed';
  return faults.some(({ brought, touched }) => brought && touched === 0) ? 'invalid' : 'passed';
}

/** `crash leader for 5s` */
function stepText(step: Step): string {
  const written = stepFields.write(step) as Readonly<Record<string, unknown>>;
  const said = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)?.replaceAll('"', ''));
  return Object.entries(written)
    .filter(([name]) => name !== 'at')
    .map(([name, value]) => {
      if (name === 'fault' || name === 'kind' || name === 'target') return said(value);
      return name === 'for' ? `for ${said(value)}` : `${name} ${said(value)}`;
    })
    .join(' ');
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(3)} s`.padStart(11);

/** What is to happen, without running it. */
export const planText = ({ name, options, schedule }: SimScenario): string =>
  [
    `${name} (seed ${options.seed}): ${options.members} brokers, ${options.spares} spare, ${options.groups} groups, at most ${options.safetyMs / 1000} s`,
    ...schedule.steps.map((step) => `${seconds(step.atMs)}  ${stepText(step)}`),
  ].join('\n');

export function replayText(report: ReplayReport): string {
  const { name, seed, verdict, violation, faults, tail } = report;
  return [
    `${name} (seed ${seed})`,
    ...faults.map(({ atMs, fault, brokers, brought, touched }) => {
      const what = !brought ? 'its moment did not come' : touched === 0 ? 'touched nothing' : `touched ${touched}`;
      return `${seconds(atMs)}  ${fault}${brokers.length === 0 ? '' : `  → ${brokers.join(' ')}`}: ${what}`;
    }),
    ...(violation === null ? [] : ['', ...tail, '', `broken: ${violation.message}`]),
    '',
    `${verdict}: ${report.deliveredMessages} messages, ${report.acknowledgedProposals} proposals acknowledged, ${(report.virtualMs / 1000).toFixed(1)} s simulated, trace ${report.traceHash}`,
  ].join('\n');
}
