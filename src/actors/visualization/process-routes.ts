// What the dashboard tells of itself as a process: its figures, and whether it can do its work.
import { reply, type Route } from '../http-route.ts';
import { type Metric, metricsRoute, metricsText, type ProcessFigures, processMetrics } from '../prometheus.ts';
import type { BrokerPool } from './broker-pool.ts';

export interface ProcessRoutesPorts {
  readonly pool: Pick<BrokerPool, 'brokers' | 'reachable'>;
  readonly processFigures: () => ProcessFigures;
  readonly viewers: () => { readonly browsers: number; readonly subscriptions: number };
}

export function processRoutes({ pool, processFigures, viewers }: ProcessRoutesPorts): Route[] {
  const metrics = (): readonly Metric[] => {
    const { browsers, subscriptions } = viewers();
    return [
      ...processMetrics(processFigures()),
      ['vedette_dashboard_browsers', 'gauge', 'Connected browsers.', browsers],
      ['vedette_dashboard_subscriptions', 'gauge', 'Open subscriptions of browsers.', subscriptions],
      ['vedette_dashboard_brokers', 'gauge', 'Brokers that are known.', pool.brokers.length],
    ];
  };
  return [
    metricsRoute(() => metricsText(metrics())),
    { method: 'GET', path: '/healthz', handle: () => ({ status: 'alive' }) },
    {
      method: 'GET',
      path: '/readyz',
      handle: () => {
        const reasons = pool.reachable ? [] : ['no broker answers'];
        return reply({ status: reasons.length === 0 ? 200 : 503, body: { ready: reasons.length === 0, reasons } });
      },
    },
  ];
}
