// Figures in Prometheus's text format (version 0.0.4).
import { reply, type Route } from './http-route.ts';

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly uptimeSeconds: number;
}

export type Metric = readonly [name: string, type: 'gauge' | 'counter', help: string, value: number];

export const processMetrics = ({ residentBytes, cpuSeconds, uptimeSeconds }: ProcessFigures): readonly Metric[] => [
  ['process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', residentBytes],
  ['process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.', cpuSeconds],
  ['vedette_uptime_seconds', 'gauge', 'Seconds since the process started.', uptimeSeconds],
];

export function metricHead(name: string, type: Metric[1], help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

export const metricsText = (metrics: readonly Metric[]): string =>
  metrics.map(([name, type, help, value]) => `${metricHead(name, type, help)}${name} ${value}\n`).join('');

export const metricsRoute = (text: () => string): Route => ({
  method: 'GET',
  path: '/metrics',
  handle: () => reply({ status: 200, contentType: 'text/plain; version=0.0.4; charset=utf-8', body: text() }),
});
