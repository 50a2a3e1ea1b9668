// Names of metrics, hosts and labels, and what selects them: a name, a glob (`*` any characters, `?` one), and for metrics labels in
// braces: `system.network.io{network.io.direction=receive}`.
import { invalidArgument } from './errors.ts';
import type { SeriesDefinition } from './frame.ts';

const METRIC_NAME = /^[A-Za-z_:][A-Za-z0-9_.:/-]{0,199}$/;
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_.:/-]{0,199}$/;

/** OpenTelemetry's and Prometheus's characters together, 1 to 200. */
export const isMetricName = (name: string): boolean => METRIC_NAME.test(name);
export const isLabelName = (name: string): boolean => LABEL_NAME.test(name);

/** `name` or `name{key=value,…}`, keys sorted: one text per series. */
export function seriesKey({ metric, labels }: Pick<SeriesDefinition, 'metric' | 'labels'>): string {
  const keys = Object.keys(labels);
  if (keys.length === 0) return metric;
  return `${metric}{${keys
    .sort()
    .map((key) => `${key}=${labels[key]}`)
    .join(',')}}`;
}

/** A test for a glob. Linear in the text: a hostile pattern cannot make it slow. */
function compileGlob(pattern: string): (text: string) => boolean {
  if (pattern === '*') return () => true;
  if (!/[*?]/.test(pattern)) return (text) => text === pattern;
  return (text) => globMatches(pattern, text);
}

/** Greedy with one place to come back to (Kirk Krauss, 2008). */
function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let starText = 0;
  while (t < text.length) {
    const wanted = pattern[p];
    if (wanted === '*') {
      star = p++;
      starText = t;
    } else if (wanted === '?' || wanted === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++starText;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** Does a host's name match any of these names or globs? None matches all. */
export function matchNames(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => true;
  const tests = patterns.map(compileGlob);
  return (name) => tests.some((matches) => matches(name));
}

/**
 * Does a series match any of these selectors? None selects all.
 * @throws VedetteError INVALID_ARGUMENT naming `field`.
 */
export function matchSeries(selectors: readonly string[], field = 'metrics'): (series: SeriesDefinition) => boolean {
  if (selectors.length === 0) return () => true;
  const tests = selectors.map((selector) => compileSelector(selector, field));
  return (series) => tests.some((matches) => matches(series));
}

function compileSelector(selector: string, field: string): (series: SeriesDefinition) => boolean {
  const brace = selector.indexOf('{');
  const name = brace < 0 ? selector : selector.slice(0, brace);
  if (name === '') throw invalidArgument(field, `${JSON.stringify(selector)} names no metric`);
  const matchesName = compileGlob(name);
  if (brace < 0) return ({ metric }) => matchesName(metric);
  if (!selector.endsWith('}'))
    throw invalidArgument(field, `${JSON.stringify(selector)}: the labels' closing brace is missing`);
  const labels = parseLabels(selector.slice(brace + 1, -1), selector, field);
  return ({ metric, labels: has }) =>
    matchesName(metric) && labels.every(({ key, matches }) => has[key] !== undefined && matches(has[key]));
}

function parseLabels(
  text: string,
  selector: string,
  field: string,
): { key: string; matches: (value: string) => boolean }[] {
  return text
    .split(',')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const equals = pair.indexOf('=');
      if (equals <= 0) throw invalidArgument(field, `${JSON.stringify(selector)}: a label is written key=value`);
      const value = pair
        .slice(equals + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1');
      return { key: pair.slice(0, equals).trim(), matches: compileGlob(value) };
    });
}
