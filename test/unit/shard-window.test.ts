// The hot window against brute force, and what the filter calls new.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHotWindow, createWindowBudget } from '../../src/actors/shard/hot-window.ts';
import { createInflightRows, filterRows } from '../../src/actors/shard/row-filter.ts';
import type { HostSchema, SeriesDefinition } from '../../src/core/frame.ts';
import type { HostId } from '../../src/core/ids.ts';

const test = suite('window');
const HOST = 'h' as HostId;
const define = (metric: string): SeriesDefinition => ({ metric, labels: {}, unit: '', kind: 'gauge' });
const SCHEMAS: HostSchema[] = [
  { id: 1, host: HOST, series: [define('a'), define('b')] },
  { id: 2, host: HOST, series: [define('b'), define('c')] },
];
const all = () => true;

test('random rows in random order: reads equal those of a plain map, the later value winning', () => {
  const block = fc.record({
    schema: fc.constantFrom(...SCHEMAS),
    times: fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }),
    values: fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(Number.NaN)), {
      minLength: 12,
      maxLength: 12,
    }),
  });
  fc.assert(
    fc.property(
      fc.array(block, { maxLength: 40 }),
      fc.integer({ min: -5, max: 405 }),
      fc.integer({ min: 0, max: 300 }),
      (blocks, start, length) => {
        const window = createHotWindow(createWindowBudget(() => 1e9));
        const model = new Map<number, Map<string, number>>();
        for (const { schema, times, values } of blocks) {
          const timestamps = Float64Array.from(times).sort();
          const packed = Float64Array.from(values.slice(0, 2 * timestamps.length));
          window.add({ schema, timestamps, values: packed });
          timestamps.forEach((time, r) => {
            const row = model.get(time) ?? new Map<string, number>();
            model.set(time, row);
            schema.series.forEach(({ metric }, s) => {
              const value = packed[s * timestamps.length + r] ?? Number.NaN;
              if (!Number.isNaN(value)) row.set(metric, value);
            });
          });
        }
        const read = window.read(HOST, start, start + length, all, 10_000);
        const expected = [...model.keys()]
          .filter((time) => time >= start && time <= start + length)
          .sort((a, b) => a - b);
        assert.equal(Array.from(read.timestamps), expected);
        for (const { series, values } of read.columns) {
          assert.equal(
            Array.from(values),
            expected.map((time) => model.get(time)?.get(series.metric) ?? Number.NaN),
          );
        }
        assert.is(window.newest(HOST), model.size === 0 ? undefined : Math.max(...model.keys()));
        for (const time of [0, 100, ...expected.slice(0, 3)]) {
          const at = window.at(HOST, time);
          assert.is(at === null, !model.has(time));
          if (at !== null)
            for (const metric of ['a', 'b', 'c']) assert.equal(at(metric), model.get(time)?.get(metric) ?? Number.NaN);
        }
      },
    ),
  );
});

test('reads are cut at the row limit, and say that there is more', () => {
  const window = createHotWindow(createWindowBudget(() => 1e9));
  window.add({
    schema: SCHEMAS[0] as HostSchema,
    timestamps: Float64Array.of(1, 2, 3),
    values: Float64Array.of(1, 2, 3, 4, 5, 6),
  });
  const read = window.read(HOST, 0, 10, ({ metric }) => metric === 'b', 2);
  assert.equal(
    [Array.from(read.timestamps), read.more, read.columns.map(({ values }) => Array.from(values))],
    [[1, 2], true, [[4, 5]]],
  );
});

test('at the budget the oldest chunks leave, and reads of that time say what is missing', () => {
  const budget = createWindowBudget(() => 20_000);
  const window = createHotWindow(budget);
  for (let time = 0; time < 2_000; time++)
    window.add({
      schema: SCHEMAS[0] as HostSchema,
      timestamps: Float64Array.of(time),
      values: Float64Array.of(time, time),
    });
  assert.ok(budget.used <= 20_000 && window.bytes === budget.used);
  const read = window.read(HOST, 0, 5_000, all, 10_000);
  const first = read.timestamps[0] ?? 0;
  assert.ok(first > 0);
  assert.is(read.missingThroughMs, first - 1);
  assert.is(read.timestamps.at(-1), 1_999);
  assert.is(window.read(HOST, first, 5_000, all, 10_000).missingThroughMs, null, 'what is here is complete');
});

test('the filter: new rows, repeated rows, conflicts, further series, rows on their way', () => {
  const window = createHotWindow(createWindowBudget(() => 1e9));
  window.add({ schema: SCHEMAS[0] as HostSchema, timestamps: Float64Array.of(10), values: Float64Array.of(1, 2) });
  const inflight = createInflightRows<string>();
  const rows = (times: number[], values: number[], series = SCHEMAS[0]?.series ?? []) => ({
    host: HOST,
    series,
    timestamps: Float64Array.from(times),
    values: Float64Array.from(values),
  });
  inflight.add('entry', rows([20], [5, 6]));

  const fresh = filterRows(rows([30], [1, 1]), window, inflight);
  assert.equal([Array.from(fresh.rows?.timestamps ?? []), fresh.waitsFor.size, fresh.duplicates], [[30], 0, 0]);

  const repeated = filterRows(rows([10], [1, 2]), window, inflight);
  assert.equal([repeated.rows, repeated.duplicates, repeated.conflicts], [null, 1, 0]);

  const moving = filterRows(rows([20], [5, 6]), window, inflight);
  assert.equal([moving.rows, [...moving.waitsFor]], [null, ['entry']]);

  const conflict = filterRows(rows([10], [1, 9]), window, inflight);
  assert.equal([Array.from(conflict.rows?.values ?? []), conflict.conflicts], [[Number.NaN, 9], 1]);

  const further = filterRows(rows([10], [2, 7], SCHEMAS[1]?.series), window, inflight);
  assert.equal(
    [Array.from(further.rows?.values ?? []), further.conflicts],
    [[Number.NaN, 7], 0],
    'b is known, c is new',
  );

  const mixed = filterRows(rows([10, 20, 30], [1, 5, 3, 2, 6, 3]), window, inflight);
  assert.equal(
    [Array.from(mixed.rows?.timestamps ?? []), Array.from(mixed.rows?.values ?? []), mixed.duplicates],
    [[30], [3, 3], 2],
  );

  inflight.remove('entry');
  assert.equal(filterRows(rows([20], [5, 6]), window, inflight).duplicates, 0);
});

test.run();
