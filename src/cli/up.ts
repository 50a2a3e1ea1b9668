// A whole cluster on this machine: brokers, an agent, the dashboard, each a process of its own.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNodeDisk } from '../actors/stores/node-disk.ts';
import { type ChildSpec, createSupervisor, type Supervisor } from '../actors/supervisor.ts';
import { createChildProcesses } from '../actors/transports/child-processes.ts';
import { invalidArgument } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parseAddress, parseCount } from '../core/units.ts';
import { createInspector } from '../streams/inspector.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import { checkFree } from './check-free.ts';
import type { Command, Values } from './flags.ts';
import { announce, randomName, stopSignal } from './process.ts';
import { type Screen, openScreen } from './up-screen.ts';

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
  /** Addresses to be free, and the flag that names each. */
  readonly addresses: readonly { readonly address: string; readonly flag: string }[];
  readonly dashboard: string;
  readonly brokerHttp: readonly string[];
  readonly logs: string;
}

function planOf(values: Values, data: string): Plan {
  const count = parseCount(values.text('brokers'), 'brokers', 1, limits.peers.brokersMax);
  const grpcBase = parseCount(values.text('grpc-base'), 'grpc-base', 1, 65_000);
  const httpBase = parseCount(values.text('http-base'), 'http-base', 1, 65_000);
  const dashboard = parseAddress(values.text('dashboard'), 'dashboard');
  if (parseCount(values.text('hosts'), 'hosts', 0, 100_000) > 0)
    throw invalidArgument('hosts', '--hosts: synthetic hosts are not in this release');
  const brokers = Array.from({ length: count }, (_, at) => ({
    id: `broker-${at + 1}`,
    grpc: `127.0.0.1:${grpcBase + at + 1}`,
    http: `127.0.0.1:${httpBase + at + 1}`,
  }));
  const peers = brokers.map(({ id, grpc }) => `${id}=${grpc}`).join(',');
  const seeds = brokers.map(({ grpc }) => grpc).join(',');
  const shared = [
    '--peers',
    peers,
    '--shards',
    values.text('shards'),
    '--replicas',
    values.text('replicas'),
    '--storage',
    values.text('storage'),
  ];
  return {
    specs: [
      ...brokers.map(({ id, grpc, http }) => ({
        name: id,
        args: ['broker', '--id', id, '--grpc', grpc, '--http', http, '--data', join(data, id), ...shared],
      })),
      { name: 'agent', args: ['agent', '--brokers', seeds, '--data', join(data, 'agent')] },
      { name: 'dashboard', args: ['dashboard', '--brokers', seeds, '--listen', dashboard] },
    ],
    addresses: [
      ...brokers.map(({ grpc }) => ({ address: grpc, flag: 'grpc-base' })),
      ...brokers.map(({ http }) => ({ address: http, flag: 'http-base' })),
      { address: dashboard, flag: 'dashboard' },
    ],
    dashboard,
    brokerHttp: brokers.map(({ http }) => http),
    logs: join(data, 'logs'),
  };
}

async function runUp(values: Values): Promise<number> {
  const data = resolve(values.text('data'));
  const plan = planOf(values, data);
  const disk = createNodeDisk();
  disk.makeDirectory(data);
  const lock = disk.lock(join(data, 'lock'));
  try {
    for (const { address, flag } of plan.addresses) await checkFree(address, flag);
    return await supervise(plan);
  } finally {
    lock.release();
  }
}

async function supervise(plan: Plan): Promise<number> {
  const clock = createRealClock();
  const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));
  const supervisor = createSupervisor({
    specs: plan.specs,
    processes: createChildProcesses(program, plan.logs),
    clock,
    random: createRandom(randomName()),
    inspector: createInspector({ clock }),
  });
  const screen = openScreen({ supervisor, dashboard: plan.dashboard, brokerHttp: plan.brokerHttp, logs: plan.logs });
  supervisor.news.subscribe((line) => screen.say(line));
  const code = await Promise.race([
    untilReady(supervisor, plan, screen)
      .then(() => stopSignal())
      .then((reason) => ended(screen, reason, 0)),
    stopEarly(screen),
    untilFailed(supervisor, screen),
  ]);
  await new Promise<void>((done) => supervisor.stop(done));
  screen.close();
  return code;
}

function ended(screen: Screen, reason: string, code: number): number {
  screen.say(`stopping: ${reason}`);
  return code;
}

const stopEarly = (screen: Screen): Promise<number> => stopSignal().then((reason) => ended(screen, reason, 0));

function untilFailed(supervisor: Supervisor, screen: Screen): Promise<number> {
  return new Promise((resolve) => {
    supervisor.failed.subscribe(({ name, message }) => {
      screen.say(`${name} cannot be started: ${message || 'it gave no reason'}`);
      resolve(2);
    });
  });
}

async function untilReady(supervisor: Supervisor, { dashboard }: Plan, screen: Screen): Promise<void> {
  while (!supervisor.allReady) await new Promise((resolve) => setTimeout(resolve, 50));
  screen.ready();
  announce(`vedette ready: http://${dashboard}/`);
}
