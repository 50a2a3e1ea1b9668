// Paths that are promised, and come with later releases: they answer 501 with that reason, so that nobody takes them for mistyped.
import { VedetteError } from '../core/errors.ts';
import type { Route } from './http-route.ts';

function later(method: Route['method'], path: string, what: string): Route {
  return {
    method,
    path,
    handle: () => Promise.reject(new VedetteError('UNIMPLEMENTED', `${what} is not in this release`)),
  };
}

const alerts: readonly Route[] = [
  later('GET', '/api/v1/alerts', 'alerting'),
  later('GET', '/api/v1/alerts/rules', 'alerting'),
  ...(['GET', 'PUT', 'DELETE'] as const).map((method) => later(method, '/api/v1/alerts/rules/{name}', 'alerting')),
  ...(['GET', 'POST'] as const).map((method) => later(method, '/api/v1/silences', 'alerting')),
];

/** On the dashboard's address. */
export const laterDashboardRoutes: readonly Route[] = [
  ...alerts,
  later('DELETE', '/api/v1/hosts/{id}', 'deleting a host'),
  later('POST', '/api/v1/query/batch', 'the batch query'),
  later('GET', '/api/v1/aggregate', 'aggregation'),
  later('GET', '/api/v1/topk', 'Top-K'),
];
