// Puts a sample together series by series, and notices without hashing anything whether the set of series is still the one of
// the sample before: the same metrics are added in the same order every time, so each is compared with its predecessor only.
import { roundTo } from '../../core/decimals.ts';
import type { SeriesDefinition } from '../../core/frame.ts';
import { type HostMetric, hostMetrics } from '../../core/host-metrics.ts';
import type { Millis } from '../../core/ids.ts';
import type { Sample } from './collector.ts';

export interface SampleBuilder {
  /** `labels`: keys sorted. */
  add(metric: HostMetric, labels: Readonly<Record<string, string>>, value: number): void;
  /** The sample of everything added since the last call, of the first `seriesMax` at most: a host with more has these, not none. */
  finish(timestamp: Millis): Sample;
}

/** @param tooMany is told once by how many series the host has more. */
export function createSampleBuilder(seriesMax: number, tooMany: (more: number) => void): SampleBuilder {
  let previous: readonly SeriesDefinition[] = [];
  let current: SeriesDefinition[] = [];
  let values: number[] = [];
  let changed = false;
  let more = 0;
  let told = false;

  return {
    add(metric, labels, value) {
      if (current.length >= seriesMax) {
        more++;
        return;
      }
      const definition = hostMetrics[metric];
      const before = previous[current.length];
      if (before !== undefined && before.metric === metric && sameLabels(before.labels, labels)) {
        current.push(before);
      } else {
        changed = true;
        current.push({ metric, labels: { ...labels }, unit: definition.unit, kind: definition.kind });
      }
      values.push(roundTo(value, definition.decimals));
    },
    finish(timestamp) {
      if (changed || current.length !== previous.length) previous = current;
      const sample = { timestamp, series: previous, values: Float64Array.from(values) };
      if (more > 0 && !told) tooMany(more);
      told ||= more > 0;
      more = 0;
      current = [];
      values = [];
      changed = false;
      return sample;
    },
  };
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => a[key] === b[key]);
}
