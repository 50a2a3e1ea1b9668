// A run of the simulator as a file: whoever has it can run it again, with the same trace. YAML (or JSON, which is YAML, too):
//
//   version: 1
//   name: a leader dies
//   seed: 17
//   cluster: { brokers: 3 }
//   for: 10s
//   steps:
//     - { at: 1s, fault: crash, target: leader, for: 2s }
//
// Beside the steps the seed decides: when messages arrive, what a crash keeps of what was not synced, what clients ask for.
import { Document, LineCounter, parseDocument, visit } from 'yaml';
import { invalidArgument } from '../../../src/core/errors.ts';
import { type Codec, duration, field, FieldError, list, pathText, record, text, whole } from '../fields.ts';
import type { DiskOptions, NetworkOptions, SimOptions, WorkloadOptions } from './options.ts';
import { clusterFields, type ClusterOptions, diskFields, networkFields, workloadFields } from './options-fields.ts';
import { type Ending, groupName, memberName, type Schedule, type Step } from './schedule.ts';
import { ending, step } from './schedule-fields.ts';

export interface SimScenario {
  readonly name: string;
  readonly options: SimOptions;
  readonly schedule: Schedule;
}

const VERSION = 1;

interface FileShape {
  readonly version: number;
  readonly name: string;
  readonly seed: string;
  readonly cluster: ClusterOptions;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly workload: WorkloadOptions;
  readonly forMs: number;
  readonly acknowledgedMax: number;
  readonly steps: readonly Step[];
  readonly ending: Ending | null;
}

const version: Codec<number> = {
  read(value, path) {
    const given = whole(1, 1e6).read(value, path);
    if (given > VERSION) throw new FieldError(path, `${given} is newer than this program, which reads ${VERSION}`);
    return given;
  },
  write: (value) => value,
};

const anyText = (what: string) => text(what, (given) => (given === '' ? undefined : given), String);

/** An object whose fields all have presets, when it is left out. */
const presetOf = <T>(codec: Codec<T>): T => codec.read({}, []);
const noEnding: Codec<Ending | null> = { read: ending.read, write: (value) => value && ending.write(value) };

const file: Codec<FileShape> = record<FileShape>({
  version: field('version', version),
  name: field('name', anyText('name')),
  seed: field('seed', anyText('seed')),
  cluster: field('cluster', clusterFields, presetOf(clusterFields)),
  network: field('network', networkFields, presetOf(networkFields)),
  disk: field('disk', diskFields, presetOf(diskFields)),
  workload: field('workload', workloadFields, presetOf(workloadFields)),
  forMs: field('for', duration, 10_000),
  acknowledgedMax: field('acknowledged', whole(0, 1e6), 1e6),
  steps: field('steps', list(step), []),
  ending: field('ending', noEnding, null as Ending | null),
});

/** Without one in the file: the first brokers are a quorum, and the others well. */
const plainEnding = (size: number): Ending => {
  const core = Array.from({ length: size }, (_, member) => member);
  return { core, others: core.map(() => 'well') };
};

const noFaults: SimOptions['faults'] = { intervalMeanMs: 0, durationMeanMs: 0, weights: {} };

/** Whoever is named must be there. */
function checkNames({ cluster, steps, ending: last }: FileShape): void {
  const size = cluster.members + cluster.spares;
  const { core, others } = last ?? plainEnding(size);
  if (new Set(core).size !== size || core.some((member) => member >= size))
    throw new FieldError(['ending', 'core'], `names each of the ${size} brokers once, in any order`);
  if (others.length !== size) throw new FieldError(['ending', 'others'], `has a state for each of the ${size} brokers`);
  steps.forEach((each, at) => {
    const { field: name, members, groups } = namedBy(each);
    const member = members.find((one) => one >= size);
    if (member !== undefined)
      throw new FieldError(['steps', at, name], `there is no ${memberName(member)}; the last one is broker-${size}`);
    const group = groups.find((one) => one >= cluster.groups);
    if (group !== undefined)
      throw new FieldError(
        ['steps', at, name],
        `there is no ${groupName(group)}; the last group is ${groupName(cluster.groups - 1)}`,
      );
  });
}

interface Named {
  readonly field: string;
  readonly members: readonly number[];
  readonly groups: readonly number[];
}

function namedBy(step: Step): Named {
  if (step.fault === 'partition') return { field: 'groups', members: step.groups.flat(), groups: [] };
  if (step.fault === 'network') return { field: 'target', members: [step.link.from, step.link.to], groups: [] };
  const members = step.targets.flatMap((target) => (target.type === 'member' ? [target.member] : []));
  const groups = step.targets.flatMap((target) => (target.type === 'leader' ? [target.group] : []));
  const named = step.fault === 'membership' || (step.fault === 'disk' && step.group !== null) ? [step.group ?? 0] : [];
  return { field: 'target', members, groups: [...groups, ...named] };
}

/** @param path for messages. @throws VedetteError INVALID_ARGUMENT naming line, field and the nearest right thing. */
export function parseScenario(source: string, path: string): SimScenario {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken !== undefined) throw invalidArgument('file', `${path}: ${broken.message.split('\n')[0]}`);
  try {
    const read = file.read(document.toJS() as unknown, []);
    checkNames(read);
    const { name, seed, cluster, network, disk, workload, forMs: safetyMs, acknowledgedMax, steps } = read;
    return {
      name,
      options: { seed, ...cluster, network, disk, faults: noFaults, workload, safetyMs, acknowledgedMax },
      schedule: { steps, ending: read.ending ?? plainEnding(cluster.members + cluster.spares) },
    };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const line = lineOf(document, lines, error.path);
    throw invalidArgument(
      pathText(error.path),
      `${path}${line === null ? '' : `:${line}`}: ${pathText(error.path)} ${error.message}`.trim(),
    );
  }
}

/** Of the field, or of the nearest thing around it that is there. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  lines: LineCounter,
  path: readonly unknown[],
): number | null {
  for (let length = path.length; length >= 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range))
      return lines.linePos(Number(node.range[0])).line;
  }
  return null;
}

/** @param comment lines at its head. */
export function printScenario({ name, options, schedule }: SimScenario, comment: readonly string[] = []): string {
  const { seed, network, disk, workload, safetyMs: forMs, acknowledgedMax } = options;
  const { steps, ending: last } = schedule;
  const plain = file.write({
    version: VERSION,
    name,
    seed,
    cluster: options,
    network,
    disk,
    workload,
    forMs,
    acknowledgedMax,
    steps,
    ending: last,
  });
  const document = new Document(plain);
  // A line for each group of options, and for each step.
  visit(document, {
    Map(_, node, path) {
      if (path.length > 1) node.flow = true;
    },
  });
  return comment.map((line) => `# ${line}\n`).join('') + document.toString({ lineWidth: 0 });
}
