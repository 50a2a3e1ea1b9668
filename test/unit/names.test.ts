import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SeriesDefinition } from '../../src/core/frame.ts';
import { isLabelName, isMetricName, matchNames, matchSeries, seriesKey } from '../../src/core/names.ts';

const test = suite('names');
const series = (metric: string, labels: Record<string, string> = {}): SeriesDefinition => ({
  metric,
  labels,
  unit: '1',
  kind: 'gauge',
});

test('globs', () => {
  const table: [pattern: string, text: string, expected: boolean][] = [
    ['*', '', true],
    ['*', 'anything', true],
    ['web-*', 'web-1', true],
    ['web-*', 'db-1', false],
    ['web-?', 'web-1', true],
    ['web-?', 'web-10', false],
    ['*a*b*c', 'xxaxxbxxc', true],
    ['*a*b*c', 'xxaxxcxxb', false],
    ['a.b', 'axb', false],
    ['exact', 'exact', true],
  ];
  for (const [pattern, text, expected] of table)
    assert.is(matchNames([pattern])(text), expected, `${pattern} on ${text}`);
  assert.ok(matchNames([])('whoever'), 'no pattern means all');
});

test('a hostile glob takes no exponential time', () => {
  assert.not(matchNames([`${'*a'.repeat(500)}b`])('a'.repeat(20_000)));
});

test('selectors of series: names, globs, labels', () => {
  const read = series('system.disk.io', { 'disk.io.direction': 'read', 'system.device': 'vda' });
  assert.ok(matchSeries(['system.disk.io'])(read));
  assert.ok(matchSeries(['system.*'])(read));
  assert.ok(matchSeries(['system.disk.io{disk.io.direction=read}'])(read));
  assert.ok(matchSeries(['system.disk.io{disk.io.direction="read",system.device=vd*}'])(read));
  assert.not(matchSeries(['system.disk.io{disk.io.direction=write}'])(read));
  assert.not(matchSeries(['system.disk.io{no.such=read}'])(read));
  assert.ok(matchSeries([])(read));
});

test('malformed selectors are refused with the field', () => {
  for (const bad of ['{a=b}', 'name{a=b', 'name{a}', 'name{=b}']) {
    assert.throws(
      () => matchSeries([bad]),
      (error: { code?: string; field?: string }) => error.code === 'INVALID_ARGUMENT' && error.field === 'metrics',
      bad,
    );
  }
});

test("names: OpenTelemetry's and Prometheus's characters", () => {
  for (const good of ['system.cpu.utilization', 'node_cpu_seconds_total', 'job:rate5m', 'a', 'x'.repeat(200)])
    assert.ok(isMetricName(good), good);
  for (const bad of ['', '1abc', 'with space', 'é', 'x'.repeat(201), 'a{b}']) assert.not(isMetricName(bad), bad);
  assert.ok(isLabelName('cpu.mode'));
  assert.not(isLabelName('a b'));
});

test('one text per series, whatever the order of its labels', () => {
  assert.is(seriesKey(series('m', { b: '2', a: '1' })), 'm{a=1,b=2}');
  assert.is(seriesKey(series('m')), 'm');
});

test.run();
