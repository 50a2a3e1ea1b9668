// The broker's own figures in Prometheus's text format (version 0.0.4): process, log, Raft, ingest.
import type { Broker } from '../broker.ts';

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
}

export function prometheusText(broker: Broker, process: ProcessFigures): string {
  const figures = broker.figures();
  const leaderless = broker.groups.filter(({ status }) => status.leader === null).length;
  const metrics: [name: string, type: 'gauge' | 'counter', help: string, value: number][] = [
    ['process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', process.residentBytes],
    ['process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.', process.cpuSeconds],
    ['vedette_uptime_seconds', 'gauge', 'Seconds since the broker started.', process.uptimeSeconds],
    ['vedette_raft_groups', 'gauge', 'Raft groups with a member on this broker.', figures.groups],
    ['vedette_raft_groups_led', 'gauge', 'Raft groups that this broker leads.', figures.groupsLed],
    ['vedette_raft_leaderless_groups', 'gauge', 'Raft groups here whose leader is not known.', leaderless],
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
  return metrics
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join('');
}
