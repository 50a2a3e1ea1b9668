// Live statecharts of this process over HTTP.
import { VedetteError } from '../core/errors.ts';
import type { Inspector, MachineFilter } from '../streams/inspector.ts';
import type { Route } from './http-route.ts';

export function machineFilter(query: URLSearchParams): MachineFilter {
  const filter: { kind?: string; state?: string; q?: string } = {};
  for (const name of ['kind', 'state', 'q'] as const) {
    const value = query.get(name);
    if (value !== null && value !== '') filter[name] = value;
  }
  return filter;
}

export function unknownMachine(id: string): VedetteError {
  return new VedetteError('NOT_FOUND', `no live machine ${JSON.stringify(id)}; GET /api/v1/machines lists them`, {
    field: 'id',
  });
}

export function machineRoutes(inspector: Inspector): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/machines',
      handle: ({ query }) => ({ machines: inspector.machines(machineFilter(query)), complete: true }),
    },
    {
      method: 'GET',
      path: '/api/v1/machines/{id}',
      handle({ params }) {
        const id = params['id'] ?? '';
        const machine = inspector.machine(id);
        if (machine === undefined) throw unknownMachine(id);
        return machine;
      },
    },
  ];
}
