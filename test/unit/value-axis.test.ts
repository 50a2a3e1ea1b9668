// The value axis of the pages' charts: marks that differ are written differently, whatever is in view.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { byteAxis, byteRateAxis, span, type ValueAxis } from '../../web/src/charts/value-axis.ts';

const test = suite('value axis');

/** As uPlot sets them: at multiples of the smallest step that leaves them far enough apart. */
function marks({ steps, mark }: ValueAxis, [low, high]: readonly [number, number], most = 5): string[] {
  const step = steps.find((one) => (high - low) / one <= most) ?? Number.NaN;
  const written: string[] = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) written.push(mark(Math.abs(at * step)));
  return written;
}

test('where nothing flows there is an axis to 1 KiB/s, not one of zeros', () => {
  assert.equal(span(0, 0, byteRateAxis.least), [0, 1024]);
  assert.equal(span(null, null, byteRateAxis.least), [0, 1024]);
  assert.equal(marks(byteRateAxis, span(0, 0, byteRateAxis.least)), ['0', '256 B/s', '512 B/s', '768 B/s', '1 KiB/s']);
});

test('a little traffic is not magnified, and is in view on both sides', () => {
  const [low, high] = span(-100, 3, byteRateAxis.least);
  assert.ok(low < -100 && high - low >= 1024);
  assert.equal(marks(byteRateAxis, [low, high]), ['0', '256 B/s', '512 B/s', '768 B/s']);
});

test('marks are round in their units, and no two of one side are the same', () => {
  assert.equal(marks(byteAxis, span(0, 30 * 1024 ** 3)), ['0', '8 GiB', '16 GiB', '24 GiB', '32 GiB']);
  assert.equal(marks(byteAxis, [0, 1_300]), ['0', '512 B', '1 KiB']);
  for (let high = 1; high < 2 ** 50; high *= 1.7) {
    const written = marks(byteAxis, span(0, high, byteAxis.least));
    assert.is(new Set(written).size, written.length, `${high}: ${written}`);
    assert.ok(written.length >= 3, `${high}: ${written}`);
  }
});

test('other units are in view as they were: from zero, with some room', () => {
  assert.equal(span(0, 0), [0, 1]);
  assert.equal(span(2, 100), [0, 108]);
  assert.equal(span(-100, 0), [-108, 0]);
});

test.run();
