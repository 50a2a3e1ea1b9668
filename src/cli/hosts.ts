import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { createBrokerPool } from '../actors/visualization/broker-pool.ts';
import { hostRoutes } from '../actors/visualization/host-routes.ts';
import { parseAddresses } from '../core/units.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Command, Values } from './flags.ts';
import { paintFor } from './paint.ts';
import { randomName } from './process.ts';

export const hostsCommand: Command = {
  name: 'hosts',
  summary: 'lists the hosts',
  flags: {
    brokers: {
      value: 'ADDR,…',
      default: '127.0.0.1:7411,127.0.0.1:7412,127.0.0.1:7413',
      help: 'some brokers of the cluster',
    },
    json: { help: 'as the HTTP answer' },
  },
  run: runHosts,
};

interface HostsAnswer {
  readonly hosts: readonly {
    readonly hostId: string;
    readonly state: string;
    readonly lastSeen: number | null;
    readonly shard: number;
    readonly owner: string;
  }[];
  readonly complete: boolean;
}

const paint = paintFor(process.stdout);

async function runHosts(values: Values): Promise<number> {
  const clock = createRealClock();
  const clients = createMonitorClients();
  const pool = createBrokerPool({
    seeds: parseAddresses(values.text('brokers'), 'brokers'),
    clients: clients.get,
    clock,
    random: createRandom(randomName()),
  });
  const list = hostRoutes(pool, clock).find(({ path }) => path === '/api/v1/hosts');
  const answer = (await list?.handle({ params: {}, query: new URLSearchParams(), body: undefined })) as HostsAnswer;
  pool.stop();
  clients.close();
  if (values.switch('json')) process.stdout.write(`${JSON.stringify(answer)}\n`);
  else process.stdout.write(table(answer, clock.now()));
  return 0;
}

function table({ hosts, complete }: HostsAnswer, now: number): string {
  const width = Math.max(4, ...hosts.map(({ hostId }) => hostId.length));
  const rows = hosts.map(({ hostId, state, lastSeen, shard, owner }) => {
    const seen = lastSeen === null ? 'never' : `${Math.max(0, Math.round((now - lastSeen) / 1000))} s ago`;
    const color = state === 'online' ? 'green' : state === 'offline' ? 'red' : 'yellow';
    return `${hostId.padEnd(width)}  ${paint(color, state.padEnd(8))}  ${seen.padEnd(10)}  ${String(shard).padStart(5)}  ${owner}`;
  });
  const head = paint('dim', `${'host'.padEnd(width)}  ${'state'.padEnd(8)}  ${'seen'.padEnd(10)}  shard  owner`);
  const note = complete ? '' : paint('yellow', 'Part of the cluster does not answer: hosts may be missing.\n');
  return hosts.length === 0 ? `No host has reported yet.\n${note}` : `${head}\n${rows.join('\n')}\n${note}`;
}
