// Paths that are promised, and come with later releases: they answer 501 with that reason, so that nobody takes them for mistyped.
import { VedetteError } from '../core/errors.ts';
import type { Route } from './http-route.ts';

type Method = Route['method'];

const later = (what: string, path: string, ...methods: readonly Method[]): Route[] =>
  methods.map((method) => ({
    method,
    path,
    handle: () => Promise.reject(new VedetteError('UNIMPLEMENTED', `${what} is not in this release`)),
  }));

/** On the dashboard's address. */
export const laterDashboardRoutes: readonly Route[] = [
  ...later('alerting', '/api/v1/alerts', 'GET'),
  ...later('alerting', '/api/v1/alerts/rules', 'GET', 'PUT', 'DELETE'),
  ...later('alerting', '/api/v1/alerts/rules/{name}', 'GET', 'PUT', 'DELETE'),
  ...later('alerting', '/api/v1/silences', 'GET', 'POST', 'PUT', 'DELETE'),
  ...later('alerting', '/api/v1/silences/{id}', 'GET', 'PUT', 'DELETE'),
  ...later('deleting a host', '/api/v1/hosts/{id}', 'DELETE'),
  ...later('the batch query', '/api/v1/query/batch', 'POST'),
  ...later('aggregation', '/api/v1/aggregate', 'GET'),
  ...later('Top-K', '/api/v1/topk', 'GET'),
];
