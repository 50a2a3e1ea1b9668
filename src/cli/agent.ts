import { hostname } from 'node:os';
import { createProcCollector } from '../actors/agent/proc-collector.ts';
import { openSchemaTable } from '../actors/agent/schema-table.ts';
import { createAgent } from '../actors/agent.ts';
import { kernels } from '../actors/kernels.ts';
import { createNodeDisk } from '../actors/stores/node-disk.ts';
import { openQueue } from '../actors/stores/queue.ts';
import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { invalidArgument } from '../core/errors.ts';
import { type AgentId, parseHostId } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import { parseAddresses, parseDuration } from '../core/units.ts';
import { createInspector } from '../streams/inspector.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Command, Values } from './flags.ts';
import { announce, programVersion, randomName, say, stopSignal } from './process.ts';

export const agentCommand: Command = {
  name: 'agent',
  summary: 'samples this host and reports to the cluster',
  flags: {
    brokers: { value: 'ADDR,…', required: true, help: 'some brokers of the cluster; the others are found' },
    'host-id': { value: 'ID', default: hostname(), help: "this host's name" },
    interval: { value: 'DURATION', default: '1s', help: 'between two samples' },
    data: { value: 'DIR', default: './.vedette/agent', help: 'where rows wait until they are acknowledged' },
  },
  run: runAgent,
};

async function runAgent(values: Values): Promise<number> {
  const hostId = parseHostId(values.text('host-id'), 'host-id');
  const brokers = parseAddresses(values.text('brokers'), 'brokers');
  const intervalMs = parseDuration(values.text('interval'), 'interval');
  if (intervalMs < 100 || intervalMs > 60_000)
    throw invalidArgument('interval', '--interval must be from 100ms to 60s');
  const clock = createRealClock();
  const disk = createNodeDisk();
  const directory = values.text('data');
  const queue = openQueue({
    disk,
    directory: `${directory}/queue`,
    clock,
    crc32c: kernels.crc32c,
    warn: say,
    limits: limits.agent,
  });
  const clients = createMonitorClients();
  const agent = createAgent({
    hostId,
    agentId: randomName() as AgentId,
    labels: { 'host.name': hostname(), 'os.type': process.platform, 'host.arch': process.arch },
    version: programVersion(),
    intervalMs,
    brokers,
    clients: clients.get,
    clock,
    random: createRandom(randomName()),
    inspector: createInspector({ clock }),
    collector: createProcCollector(say),
    queue,
    schemas: openSchemaTable(disk, directory, say),
    warn: say,
  });
  announce(`agent ${hostId} ready`);
  say(`${hostId} is stopping: ${await stopSignal()}`);
  agent.stop();
  clients.close();
  return 0;
}
