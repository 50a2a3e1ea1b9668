// What a broker answers to programs outside: each call is taken, or refused as long as the broker cannot answer for it.
import type { VedetteError } from '../core/errors.ts';
import type { Ingest } from './ingest/ingest.ts';
import type { MonitorService } from './monitor-service.ts';
import type { Queries } from './queries/queries.ts';
import type { Subscriptions } from './subscriptions/subscriptions.ts';

export interface BrokerServicePorts {
  /** Null: calls are taken. */
  readonly refusal: () => VedetteError | null;
  readonly ingest: Pick<Ingest, 'open'>;
  readonly queries: Queries;
  readonly subscriptions: Pick<Subscriptions, 'subscribe'>;
}

export function createBrokerService({ refusal, ingest, queries, subscriptions }: BrokerServicePorts): MonitorService {
  async function taken<T>(ask: () => Promise<T>): Promise<T> {
    const error = refusal();
    if (error !== null) throw error;
    return ask();
  }

  return {
    reportMetrics(call, context) {
      const error = refusal();
      if (error === null) ingest.open(call, context);
      else call.responses.close(error);
    },
    getMetrics: (request, context) => taken(() => queries.getMetrics(request, context)),
    listHosts: (request, context) => taken(() => queries.listHosts(request, context)),
    listBrokers: (context) => taken(() => queries.listBrokers(context)),
    subscribe(request, sink, context) {
      const error = refusal();
      if (error === null) subscriptions.subscribe(request, sink, context);
      else sink.close(error);
    },
  };
}
