// What is drawn of a host: which series make which chart. Names are OpenTelemetry's host metrics.
import { columnsOf, negate, type Points, plain, rate, scale, stack, sum } from '../store/derive.ts';
import type { Column, HostData } from '../store/host-data.ts';
import { bytes, bytesPerSecond, percent, plainNumber } from '../parts/format.ts';
import type { ChartData, Line } from './chart.tsx';
import { byteAxis, byteRateAxis, type ValueAxis } from './value-axis.ts';

export interface ChartDefinition {
  readonly id: string;
  readonly title: string;
  readonly format: (value: number | null | undefined) => string;
  readonly axis?: ValueAxis;
  readonly limits?: readonly [number, number];
  readonly stacked?: boolean;
  readonly build: (data: HostData) => readonly Line[];
}

const PALETTE = ['--series-1', '--series-2', '--series-3', '--series-4', '--series-5', '--series-6'];
const color = (at: number) => PALETTE[at % PALETTE.length] ?? '--series-1';
const rates = (data: HostData, columns: readonly Column[]): Points =>
  sum(columns.map(({ values }) => rate(data.times, values)));

/** A stack: drawn on one another, each named with its own share. */
function stacked(parts: readonly { label: string; points: Points }[]): Line[] {
  const tops = stack(parts.map(({ points }) => points));
  return parts.map(({ label, points }, at) => ({
    label,
    color: color(at),
    points: tops[at] ?? [],
    shown: points,
    fill: true,
  }));
}

function cpu(data: HostData): Line[] {
  const count = data.newest('system.cpu.logical.count') || 1;
  const share = (...modes: string[]): Points =>
    scale(
      rates(
        data,
        columnsOf(data, 'system.cpu.time', (labels) => modes.includes(labels['cpu.mode'] ?? '')),
      ),
      1 / count,
    );
  return stacked([
    { label: 'user', points: share('user', 'nice') },
    { label: 'system', points: share('system') },
    { label: 'interrupts', points: share('interrupt', 'softirq') },
    { label: 'steal', points: share('steal') },
    { label: 'I/O wait', points: share('iowait') },
  ]);
}

function memory(data: HostData): Line[] {
  const state = (name: string) =>
    sum(
      columnsOf(data, 'system.memory.usage', (labels) => labels['system.memory.state'] === name).map(({ values }) =>
        plain(values),
      ),
    );
  return stacked(['used', 'buffers', 'cached'].map((name) => ({ label: name, points: state(name) })));
}

/** In above zero, out below. */
function mirrored(
  data: HostData,
  metric: string,
  label: string,
  up: string,
  down: string,
  names: readonly [string, string],
  skip?: (labels: Readonly<Record<string, string>>) => boolean,
): Line[] {
  const of = (direction: string) =>
    columnsOf(data, metric, (labels) => labels[label] === direction && skip?.(labels) !== true);
  const rising = of(up);
  const falling = of(down);
  if (rising.length + falling.length === 0) return [];
  return [
    { label: names[0], color: color(0), points: rates(data, rising), fill: true },
    { label: names[1], color: color(1), points: negate(rates(data, falling)), fill: true },
  ];
}

function lines(data: HostData, metric: string, label: (column: Column) => string): Line[] {
  return columnsOf(data, metric).map((column, at) => ({
    label: label(column),
    color: color(at),
    points: plain(column.values),
  }));
}

export const hostCharts: readonly ChartDefinition[] = [
  { id: 'cpu', title: 'CPU', format: percent, limits: [0, 1], stacked: true, build: cpu },
  { id: 'memory', title: 'Memory', format: bytes, axis: byteAxis, stacked: true, build: memory },
  {
    id: 'network',
    title: 'Network: in above, out below',
    format: bytesPerSecond,
    axis: byteRateAxis,
    build: (data) =>
      mirrored(
        data,
        'system.network.io',
        'network.io.direction',
        'receive',
        'transmit',
        ['in', 'out'],
        (labels) => labels['network.interface.name'] === 'lo',
      ),
  },
  {
    id: 'disk',
    title: 'Disk: reads above, writes below',
    format: bytesPerSecond,
    axis: byteRateAxis,
    build: (data) => mirrored(data, 'system.disk.io', 'disk.io.direction', 'read', 'write', ['read', 'write']),
  },
  {
    id: 'load',
    title: 'Load',
    format: plainNumber,
    build: (data) =>
      ['1m', '5m', '15m'].flatMap((window, at) => {
        const column = data.columns.get(`system.cpu.load_average.${window}`);
        return column === undefined ? [] : [{ label: window, color: color(at), points: plain(column.values) }];
      }),
  },
  {
    id: 'filesystem',
    title: 'File systems',
    format: percent,
    limits: [0, 1],
    build: (data) =>
      lines(
        data,
        'system.filesystem.utilization',
        ({ series }) => series.labels['system.filesystem.mountpoint'] ?? '?',
      ),
  },
  {
    id: 'swap',
    title: 'Swap',
    format: bytes,
    axis: byteAxis,
    build: (data) =>
      columnsOf(data, 'system.paging.usage', (labels) => labels['system.paging.state'] === 'used').map(
        ({ values }) => ({ label: 'used', color: color(0), points: plain(values), fill: true }),
      ),
  },
  {
    id: 'processes',
    title: 'Processes',
    format: plainNumber,
    build: (data) => lines(data, 'system.process.count', ({ series }) => series.labels['process.state'] ?? '?'),
  },
];

export function chartData(
  definition: ChartDefinition,
  data: HostData,
  broken: (times: readonly number[], lines: readonly Points[]) => { times: number[]; lines: Points[] },
): ChartData {
  const built = definition.build(data);
  const all = built.flatMap(({ points, shown }) => (shown === undefined ? [points] : [points, shown]));
  const { times, lines: drawn } = broken(data.times, all);
  let at = 0;
  return {
    times,
    lines: built.map((line) => {
      const points = drawn[at++] ?? [];
      return line.shown === undefined ? { ...line, points } : { ...line, points, shown: drawn[at++] ?? [] };
    }),
  };
}
