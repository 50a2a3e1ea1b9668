// `vedette cluster recover`: when a majority of the brokers is lost for ever, the cluster goes on from what one of them has. It works on
// the directory of a broker that is stopped, shows first what it would do, and does it only when told to.
import { openRecovery, type Recovery, type RecoveryPlan } from '../actors/cluster/recovery.ts';
import { kernels } from '../actors/kernels.ts';
import type { Doubt, SoleVoter } from '../actors/raft/sole-voter.ts';
import { createNodeDisk } from '../actors/stores/node-disk.ts';
import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import { type BrokerId, type ClusterId, parseBrokerId } from '../core/ids.ts';
import { membersOf } from '../machines/raft/membership.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Values } from './flags.ts';
import { cell, table } from './cluster-tables.ts';
import { randomName, say } from './process.ts';

const DOUBTS: Readonly<Record<Doubt, string>> = {
  nothing: 'nothing of it is here: it begins empty',
  broken: 'its log has lost its beginning, and no whole snapshot holds that: it goes on from an older one, or empty',
  unsound: 'what this broker acknowledged may be missing: its disk was damaged, or lost',
  learner: 'this broker only learnt it: others may have gone on without it',
  outsider: 'this broker was no member any more: what is here is what was there when it left',
};

/** For an address where nothing answers, not even that nothing listens. */
const PATIENCE_MS = 2_000;

export async function recover(words: readonly string[], values: Values): Promise<number> {
  if (words.length > 0)
    throw invalidArgument('words', `vedette cluster recover takes no ${JSON.stringify(words[0])}; flags begin with --`);
  const self = parseBrokerId(needed(values, 'id', 'ID'), 'id');
  const directory = needed(values, 'data', 'DIR');
  const recovery = openRecovery({
    disk: createNodeDisk(),
    directory,
    self,
    clock: createRealClock(),
    random: createRandom(randomName()),
    kernels,
    mintCluster: () => randomName(8) as ClusterId,
    warn: say,
  });
  try {
    const plan = recovery.look();
    const doubts = plan.isDone ? [] : [...doubtsOf(plan), ...(await stillThere(self, plan))];
    const becomes = values.switch('yes') && !plan.isDone ? await carriedOut(recovery, plan, doubts, values) : null;
    const isForPrograms = values.switch('json');
    process.stdout.write(
      isForPrograms
        ? `${JSON.stringify(dataOf(self, plan, becomes))}\n`
        : textOf(self, directory, plan, doubts, becomes),
    );
  } finally {
    await new Promise<void>((done) => recovery.close(done));
  }
  return 0;
}

function needed(values: Values, name: string, what: string): string {
  const value = values.optional(name);
  if (value === undefined) throw invalidArgument(name, `vedette cluster recover needs --${name} ${what}`);
  return value;
}

async function carriedOut(
  recovery: Recovery,
  plan: RecoveryPlan,
  doubts: readonly string[],
  values: Values,
): Promise<ClusterId> {
  if (doubts.length > 0 && !values.switch('accept-doubt'))
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${doubts.join('\n')}\nNothing was written: --accept-doubt goes on nevertheless`,
      { field: 'accept-doubt' },
    );
  return new Promise((resolve, reject) => {
    recovery.carryOut(plan, (error, cluster) => (error === null ? resolve(cluster) : reject(error)));
  });
}

/**
 * A cluster that goes on must not be recovered: what it acknowledges from then on, and what this broker does, is of two clusters.
 * @throws VedetteError FAILED_PRECONDITION: this very broker answers; its lock may not be seen from here.
 */
async function stillThere(self: BrokerId, { cluster, addresses }: RecoveryPlan): Promise<string[]> {
  const clients = createMonitorClients();
  const found: string[] = [];
  try {
    const ask = async ([id, address]: [string, string]): Promise<void> => {
      const answer = await clients.get(address).listBrokers({ deadlineMs: PATIENCE_MS });
      if (answer.clusterId !== cluster) return;
      if (id === self)
        throw new VedetteError('FAILED_PRECONDITION', `${self} runs, at ${address}: stop it first`, { field: 'data' });
      found.push(`${id} runs, at ${address}: the cluster may have what it needs, and would go on beside this broker`);
    };
    for (const answer of await Promise.allSettled(Object.entries(addresses).map(ask)))
      if (answer.status === 'rejected' && answer.reason instanceof VedetteError && answer.reason.field === 'data')
        throw answer.reason;
  } finally {
    clients.close();
  }
  return found.sort();
}

/** Groups with the same doubt are told together. */
function doubtsOf({ groups }: RecoveryPlan): string[] {
  return (Object.keys(DOUBTS) as Doubt[]).flatMap((doubt) => {
    const names = groups.filter((group) => group.doubt === doubt).map(({ group }) => group);
    return names.length === 0 ? [] : [`${names.join(', ')}: ${DOUBTS[doubt]}`];
  });
}

function dataOf(self: BrokerId, { cluster, lost, groups, isDone }: RecoveryPlan, becomes: ClusterId | null): unknown {
  return {
    id: self,
    cluster,
    becomes,
    written: becomes !== null,
    done: isDone || becomes !== null,
    lost,
    groups: groups.map(({ group, index, term, certain, before, doubt, isAlone }) => ({
      group,
      index,
      term,
      certain,
      before,
      doubt,
      alone: isAlone,
    })),
  };
}

function textOf(
  self: BrokerId,
  directory: string,
  plan: RecoveryPlan,
  doubts: readonly string[],
  becomes: ClusterId | null,
): string {
  const { cluster, lost, isDone } = plan;
  if (isDone)
    return `${self} is the only broker of cluster ${cluster}, and the only voter of each group: nothing to do\n`;
  const others = lost.length === 0 ? 'nobody else' : lost.join(', ');
  const lines = [
    `cluster ${cluster}: ${self} goes on alone with what is in ${directory}; given up: ${others}`,
    '',
    tableOf(plan.groups),
    'What is here is kept: everything up to the last entry is committed when the broker starts. What the others acknowledged',
    'behind that is lost; how much that is cannot be told from here. Where several brokers are left, recover the one whose',
    'last entries have the highest terms, and among these the highest indexes.',
    ...doubts.map((doubt) => `In doubt: ${doubt}.`),
    '',
    ...(becomes === null
      ? ['Nothing was written. --yes does it.']
      : [
          `Done: ${self} is the only broker of cluster ${becomes}. Start it as before, but without --join.`,
          `Delete the data directories of the others${lost.length === 0 ? '' : ` (${lost.join(', ')})`}, and bring each back, or new ones, with --join.`,
        ]),
  ];
  return `${lines.join('\n')}\n`;
}

function tableOf(groups: readonly SoleVoter[]): string {
  const rows = groups.map(({ group, index, term, certain, before }) => [
    cell(group),
    cell(index),
    cell(term),
    cell(certain),
    cell(membersOf(before).join(' ') || '–'),
  ]);
  return table(['group', 'last entry', 'of term', 'surely committed to', 'members until now'], rows);
}
