// All subscriptions of a broker.
import { unavailable, VedetteError } from '../../core/errors.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import type { Directory } from '../directory.ts';
import type { MonitorService } from '../monitor-service.ts';
import { createSelections } from './selection.ts';
import { openSubscription } from './subscription.ts';
import { createTails } from './tails.ts';

export interface Subscriptions extends Pick<MonitorService, 'subscribe'> {
  readonly count: number;
  /** Ends all of them with UNAVAILABLE, and takes no more. */
  stop(): void;
}

export interface SubscriptionsPorts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly config: () => ClusterConfig;
}

export function createSubscriptions(ports: SubscriptionsPorts): Subscriptions {
  const { directory, clock, random, inspector, config } = ports;
  const open = new Map<number, { close(error: VedetteError): void }>();
  const tails = createTails({ directory, clock });
  const selections = createSelections();
  let number = 0;
  let stopped = false;

  function begin(...[request, sink, { forwarded }]: Parameters<Subscriptions['subscribe']>): void {
    const cluster = directory.clusterId;
    if (stopped) throw unavailable('this broker is stopping');
    if (cluster === null) throw unavailable('the cluster is still being founded');
    const perBrokerMax = config()['subscriptions.perBrokerMax'];
    if (open.size >= perBrokerMax)
      throw new VedetteError(
        'RESOURCE_EXHAUSTED',
        `${directory.self} serves ${open.size} subscriptions; at most ${perBrokerMax}`,
      );
    const id = ++number;
    let ended = false;
    const subscription = openSubscription({
      machineId: `${directory.self}/subscription/${id}`,
      request,
      sink,
      forwarded,
      directory,
      cluster,
      tails,
      selections,
      clock,
      random,
      inspector,
      backfillMaxMs: config()['subscriptions.backfillMaxMs'],
      ended: () => {
        ended = true;
        open.delete(id);
      },
    });
    if (!ended) open.set(id, subscription);
  }

  return {
    subscribe(request, sink, context) {
      try {
        begin(request, sink, context);
      } catch (error) {
        if (!(error instanceof VedetteError)) throw error;
        sink.close(error);
      }
    },
    get count() {
      return open.size;
    },
    stop() {
      stopped = true;
      for (const subscription of [...open.values()]) subscription.close(unavailable('this broker is stopping'));
    },
  };
}
