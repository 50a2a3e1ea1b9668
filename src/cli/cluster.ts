import { adminDefinition } from '../actors/transports/grpc-definitions.ts';
import { type AdminClient, createAdminClient } from '../actors/transports/admin-client.ts';
import {
  admissionFromProto,
  configFromProto,
  nodesFromProto,
  statusFromProto,
} from '../actors/transports/admin-codec.ts';
import { configKeys } from '../actors/cluster/cluster-config.ts';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { nearest, parseAddress, parseAddresses } from '../core/units.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import { configTable, nodesTable, statusScreen } from './cluster-tables.ts';
import { recover } from './cluster-recover.ts';
import { nodeOf, remove } from './cluster-remove.ts';
import type { Command, Values } from './flags.ts';
import { randomName } from './process.ts';

export const clusterCommand: Command = {
  name: 'cluster',
  summary: 'sees and steers the cluster',
  words:
    'status | nodes | add ID --grpc ADDR | remove ID | config get [KEY…] | config set KEY=NUMBER… | transfer GROUP BROKER | snapshot GROUP | recover',
  flags: {
    brokers: {
      value: 'ADDR,…',
      default: '127.0.0.1:7411,127.0.0.1:7412,127.0.0.1:7413',
      help: 'some brokers of the cluster: the first that answers does',
    },
    grpc: { value: 'ADDR', help: 'of the broker to add: its gRPC address' },
    zone: { value: 'NAME', help: 'of the broker to add: where it stands, for people' },
    data: { value: 'DIR', help: 'recover: the data directory of a broker that is stopped' },
    id: { value: 'ID', help: 'recover: whose directory it is' },
    yes: { help: 'recover: do it; without this it only says what it would do' },
    'accept-doubt': { help: 'recover: also where it says that more may be missing' },
    'no-wait': { help: 'remove: do not wait until it is gone' },
    json: { help: 'as the HTTP answer' },
  },
  run: runCluster,
};

/** What one of them prints: data for programs, text for people. */
interface Answer {
  readonly data: unknown;
  readonly text: () => string;
}
type Action = (admin: AdminClient, words: readonly string[], values: Values) => Promise<Answer>;

/** It asks nobody: there is nobody to ask. */
const OFFLINE = 'recover';
const ACTIONS: Readonly<Record<string, Action>> = { status, nodes, add, remove, config, transfer, snapshot };

async function runCluster(values: Values): Promise<number> {
  const [name, ...words] = values.words;
  if (name === OFFLINE) return recover(words, values);
  const action = actionOf(values);
  const addresses = parseAddresses(values.text('brokers'), 'brokers');
  const admin = createAdminClient({ addresses, clock: createRealClock(), random: createRandom(randomName()) });
  try {
    process.stdout.write(await action(admin));
  } finally {
    admin.close();
  }
  return 0;
}

/** What it prints, of an action's answer. @throws VedetteError INVALID_ARGUMENT when there is no such action. */
export function actionOf(values: Values): (admin: AdminClient) => Promise<string> {
  const [name, ...words] = values.words;
  if (name === 'rebalance')
    throw invalidArgument(
      'words',
      'vedette cluster rebalance is not in this release: shards move by themselves as brokers come and go',
    );
  const action = chosen(name, ACTIONS, 'cluster', [OFFLINE]);
  return async (admin) => {
    const { data, text } = await action(admin, words, values);
    return values.switch('json') ? `${JSON.stringify(data)}\n` : text();
  };
}

function chosen(
  name: string | undefined,
  actions: Readonly<Record<string, Action>>,
  of: string,
  besides: readonly string[] = [],
): Action {
  const names = [...Object.keys(actions), ...besides];
  const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action;
  const all = `vedette ${of} takes one of ${names.join(', ')}`;
  if (name === undefined) throw invalidArgument('words', all);
  const near = nearest(name, names);
  throw invalidArgument(
    'words',
    `${all}, not ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`,
  );
}

function noMore(words: readonly string[], of: string): void {
  if (words.length > 0)
    throw invalidArgument(
      'words',
      `vedette cluster ${of} takes no more words; ${JSON.stringify(words[0])} is too much`,
    );
}

async function status(admin: AdminClient, words: readonly string[]): Promise<Answer> {
  noMore(words, 'status');
  const data = statusFromProto(await admin.ask(adminDefinition.GetStatus, {}));
  return { data, text: () => statusScreen(data) };
}

async function nodes(admin: AdminClient, words: readonly string[]): Promise<Answer> {
  noMore(words, 'nodes');
  const data = { nodes: nodesFromProto(await admin.ask(adminDefinition.ListNodes, {})) };
  return { data, text: () => nodesTable(data.nodes) };
}

async function add(admin: AdminClient, [id, ...rest]: readonly string[], values: Values): Promise<Answer> {
  noMore(rest, 'add ID');
  if (id === undefined) throw invalidArgument('words', 'vedette cluster add takes the ID of the new broker');
  const grpc = values.optional('grpc');
  if (grpc === undefined) throw invalidArgument('grpc', 'vedette cluster add needs --grpc ADDR');
  const broker = { id, grpc: parseAddress(grpc, 'grpc'), zone: values.optional('zone') ?? '' };
  const { brokers, clusterId } = admissionFromProto(
    await admin.ask(adminDefinition.AddBroker, { ...broker, call: await admin.call() }),
  );
  const join = brokers.filter((member) => member.id !== id).map((member) => member.grpc);
  return {
    data: await nodeOf(admin, id),
    text: () =>
      `${id} is a member of cluster ${clusterId}; it waits to be started:\n` +
      `  vedette broker --id ${id} --grpc ${broker.grpc} --http ADDR --data DIR --join ${join.join(',')}\n`,
  };
}

function config(admin: AdminClient, [name, ...words]: readonly string[], values: Values): Promise<Answer> {
  return chosen(name, { get: getConfig, set: setConfig }, 'cluster config')(admin, words, values);
}

async function getConfig(admin: AdminClient, keys: readonly string[]): Promise<Answer> {
  keys.forEach(checkKey);
  const data = configFromProto(await admin.ask(adminDefinition.GetConfig, {}));
  return { data, text: () => configTable(data, keys) };
}

async function snapshot(admin: AdminClient, [group, ...rest]: readonly string[]): Promise<Answer> {
  noMore(rest, 'snapshot GROUP');
  if (group === undefined)
    throw invalidArgument('words', 'vedette cluster snapshot takes a GROUP: control, or shard-N');
  const { snapshotDeadlineMs } = limits.control;
  const patience = { attemptMs: snapshotDeadlineMs, deadlineMs: snapshotDeadlineMs };
  const { index } = await admin.ask(adminDefinition.TakeSnapshot, { group }, patience);
  return {
    data: { group, index },
    text: () => `${group}: the newest snapshot holds everything up to entry ${index}\n`,
  };
}

async function transfer(admin: AdminClient, [group, to, ...rest]: readonly string[]): Promise<Answer> {
  noMore(rest, 'transfer GROUP BROKER');
  if (group === undefined || to === undefined)
    throw invalidArgument(
      'words',
      'vedette cluster transfer takes a GROUP (control, or shard-N) and the BROKER that is to lead it',
    );
  const { deadlineMs, clientDeadlineMs } = limits.control;
  await admin.ask(
    adminDefinition.TransferLeadership,
    { group, to },
    { attemptMs: deadlineMs, deadlineMs: clientDeadlineMs },
  );
  return { data: { group, leader: to }, text: () => `${to} leads ${group}\n` };
}

/** Reads, changes, writes; when somebody else was faster, again. */
async function setConfig(admin: AdminClient, words: readonly string[]): Promise<Answer> {
  if (words.length === 0) throw invalidArgument('words', 'vedette cluster config set takes KEY=NUMBER');
  const changes = words.map(parseAssignment);
  for (let attempt = 1; ; attempt++) {
    const { version, config: before } = await admin.ask(adminDefinition.GetConfig, {});
    const config = { ...before, ...Object.fromEntries(changes) };
    try {
      const call = await admin.call();
      const data = configFromProto(await admin.ask(adminDefinition.SetConfig, { version, config, call }));
      const keys = changes.map(([key]) => key);
      return { data, text: () => configTable(data, keys) };
    } catch (error) {
      const lost = error instanceof VedetteError && error.code === 'ABORTED' && error.field === 'version';
      if (!lost || attempt === RACES_MAX) throw error;
    }
  }
}

const RACES_MAX = 10;

function parseAssignment(word: string): [key: string, value: number] {
  const equals = word.indexOf('=');
  if (equals <= 0) throw invalidArgument('words', `${JSON.stringify(word)} should be KEY=NUMBER`);
  const key = word.slice(0, equals);
  checkKey(key);
  const value = Number(word.slice(equals + 1));
  if (word.slice(equals + 1).trim() === '' || !Number.isFinite(value))
    throw invalidArgument(key, `${JSON.stringify(word)}: a number is expected`);
  return [key, value];
}

function checkKey(key: string): void {
  const known = configKeys.map((known) => known.key);
  if (known.includes(key)) return;
  const near = nearest(key, known);
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
  throw invalidArgument('words', `there is no key ${JSON.stringify(key)}; ${hint}`);
}
