// One chart: uPlot in a frame, with the cursor and the zoom shared by all charts of the page.
import { createEffect, onCleanup, onMount } from 'solid-js';
import uPlot from 'uplot';
import { theme } from '../parts/theme.ts';
import type { Points } from '../store/derive.ts';
import { span, type ValueAxis } from './value-axis.ts';

export interface Line {
  readonly label: string;
  /** A CSS variable of style.css. */
  readonly color: string;
  readonly points: Points;
  /** Fill down to the line before it (stacks) or to zero. */
  readonly fill?: boolean;
  /** The number for the legend, where a stack draws another. */
  readonly shown?: Points;
}

export interface ChartData {
  readonly times: number[];
  readonly lines: readonly Line[];
}

export interface ChartProps {
  readonly title: string;
  readonly data: ChartData;
  /** Seconds since 1970: what is in view. */
  readonly range: readonly [number, number];
  readonly format: (value: number | null | undefined) => string;
  /** Without it marks lie at decimal numbers, and are written as `format` does. */
  readonly axis?: ValueAxis;
  /** Fixed limits of the value axis, where the unit has them. */
  readonly limits?: readonly [number, number];
  /** Lines lie on one another: the first is lowest. */
  readonly stacked?: boolean;
  readonly onZoom: (from: number, to: number) => void;
  readonly onReset: () => void;
}

const HEIGHT = 180;
const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart(props: ChartProps) {
  let frame!: HTMLDivElement;
  let plot: uPlot | null = null;
  let shape = '';

  /** Lines are part of a plot's construction: it is made anew when their set changes, and only then. */
  const shapeOf = (data: ChartData) =>
    `${theme()}|${data.lines.map(({ label, color }) => `${label}:${color}`).join('|')}`;
  const values = (data: ChartData): uPlot.AlignedData => [data.times, ...data.lines.map(({ points }) => points)];

  function options(data: ChartData): uPlot.Options {
    const axis: uPlot.Axis = {
      stroke: css('--muted'),
      grid: { stroke: css('--grid'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    const series: uPlot.Series[] = data.lines.map((line, at) => {
      const color = css(line.color);
      return {
        label: line.label,
        stroke: color,
        width: 1.5,
        ...(line.fill === true ? { fill: `${color}33` } : {}),
        points: { show: false },
        value: (_plot, value, _series, index) => {
          const shown = props.data.lines[at]?.shown;
          const number = shown === undefined || index === null ? value : shown[index];
          return props.format(number === null || number === undefined ? number : Math.abs(number));
        },
      };
    });
    return {
      width: frame.clientWidth,
      height: HEIGHT,
      cursor: { sync: { key: 'host' }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { live: true },
      scales: {
        x: { time: true, range: () => [props.range[0], props.range[1]] },
        y:
          props.limits === undefined
            ? { range: (_plot, low, high) => span(low, high, props.axis?.least) }
            : { range: [...props.limits] as [number, number] },
      },
      axes: [
        { ...axis, grid: { show: false } },
        {
          ...axis,
          size: 64,
          ...(props.axis === undefined ? {} : { incrs: [...props.axis.steps] }),
          values: (_plot, marks) => marks.map((mark) => (props.axis?.mark ?? props.format)(Math.abs(mark))),
        },
      ],
      series: [
        { value: (_plot, time) => (time === null ? '' : new Date(time * 1000).toLocaleTimeString()) },
        ...series,
      ],
      ...(props.stacked === true
        ? { bands: data.lines.slice(1).map((_, at) => ({ series: [at + 2, at + 1] as [number, number] })) }
        : {}),
      hooks: {
        setSelect: [
          (chart) => {
            const { left, width } = chart.select;
            if (width > 8) props.onZoom(chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x'));
            chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    };
  }

  function draw(data: ChartData): void {
    const wanted = shapeOf(data);
    if (plot !== null && wanted === shape) {
      plot.setData(values(data));
      // Without a cursor the legend tells the newest values.
      if (plot.cursor.idx === null || plot.cursor.idx === undefined)
        plot.setLegend({ idx: data.times.length - 1 }, false);
      return;
    }
    plot?.destroy();
    shape = wanted;
    plot = data.lines.length === 0 ? null : new uPlot(options(data), values(data), frame);
  }

  onMount(() => {
    const resized = new ResizeObserver(() => plot?.setSize({ width: frame.clientWidth, height: HEIGHT }));
    resized.observe(frame);
    createEffect(() => draw(props.data));
    onCleanup(() => {
      resized.disconnect();
      plot?.destroy();
    });
  });

  return (
    <figure class="chart">
      <figcaption>{props.title}</figcaption>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a double click resets the zoom; Escape does the same on the page. */}
      <div class="plot" ref={frame} onDblClick={() => props.onReset()} />
    </figure>
  );
}
