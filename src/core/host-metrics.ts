// What an agent measures: names, units and kinds by OpenTelemetry's semantic conventions for host metrics
// (https://opentelemetry.io/docs/specs/semconv/system/system-metrics/), and the digits worth keeping.
//
// `system.cpu.utilization`, `system.memory.utilization` and `system.paging.utilization` stand for the whole host, without
// labels, so that one number per host can be compared across a fleet; what makes them up is in the labelled series beside them.
import type { Decimals } from './decimals.ts';
import type { SeriesKind } from './frame.ts';

export interface MetricDefinition {
  readonly unit: string;
  readonly kind: SeriesKind;
  readonly decimals: Decimals;
}

const gauge = (unit: string, decimals: Decimals): MetricDefinition => ({ unit, kind: 'gauge', decimals });
const counter = (unit: string, decimals: Decimals = 0): MetricDefinition => ({ unit, kind: 'counter', decimals });

export const hostMetrics = {
  'system.cpu.utilization': gauge('1', 4),
  'system.cpu.time': counter('s', 2),
  'system.cpu.logical.count': gauge('{cpu}', 0),
  'system.cpu.load_average.1m': gauge('1', 2),
  'system.cpu.load_average.5m': gauge('1', 2),
  'system.cpu.load_average.15m': gauge('1', 2),
  'system.memory.utilization': gauge('1', 4),
  'system.memory.usage': gauge('By', 0),
  'system.memory.limit': gauge('By', 0),
  'system.memory.linux.available': gauge('By', 0),
  'system.paging.usage': gauge('By', 0),
  'system.paging.utilization': gauge('1', 4),
  'system.filesystem.usage': gauge('By', 0),
  'system.filesystem.utilization': gauge('1', 4),
  'system.filesystem.limit': gauge('By', 0),
  'system.disk.io': counter('By'),
  'system.disk.operations': counter('{operation}'),
  'system.disk.io_time': counter('s', 2),
  'system.network.io': counter('By'),
  'system.network.packet.count': counter('{packet}'),
  'system.network.packet.dropped': counter('{packet}'),
  'system.network.errors': counter('{error}'),
  'system.process.count': gauge('{process}', 0),
  'system.process.created': counter('{process}'),
  'system.uptime': gauge('s', 2),
} as const satisfies Record<string, MetricDefinition>;

export type HostMetric = keyof typeof hostMetrics;
