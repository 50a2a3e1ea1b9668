// How much a broker has, and has done: for the status page and for Prometheus (cluster/broker-metrics.ts).
import type { BrokerFigures } from './broker-interface.ts';
import type { Peers } from './cluster/peer-interface.ts';
import type { RaftHost } from './cluster/raft-host.ts';
import type { ShardHost } from './cluster/shard-host.ts';
import type { Ingest } from './ingest/ingest.ts';
import type { WindowBudget } from './shard/hot-window.ts';
import type { BrokerLog } from './stores/log.ts';
import type { Subscriptions } from './subscriptions/subscriptions.ts';

export interface FigurePorts {
  readonly ingest: Pick<Ingest, 'sessions' | 'ackedRows'>;
  readonly subscriptions: Pick<Subscriptions, 'count'>;
  readonly shards: Pick<ShardHost, 'counters' | 'replicas'>;
  readonly budget: Pick<WindowBudget, 'used'>;
  readonly log: Pick<BrokerLog, 'pendingBytes'>;
  readonly raft: Pick<RaftHost, 'groups'>;
  readonly peers: Pick<Peers, 'views' | 'dropped'>;
}

export function figuresOf({ ingest, subscriptions, shards, budget, log, raft, peers }: FigurePorts): BrokerFigures {
  return {
    sessions: ingest.sessions,
    subscriptions: subscriptions.count,
    ackedRows: ingest.ackedRows,
    ...shards.counters,
    hosts: [...shards.replicas.values()].reduce((sum, { hosts }) => sum + hosts.size, 0),
    windowBytes: budget.used,
    logPendingBytes: log.pendingBytes,
    groups: raft.groups.size,
    groupsLed: [...raft.groups.values()].filter(({ status }) => status.role === 'leader').length,
    peersUp: peers.views.filter((view) => view.state === 'up').length,
    raftDropped: peers.dropped,
  };
}
