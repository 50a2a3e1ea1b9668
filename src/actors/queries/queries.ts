// What a broker answers from its windows, or has another broker answer: a host's rows, the hosts, the brokers.
import type { Clock } from '../../streams/clock.ts';
import type { Directory } from '../directory.ts';
import type { MonitorService } from '../monitor-service.ts';
import { isEventual } from './check-request.ts';
import { createHostListing } from './host-listing.ts';
import { parseRowsQuery, readRows } from './host-rows.ts';
import { createReachShard, type Reading } from './reach-shard.ts';
import type { vedette } from '../../core/proto.ts';

export type Queries = Pick<MonitorService, 'getMetrics' | 'listHosts' | 'listBrokers'>;

export interface QueriesPorts {
  readonly directory: Directory;
  readonly clock: Clock;
}

export function createQueries({ directory, clock }: QueriesPorts): Queries {
  const reach = createReachShard(directory, clock);
  const listing = createHostListing(directory, clock, reach);
  return {
    async getMetrics(request, { forwarded }) {
      const query = parseRowsQuery(request, clock.now());
      const reading: Reading<vedette.v1.IMetricsResponse> = {
        here: (shard) => readRows(shard, query),
        there: (client, options) => client.getMetrics(request, options),
      };
      const shard = directory.shardOf(query.host);
      return isEventual(request.consistency)
        ? reach.anywhere(shard, forwarded, reading)
        : reach.atLeader(shard, forwarded, reading);
    },
    listHosts: (request, { forwarded }) => listing.list(request, forwarded),
    async listBrokers() {
      const brokers = directory.brokers.map(({ id, grpcAddress, httpAddress, state, zone }) => ({
        brokerId: id,
        grpcAddress,
        httpAddress,
        state,
        labels: zone === '' ? {} : { zone },
      }));
      return { clusterId: directory.clusterId ?? '', brokers, ringVersion: directory.ringVersion };
    },
  };
}
