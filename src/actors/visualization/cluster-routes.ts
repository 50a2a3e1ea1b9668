// What the brokers tell of themselves, through the dashboard's address: the cluster's answers from any broker that answers, the
// statecharts from all of them.
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import { type HttpRequest, reply, type Route } from '../http-route.ts';
import { machineFilter, unknownMachine } from '../machine-routes.ts';
import type { BrokerPool } from './broker-pool.ts';
import { firstAnswer } from './first-answer.ts';

/** One request to a broker's HTTP address, a GET unless it says otherwise. Rejects when nobody answers there. */
export type FetchJson = (
  address: string,
  path: string,
  change?: { readonly method: Route['method']; readonly body: unknown },
) => Promise<{ readonly status: number; readonly body: unknown }>;

const CLUSTER_PATHS = [
  ['GET', 'status'],
  ['GET', 'nodes'],
  ['POST', 'nodes'],
  ['GET', 'nodes/{id}'],
  ['DELETE', 'nodes/{id}'],
  ['GET', 'ring'],
  ['GET', 'metrics'],
  ['GET', 'health'],
  ['GET', 'config'],
  ['PUT', 'config'],
  ['POST', 'snapshot'],
  ['POST', 'transfer'],
] as const satisfies readonly (readonly [method: Route['method'], path: string])[];

export function clusterRoutes(pool: BrokerPool, clock: Clock, fetchJson: FetchJson): Route[] {
  /** The first broker that answers at all decides. A change that was made already says so; two brokers at once are asked only questions. */
  async function ask(path: string, change?: { method: Route['method']; body: unknown }): Promise<unknown> {
    const known = pool.brokers.filter(({ httpAddress }) => httpAddress !== '');
    const answer = await firstAnswer(known, ({ httpAddress }) => fetchJson(httpAddress, path, change), {
      clock,
      patienceMs: change === undefined ? limits.dashboard.callPatienceMs : null,
      worthAnother: () => true,
      nameOf: ({ id }) => id,
      nobody: 'no broker answers over HTTP',
    });
    return reply(answer);
  }

  return CLUSTER_PATHS.map(([method, name]) => ({
    method,
    path: `/api/v1/cluster/${name}`,
    handle: ({ params, body }) =>
      ask(
        `/api/v1/cluster/${name.replace('{id}', encodeURIComponent(params['id'] ?? ''))}`,
        method === 'GET' ? undefined : { method, body },
      ),
  }));
}

interface MachinesAnswer {
  readonly machines: readonly { readonly id: string }[];
}

function isMachinesAnswer(value: unknown): value is MachinesAnswer {
  return typeof value === 'object' && value !== null && 'machines' in value && Array.isArray(value.machines);
}

export function machineRoutes(pool: BrokerPool, inspector: Inspector, fetchJson: FetchJson): Route[] {
  async function list({ query }: HttpRequest) {
    const filter = query.toString();
    const path = `/api/v1/machines${filter === '' ? '' : `?${filter}`}`;
    const answers = await Promise.allSettled(
      pool.brokers
        .filter(({ httpAddress }) => httpAddress !== '')
        .map(({ httpAddress }) => fetchJson(httpAddress, path)),
    );
    let complete = answers.length === pool.brokers.length;
    const machines: { readonly id: string }[] = [...inspector.machines(machineFilter(query))];
    for (const answer of answers) {
      if (answer.status === 'fulfilled' && isMachinesAnswer(answer.value.body))
        machines.push(...answer.value.body.machines);
      else complete = false;
    }
    machines.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
    return { machines, complete };
  }

  async function one({ params }: HttpRequest): Promise<unknown> {
    const id = params['id'] ?? '';
    const own = inspector.machine(id);
    if (own !== undefined) return own;
    const broker = pool.brokers.find((candidate) => id.startsWith(`${candidate.id}/`));
    if (broker === undefined || broker.httpAddress === '') {
      throw unknownMachine(id);
    }
    return reply(await fetchJson(broker.httpAddress, `/api/v1/machines/${encodeURIComponent(id)}`));
  }

  return [
    { method: 'GET', path: '/api/v1/machines', handle: list },
    { method: 'GET', path: '/api/v1/machines/{id}', handle: one },
  ];
}
