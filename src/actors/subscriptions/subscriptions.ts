// All subscriptions of a broker.
import { unavailable, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { Directory } from '../directory.ts';
import type { MonitorService } from '../monitor-service.ts';
import { openSubscription } from './subscription.ts';

export interface Subscriptions extends Pick<MonitorService, 'subscribe'> {
  readonly count: number;
  stop(): void;
}

export interface SubscriptionsPorts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
}

export function createSubscriptions({ directory, clock, random, inspector }: SubscriptionsPorts): Subscriptions {
  const open = new Set<{ close(error: VedetteError): void }>();
  let number = 0;
  return {
    subscribe(request, sink, { forwarded }) {
      try {
        const cluster = directory.clusterId;
        if (cluster === null) throw unavailable('the cluster is still being founded');
        if (open.size >= limits.subscriptions.perBrokerMax) {
          throw new VedetteError(
            'RESOURCE_EXHAUSTED',
            `this broker serves ${open.size} subscriptions; that is the most it takes`,
          );
        }
        const subscription = openSubscription({
          machineId: `${directory.self}/subscription/${++number}`,
          request,
          sink,
          forwarded,
          directory,
          cluster,
          clock,
          random,
          inspector,
          ended: () => {
            open.delete(subscription);
          },
        });
        open.add(subscription);
      } catch (error) {
        if (!(error instanceof VedetteError)) throw error;
        sink.close(error);
      }
    },
    get count() {
      return open.size;
    },
    stop() {
      for (const subscription of [...open]) subscription.close(unavailable('this broker is stopping'));
    },
  };
}
