// The broker's own figures for Prometheus: process, log, Raft, ingest.
import type { Broker } from '../broker-interface.ts';
import { type Metric, metricHead, metricsText, type ProcessFigures, processMetrics } from '../prometheus.ts';
import type { RaftGroup, RaftStatus } from '../raft-group.ts';

export function prometheusText(broker: Broker, process: ProcessFigures): string {
  const figures = broker.figures();
  const leaderless = broker.groups.filter(({ status }) => status.leader === null).length;
  const metrics: readonly Metric[] = [
    ...processMetrics(process),
    ['vedette_raft_groups', 'gauge', 'Raft groups with a member on this broker.', figures.groups],
    ['vedette_raft_groups_led', 'gauge', 'Raft groups that this broker leads.', figures.groupsLed],
    ['vedette_raft_leaderless_groups', 'gauge', 'Raft groups here whose leader is not known.', leaderless],
    ['vedette_peers_up', 'gauge', 'Brokers to which there is a link that is up.', figures.peersUp],
    [
      'vedette_raft_dropped_messages_total',
      'counter',
      'Messages to a peer that were too much for one turn and are sent again.',
      figures.raftDropped,
    ],
    ['vedette_log_pending_bytes', 'gauge', 'Bytes that wait to be written and synced.', figures.logPendingBytes],
    ['vedette_window_bytes', 'gauge', 'Bytes of rows in memory.', figures.windowBytes],
    ['vedette_hosts', 'gauge', 'Hosts known to the replicas here.', figures.hosts],
    ['vedette_rows_applied_total', 'counter', 'Rows applied to the replicas here.', figures.rowsApplied],
    ['vedette_samples_applied_total', 'counter', 'Samples applied to the replicas here.', figures.samplesApplied],
    [
      'vedette_duplicate_rows_total',
      'counter',
      'Rows that were known when they were proposed here.',
      figures.duplicates,
    ],
    [
      'vedette_conflicting_samples_total',
      'counter',
      'Samples proposed here with another value than the one known.',
      figures.conflicts,
    ],
    ['vedette_sessions', 'gauge', 'Sessions of agents.', figures.sessions],
    ['vedette_subscriptions', 'gauge', 'Open subscriptions.', figures.subscriptions],
    ['vedette_acked_rows_total', 'counter', 'Rows acknowledged to agents.', figures.ackedRows],
  ];
  return [metricsText(metrics), ...groupMetrics(broker.groups)].join('');
}

function groupMetrics(groups: readonly RaftGroup[]): string[] {
  const metrics: [name: string, type: 'gauge' | 'counter', help: string, of: (status: RaftStatus) => number][] = [
    ['vedette_raft_term', 'counter', "The group's term, as far as its member here knows.", ({ term }) => term],
    ['vedette_raft_commit_index', 'counter', 'The last entry known to be committed.', ({ commit }) => commit],
    ['vedette_raft_applied_index', 'counter', 'The last entry that was applied here.', ({ applied }) => applied],
    ['vedette_raft_leader', 'gauge', '1 while the member here leads.', ({ role }) => (role === 'leader' ? 1 : 0)],
  ];
  return metrics.map(([name, type, help, of]) => {
    const lines = groups.map(({ id, status }) => `${name}{group="${id}"} ${of(status)}\n`);
    return `${metricHead(name, type, help)}${lines.join('')}`;
  });
}
