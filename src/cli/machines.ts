import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { describeError, invalidArgument, unavailable, VedetteError } from '../core/errors.ts';
import { parseAddresses } from '../core/units.ts';
import type { Command, Values } from './flags.ts';
import { paintFor } from './paint.ts';
import { say } from './process.ts';

export const machinesCommand: Command = {
  name: 'machines',
  summary: 'lists the live statecharts of the brokers, or shows one',
  words: '[ID]',
  flags: {
    brokers: {
      value: 'ADDR,…',
      default: '127.0.0.1:7411,127.0.0.1:7412,127.0.0.1:7413',
      help: 'some brokers of the cluster',
    },
    kind: { value: 'KIND', help: 'only this kind: broker raft host subscription peer session' },
    state: { value: 'STATE', help: 'only in this state' },
    json: { help: 'as the HTTP answer' },
  },
  run: runMachines,
};

interface Summary {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly since: number;
}

const paint = paintFor(process.stdout);

async function runMachines(values: Values): Promise<number> {
  const [id, extra] = values.words;
  if (extra !== undefined)
    throw invalidArgument('words', `vedette machines takes one ID; ${JSON.stringify(extra)} is too much`);
  const addresses = await httpAddresses(parseAddresses(values.text('brokers'), 'brokers'));
  if (id !== undefined) return showOne(id, addresses);
  const query = new URLSearchParams();
  for (const name of ['kind', 'state']) {
    const value = values.optional(name);
    if (value !== undefined) query.set(name, value);
  }
  const answers = await Promise.allSettled(
    [...addresses.values()].map((address) => get(address, `/api/v1/machines?${query}`)),
  );
  const machines: Summary[] = [];
  const silent: string[] = [];
  [...addresses.keys()].forEach((broker, at) => {
    const answer = answers[at];
    if (answer?.status === 'fulfilled') machines.push(...(answer.value as { machines: Summary[] }).machines);
    else silent.push(broker);
  });
  if (silent.length > 0) say(`does not answer: ${silent.join(', ')}`);
  const complete = silent.length === 0;
  if (values.switch('json')) {
    process.stdout.write(`${JSON.stringify({ machines, complete })}\n`);
    return 0;
  }
  const width = Math.max(0, ...machines.map((machine) => machine.id.length));
  for (const { id: name, state, since } of machines) {
    process.stdout.write(
      `${name.padEnd(width)}  ${state.padEnd(20)}  ${paint('dim', `${Math.round((Date.now() - since) / 1000)} s`)}\n`,
    );
  }
  return 0;
}

async function showOne(id: string, addresses: ReadonlyMap<string, string>): Promise<number> {
  const address = addresses.get(id.split('/')[0] ?? '');
  if (address === undefined)
    throw new VedetteError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(id)}: an id begins with its broker, one of ${[...addresses.keys()].join(', ')}`,
    );
  process.stdout.write(
    `${JSON.stringify(await get(address, `/api/v1/machines/${encodeURIComponent(id)}`), null, 2)}\n`,
  );
  return 0;
}

/** Brokers' HTTP addresses by id, from the first broker that answers. */
async function httpAddresses(seeds: readonly string[]): Promise<Map<string, string>> {
  const clients = createMonitorClients();
  try {
    for (const seed of seeds) {
      try {
        const { brokers } = await clients.get(seed).listBrokers({ deadlineMs: 2_000 });
        return new Map(
          brokers.flatMap(({ brokerId, httpAddress }) => (httpAddress ? [[brokerId ?? '', httpAddress] as const] : [])),
        );
      } catch {
        // The next seed is asked.
      }
    }
  } finally {
    clients.close();
  }
  throw unavailable(`no broker answers at ${seeds.join(', ')}`);
}

async function get(address: string, path: string): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    throw unavailable(`the broker at ${address} does not answer (${describeError(error)})`);
  }
  const body = await response.json();
  if (response.ok) return body;
  const { error } = body as { error?: { message?: string } };
  throw new VedetteError('NOT_FOUND', error?.message ?? response.statusText);
}
