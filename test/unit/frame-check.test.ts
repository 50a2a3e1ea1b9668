// Every way in which a frame can be wrong, and its code.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AnnouncedSchema, checkFrame, checkSchema } from '../../src/core/frame-check.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';

const test = suite('frame check');
const NOW = 1_700_000_000_000;
const column = (metric: string, values: number[], labels = {}): vedette.v1.IColumn => ({
  metric,
  values,
  labels,
  unit: '1',
});
const packed = (values: number[]) => new Uint8Array(Float64Array.from(values).buffer);
const SCHEMA: AnnouncedSchema = {
  host: '',
  series: [
    { metric: 'a', labels: {}, unit: '', kind: 'gauge' },
    { metric: 'b', labels: {}, unit: '', kind: 'gauge' },
  ],
};

function check(frame: vedette.v1.IHostFrame, sessionHost = 'host-1') {
  return checkFrame(frame, {
    sessionHost,
    schema: (id) => (id === 1 ? SCHEMA : id === 2 ? { ...SCHEMA, host: 'other' } : undefined),
    now: NOW,
    futureMaxMs: limits.frames.futureMaxMs,
    pastMaxMs: limits.frames.pastMaxMs,
  });
}

const good: vedette.v1.IHostFrame = { timestampsMs: [NOW - 1000, NOW], columns: [column('a', [1, 2])] };

test('self-describing columns and packed values come out the same', () => {
  const columns = check({ timestampsMs: [NOW - 1, NOW], columns: [column('a', [1, 2]), column('b', [3, Number.NaN])] });
  const rows = check({ timestampsMs: [NOW - 1, NOW], schemaId: 1, packed: packed([1, 2, 3, Number.NaN]) });
  assert.ok(columns.verdict === 'taken' && rows.verdict === 'taken');
  if (columns.verdict !== 'taken' || rows.verdict !== 'taken') return;
  assert.equal(Array.from(columns.values), [1, 2, 3, Number.NaN]);
  assert.equal(Array.from(rows.values), Array.from(columns.values));
  assert.is(columns.host, 'host-1');
  assert.equal(
    rows.series.map(({ metric }) => metric),
    ['a', 'b'],
  );
});

test('packed values need not lie on eight bytes', () => {
  const bytes = new Uint8Array(3 + 32);
  bytes.set(packed([1, 2, 3, 4]), 3);
  const taken = check({ timestampsMs: [NOW - 1, NOW], schemaId: 1, packed: Buffer.from(bytes.buffer, 3, 32) });
  assert.ok(taken.verdict === 'taken' && Array.from(taken.values).join() === '1,2,3,4');
});

const wrong: [what: string, code: string, frame: vedette.v1.IHostFrame, host?: string][] = [
  ['no host at all', 'bad_host_id', good, ''],
  ['a host with a space', 'bad_host_id', { ...good, hostId: 'a b' }, ''],
  ['a host with 129 characters', 'bad_host_id', { ...good, hostId: 'x'.repeat(129) }, ''],
  ["another host than the session's", 'bad_host_id', { ...good, hostId: 'host-2' }],
  ['no timestamps', 'length_mismatch', { ...good, timestampsMs: [] }],
  ['no columns', 'length_mismatch', { ...good, columns: [] }],
  ['a column that is too short', 'length_mismatch', { ...good, columns: [column('a', [1])] }],
  ['packed bytes that do not fit', 'length_mismatch', { timestampsMs: [NOW], schemaId: 1, packed: packed([1, 2, 3]) }],
  [
    'packed bytes that are no numbers',
    'length_mismatch',
    { timestampsMs: [NOW], schemaId: 1, packed: new Uint8Array(13) },
  ],
  ['equal timestamps', 'not_ascending', { ...good, timestampsMs: [NOW, NOW] }],
  ['falling timestamps', 'not_ascending', { ...good, timestampsMs: [NOW, NOW - 1] }],
  ['six minutes ahead', 'too_far_in_future', { ...good, timestampsMs: [NOW, NOW + 360_000] }],
  ['25 hours old', 'too_old', { ...good, timestampsMs: [NOW - 90_000_000, NOW] }],
  ['a metric with a space', 'bad_metric_name', { ...good, columns: [column('a b', [1, 2])] }],
  ['a label with a space', 'bad_metric_name', { ...good, columns: [column('a', [1, 2], { 'x y': '1' })] }],
  ['a series twice', 'bad_metric_name', { ...good, columns: [column('a', [1, 2]), column('a', [1, 2])] }],
  [
    '2,001 series',
    'over_limit',
    { ...good, columns: Array.from({ length: 2_001 }, (_, at) => column(`m${at}`, [1, 2])) },
  ],
  [
    '10,001 rows',
    'over_limit',
    { ...good, timestampsMs: Array.from({ length: 10_001 }, (_, at) => NOW - 20_000 + at) },
  ],
  [
    '33 labels',
    'over_limit',
    {
      ...good,
      columns: [column('a', [1, 2], Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`l${at}`, '1'])))],
    },
  ],
  ['a schema never announced', 'unknown_schema', { timestampsMs: [NOW], schemaId: 9, packed: packed([1, 2]) }],
  ["another host's schema", 'unknown_schema', { timestampsMs: [NOW], schemaId: 2, packed: packed([1, 2]) }],
];

for (const [what, code, frame, host] of wrong) {
  test(`${what}: ${code}`, () => {
    const rejected = check(frame, host ?? 'host-1');
    assert.is(rejected.verdict, 'rejected');
    if (rejected.verdict !== 'rejected') return;
    assert.is(rejected.code, code);
    assert.ok(rejected.reason.length > 10, 'the reason is for people');
  });
}

test('a schema is checked when it is announced', () => {
  const bad = checkSchema({ schemaId: 1, series: [{ metric: 'not good', labels: {} }] });
  assert.ok('verdict' in bad && bad.code === 'bad_metric_name');
  const fine = checkSchema({ schemaId: 1, hostId: 'h', series: [{ metric: 'a', labels: { z: '1', b: '2' } }] });
  assert.ok(!('verdict' in fine) && Object.keys(fine.series[0]?.labels ?? {}).join() === 'b,z', 'labels are sorted');
});

test.run();
