// A whole cluster on this machine: brokers, an agent, the dashboard, each a process of its own.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Disk } from '../actors/stores/disk.ts';
import { createNodeDisk } from '../actors/stores/node-disk.ts';
import { type ChildSpec, createSupervisor, type Supervisor } from '../actors/supervisor.ts';
import { createChildProcesses } from '../actors/transports/child-processes.ts';
import { invalidArgument } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parseAddress, parseCount, parsePowerOfTwo } from '../core/units.ts';
import { createInspector } from '../streams/inspector.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import { checkFree } from './check-free.ts';
import type { Command, Values } from './flags.ts';
import { announce, randomName, stopSignal } from './process.ts';
import { foundersGone } from './up-members.ts';
import { openScreen } from './up-screen.ts';

export const upCommand: Command = {
  name: 'up',
  summary: 'a whole cluster on this machine: brokers, an agent, the dashboard',
  flags: {
    brokers: { value: 'N', default: '3', help: 'brokers, each a process of its own' },
    shards: { value: 'N', default: '32', help: 'shards, a power of two' },
    replicas: { value: 'N', default: '3', help: 'replicas of each shard' },
    data: { value: 'DIR', default: './.vedette', help: 'where everything is kept' },
    storage: { value: 'URL', default: 'embedded:', help: 'where rows go besides' },
    dashboard: { value: 'ADDR', default: '127.0.0.1:8080', help: 'where browsers reach the dashboard' },
    'grpc-base': { value: 'PORT', default: '7410', help: 'broker i listens for gRPC on 127.0.0.1:PORT+i' },
    'http-base': { value: 'PORT', default: '7510', help: 'broker i listens for HTTP on 127.0.0.1:PORT+i' },
    hosts: { value: 'N', default: '0', help: 'synthetic hosts beside this one' },
  },
  run: runUp,
};

interface Plan {
  readonly specs: readonly ChildSpec[];
  /** Addresses to be free, and the flag that moves each. */
  readonly addresses: readonly { readonly address: string; readonly flag: string }[];
  /** Where each child listens, for people. */
  readonly places: ReadonlyMap<string, string>;
  readonly dashboard: string;
  /** Where each broker that runs answers, by its id. */
  readonly brokerHttp: ReadonlyMap<string, string>;
  readonly replicas: number;
  /** Founders that are not started: they have left. */
  readonly gone: readonly string[];
  readonly logs: string;
}

const PORT_MAX = 65_535;

/** @throws VedetteError INVALID_ARGUMENT naming the flag. */
function planOf(values: Values, data: string, disk: Disk): Plan {
  const count = parseCount(values.text('brokers'), 'brokers', 1, limits.peers.foundersMax);
  const replicas = parseCount(values.text('replicas'), 'replicas', 1, 7);
  const shards = parsePowerOfTwo(values.text('shards'), 'shards', 1, 4096);
  const grpcBase = parseCount(values.text('grpc-base'), 'grpc-base', 1, PORT_MAX - count);
  const httpBase = parseCount(values.text('http-base'), 'http-base', 1, PORT_MAX - count);
  const dashboard = parseAddress(values.text('dashboard'), 'dashboard');
  if (parseCount(values.text('hosts'), 'hosts', 0, 100_000) > 0)
    throw invalidArgument('hosts', '--hosts: synthetic hosts are not in this release');
  const storage = values.text('storage');
  if (storage !== 'embedded:')
    throw invalidArgument('storage', `--storage ${storage}: only embedded: is in this release`);
  const founders = Array.from({ length: count }, (_, at) => ({
    id: `broker-${at + 1}`,
    grpc: `127.0.0.1:${grpcBase + at + 1}`,
    http: `127.0.0.1:${httpBase + at + 1}`,
  }));
  const left = foundersGone(disk, data, ids(founders));
  const brokers = founders.filter(({ id }) => !left.has(id));
  if (brokers.length === 0)
    throw invalidArgument('brokers', `--brokers ${count}: ${ids(founders).join(', ')} left the cluster in ${data}`);
  const peers = founders.map(({ id, grpc }) => `${id}=${grpc}`).join(',');
  const seeds = brokers.map(({ grpc }) => grpc).join(',');
  const shared = ['--peers', peers, '--shards', String(shards), '--replicas', String(replicas)];
  return {
    specs: [
      ...brokers.map(({ id, grpc, http }) => ({
        name: id,
        args: ['broker', '--id', id, '--grpc', grpc, '--http', http, '--data', join(data, id), ...shared],
        restAfterDeathMs: limits.supervisor.takeOverMs,
      })),
      { name: 'agent', args: ['agent', '--brokers', seeds, '--data', join(data, 'agent')] },
      { name: 'dashboard', args: ['dashboard', '--brokers', seeds, '--listen', dashboard] },
    ],
    addresses: [
      ...brokers.map(({ grpc }) => ({ address: grpc, flag: 'grpc-base' })),
      ...brokers.map(({ http }) => ({ address: http, flag: 'http-base' })),
      { address: dashboard, flag: 'dashboard' },
    ],
    places: new Map([
      ...brokers.map(({ id, grpc, http }) => [id, `gRPC ${grpc} · HTTP ${http}`] as const),
      ['dashboard', `HTTP ${dashboard}`],
    ]),
    dashboard,
    brokerHttp: new Map(brokers.map(({ id, http }) => [id, http])),
    replicas,
    gone: [...left],
    logs: join(data, 'logs'),
  };
}

const ids = (brokers: readonly { readonly id: string }[]): string[] => brokers.map(({ id }) => id);

/** @throws VedetteError INVALID_ARGUMENT when two of our own would listen on one address. */
function checkDistinct({ addresses }: Plan): void {
  const taken = new Map<string, string>();
  for (const { address, flag } of addresses) {
    const other = taken.get(address);
    if (other !== undefined)
      throw invalidArgument(flag, `--${other} and --${flag} both give ${address} away; move one of them`);
    taken.set(address, flag);
  }
}

async function checkPorts({ addresses }: Plan): Promise<void> {
  for (const { address, flag } of addresses) await checkFree(address, flag);
}

async function runUp(values: Values): Promise<number> {
  const data = resolve(values.text('data'));
  const disk = createNodeDisk();
  const plan = planOf(values, data, disk);
  checkDistinct(plan);
  // Nothing is made before the ports are known to be free; but where another `vedette up` runs, that is what is said.
  if (!disk.exists(data)) await checkPorts(plan);
  disk.makeDirectory(data);
  const lock = disk.lock(join(data, 'lock'));
  try {
    await checkPorts(plan);
    return await supervise(plan, (id) => foundersGone(disk, data, [id]).has(id));
  } finally {
    lock.release();
  }
}

async function supervise(plan: Plan, hasLeft: (id: string) => boolean): Promise<number> {
  const clock = createRealClock();
  const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));
  const supervisor = createSupervisor({
    specs: plan.specs,
    hasLeft,
    processes: createChildProcesses(program, plan.logs),
    clock,
    random: createRandom(randomName()),
    inspector: createInspector({ clock }),
  });
  const screen = openScreen({ ...plan, children: () => supervisor.children });
  for (const id of plan.gone) screen.say(`${id} is not started: it has left the cluster`);
  supervisor.news.subscribe((line) => screen.say(line));
  supervisor.finished.subscribe((name) => screen.say(`${name} has left the cluster: it is not started again`));
  const readiness = setInterval(() => {
    if (!supervisor.allReady) return;
    clearInterval(readiness);
    screen.ready();
    announce(`vedette ready: http://${plan.dashboard}/`);
  }, READY_CHECK_MS);
  const { reason, code } = await Promise.race([
    stopSignal().then((signal) => ({ reason: `stopping: ${signal}`, code: 0 })),
    refusal(supervisor),
  ]);
  clearInterval(readiness);
  screen.say(reason);
  await new Promise<void>((done) => supervisor.stop(done));
  screen.close();
  return code;
}

const READY_CHECK_MS = 50;

/** A process that cannot be started like this: the same as wrong usage of `up` itself. */
function refusal(supervisor: Supervisor): Promise<{ reason: string; code: number }> {
  return new Promise((resolve) => {
    supervisor.failed.subscribe(({ name, message }) => {
      const words = message.split('vedette: ').at(-1) || 'it gave no reason';
      resolve({ reason: `${name} cannot be started: ${words}`, code: 2 });
    });
  });
}
