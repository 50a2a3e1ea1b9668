// A broker's HTTP face.
import { invalidArgument, VedetteError } from '../../core/errors.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { AdminService } from '../admin-service.ts';
import type { Broker } from '../broker-interface.ts';
import { reply, type Route } from '../http-route.ts';
import { machineRoutes } from '../machine-routes.ts';
import { metricsRoute } from '../prometheus.ts';

export function brokerRoutes(broker: Broker, inspector: Inspector, metricsText: () => string): Route[] {
  const get = (path: string, handle: Route['handle']): Route => ({ method: 'GET', path, handle });
  return [
    get('/api/v1/cluster/status', () => broker.view.status()),
    get('/api/v1/cluster/nodes', () => ({ nodes: broker.view.nodes() })),
    get('/api/v1/cluster/nodes/{id}', ({ params }) => {
      const id = params['id'] ?? '';
      const node = broker.view.node(id);
      if (node === undefined)
        throw new VedetteError('NOT_FOUND', `no broker ${JSON.stringify(id)} in this cluster`, { field: 'id' });
      return node;
    }),
    get('/api/v1/cluster/ring', () => broker.view.ring()),
    get('/api/v1/cluster/metrics', () => broker.figures()),
    get('/api/v1/cluster/health', () => broker.health()),
    ...configRoutes(broker.admin),
    ...memberRoutes(broker),
    ...orderRoutes(broker.admin),
    ...machineRoutes(inspector),
    metricsRoute(metricsText),
    get('/healthz', () => ({ status: 'alive' })),
    get('/readyz', () => {
      const health = broker.health();
      return reply({ status: health.ready ? 200 : 503, body: health });
    }),
  ];
}

function configRoutes(admin: AdminService): Route[] {
  const path = '/api/v1/cluster/config';
  return [
    { method: 'GET', path, handle: () => admin.config() },
    {
      method: 'PUT',
      path,
      handle: ({ body }) => {
        const { version, config } = fieldsOf(body);
        if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 0)
          throw invalidArgument('version', 'version is the whole number that GET gave');
        return admin.setConfig(version, config);
      },
    },
  ];
}

/** @throws VedetteError INVALID_ARGUMENT when the body is no object. */
function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalidArgument('body', 'the body is a JSON object');
  return { ...body };
}

/** Both are done later: the status tells how far they are. */
function memberRoutes({ admin, view }: Broker): Route[] {
  const path = '/api/v1/cluster/nodes';
  const accepted = (id: string) => reply({ status: 202, body: view.node(id) ?? { id } });
  return [
    {
      method: 'POST',
      path,
      handle: async ({ body }) => {
        const fields = fieldsOf(body);
        const id = textOf(fields, 'id');
        const [http, zone] = [optionalTextOf(fields, 'http'), optionalTextOf(fields, 'zone')];
        await admin.addBroker({ id, grpc: textOf(fields, 'grpc'), http, zone });
        return accepted(id);
      },
    },
    {
      method: 'DELETE',
      path: `${path}/{id}`,
      handle: async ({ params }) => {
        const id = params['id'] ?? '';
        await admin.removeBroker(id);
        return accepted(id);
      },
    },
  ];
}

function orderRoutes(admin: AdminService): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v1/cluster/snapshot',
      handle: async ({ body }) => {
        const group = textOf(fieldsOf(body), 'group');
        return { group, index: await admin.snapshot(group) };
      },
    },
    {
      method: 'POST',
      path: '/api/v1/cluster/transfer',
      handle: async ({ body }) => {
        const fields = fieldsOf(body);
        const [group, to] = [textOf(fields, 'group'), textOf(fields, 'to')];
        await admin.transfer(group, to);
        return { group, leader: to };
      },
    },
  ];
}

/** @throws VedetteError INVALID_ARGUMENT naming the field when it is no text. */
function textOf(fields: Readonly<Record<string, unknown>>, field: string): string {
  const value = fields[field];
  if (typeof value !== 'string' || value === '') throw invalidArgument(field, `${field} is missing`);
  return value;
}

/** '' when it is left out. */
function optionalTextOf(fields: Readonly<Record<string, unknown>>, field: string): string {
  return fields[field] === undefined ? '' : textOf(fields, field);
}
