// A shard's state in a snapshot: whatever can be read before can be read after, and what is applied meanwhile is not in it.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHorizon } from '../../src/actors/raft/horizon.ts';
import { createHotWindow, createWindowBudget } from '../../src/actors/shard/hot-window.ts';
import { createShardDecoder, encodeShard, type ShardParts } from '../../src/actors/shard/shard-snapshot.ts';
import type { HostSchema, RowBlock, SeriesDefinition } from '../../src/core/frame.ts';
import type { HostId } from '../../src/core/ids.ts';
import { hostRecord } from '../support/fake-shard.ts';

const test = suite('shard snapshot');
const HOSTS = ['h1', 'h2'] as HostId[];
const define = (metric: string): SeriesDefinition => ({
  metric,
  labels: { core: '0', zone: 'a' },
  unit: 'By',
  kind: metric === 'b' ? 'counter' : 'gauge',
});
const SCHEMAS: HostSchema[] = HOSTS.flatMap((host, at) => [
  { id: 1 + 2 * at, host, series: [define('a'), define('b')] },
  { id: 2 + 2 * at, host, series: [define('b'), define('c')] },
]);
const PARTS: ShardParts = {
  totals: { lastStamp: 1_700_000_000_123, rowsApplied: 2 ** 40, samplesApplied: 2 ** 41 },
  stamps: [
    { index: 3, stampMs: 1_700_000_000_000 },
    { index: 19, stampMs: 1_700_000_000_100 },
  ],
  schemas: SCHEMAS,
  hosts: [
    hostRecord('h1', 'online', 1_700_000_000_000, { labels: { zone: 'z1', rack: 'r' }, clockSkewMs: -5 }),
    hostRecord('h2', 'offline', 1_700_000_000_050),
  ],
};
const window = (limit = 1e9) => createHotWindow(createWindowBudget(() => limit));

function read(from: ReturnType<typeof window>, host: HostId) {
  const { timestamps, columns, missingThroughMs } = from.read(host, -1e9, 1e15, () => true, 1e6);
  const byKey = columns.map(({ series, values }) => [series.metric, Array.from(values)] as const);
  return {
    times: Array.from(timestamps),
    columns: byKey.sort(([a], [b]) => (a < b ? -1 : 1)),
    missingThroughMs,
    newest: from.newest(host),
  };
}

const blocks = fc.array(
  fc.record({
    schema: fc.constantFrom(...SCHEMAS),
    times: fc.uniqueArray(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 8 }),
    values: fc.array(fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.NaN)), { minLength: 16, maxLength: 16 }),
  }),
  { maxLength: 60 },
);
function blockOf({ schema, times, values }: { schema: HostSchema; times: number[]; values: number[] }): RowBlock {
  return {
    schema,
    timestamps: Float64Array.from(times).sort(),
    values: Float64Array.from(values.slice(0, 2 * times.length)),
  };
}

test('random rows, in chunks of any size: reads are the same, and so is what is told of the hosts', () => {
  fc.assert(
    fc.property(blocks, blocks, fc.integer({ min: 1, max: 4_000 }), fc.boolean(), (rows, later, chunkBytes, tight) => {
      const original = window(tight ? 10_000 : 1e9);
      for (const block of rows) original.add(blockOf(block));
      const before = HOSTS.map((host) => read(original, host));
      const chunks = encodeShard(PARTS, original, chunkBytes);
      const copy = window();
      const decoder = createShardDecoder(copy);
      const rest = [...later];
      for (const chunk of chunks) {
        decoder.take(chunk);
        // What comes meanwhile, and what leaves for it, is not the snapshot's.
        const block = rest.pop();
        if (block !== undefined) original.add(blockOf(block));
      }
      assert.equal(
        HOSTS.map((host) => read(copy, host)),
        before,
      );
      assert.equal(decoder.parts(), PARTS);
      // It goes on like the original.
      const next = { schema: SCHEMAS[0] as HostSchema, times: [3_000], values: [1, 2] };
      copy.add(blockOf(next));
      assert.is(copy.newest('h1' as HostId), 3_000);
    }),
    { numRuns: 60 },
  );
});

test('chunks are about as large as they may be', () => {
  const original = window();
  for (let at = 0; at < 3_000; at++)
    original.add(blockOf({ schema: SCHEMAS[at % 4] as HostSchema, times: [at], values: [at, at] }));
  const sizes = [...encodeShard(PARTS, original, 8_000)].map(({ length }) => length);
  assert.ok(sizes.length > 5 && sizes.every((size) => size < 16_000), sizes.join());
});

test('taking over gives the budget back, and empties the other', () => {
  const budget = createWindowBudget(() => 1e9);
  const first = createHotWindow(budget);
  const second = createHotWindow(budget);
  const block = blockOf({ schema: SCHEMAS[0] as HostSchema, times: [5], values: [1, 2] });
  first.add(block);
  const one = budget.used;
  assert.ok(one > 0);
  second.add(block);
  second.add(blockOf({ schema: SCHEMAS[2] as HostSchema, times: [6], values: [1, 2] }));
  assert.is(budget.used, 3 * one);
  first.takeOver(second);
  assert.equal([budget.used, first.bytes, second.bytes], [2 * one, 2 * one, 0]);
  assert.equal(read(first, 'h2' as HostId).times, [6]);
  assert.equal(read(second, 'h2' as HostId).times, []);
  first.takeOver(createHotWindow(budget));
  assert.equal([budget.used, first.bytes], [0, 0]);
});

test('a part of another format, or rows of a schema that never came, are refused', () => {
  const [first] = encodeShard(PARTS, window(), 1e6);
  assert.ok(first);
  const other = first.slice();
  other[0] = 9;
  assert.throws(() => createShardDecoder(window()).take(other), /format 9; this version reads 1/);
  const original = window();
  original.add(blockOf({ schema: { ...(SCHEMAS[0] as HostSchema), id: 77 }, times: [5], values: [1, 2] }));
  const chunks = [...encodeShard(PARTS, original, 1e6)];
  assert.throws(() => chunks.forEach(createShardDecoder(window()).take), /schema 77 comes before its rows/);
});

test('the horizon: young entries stay, up to so many bytes; a few always do', () => {
  const options = { horizonMs: 64_000, tailBytesMax: 64_000, tailBytesMin: 5_000 };
  const entry = (index: number, bytes: number) => ({
    index,
    term: 1,
    kind: 'data' as const,
    payload: new Uint8Array(bytes - 32),
  });
  const slow = createHorizon(options, 0, 0);
  for (let index = 1; index <= 200; index++) slow.note([entry(index, 100)], index * 1_000);
  assert.ok(slow.mayLeave(200_000) <= 200 - 64, 'all of the last 64 s');
  assert.ok(slow.mayLeave(200_000) >= 200 - 68, 'and not much more');
  const idle = slow.mayLeave(10_000_000);
  assert.ok(idle <= 150 && idle >= 145, `5,000 bytes stay however old they are, all behind ${idle}`);
  const fast = createHorizon(options, 10, 0);
  assert.is(fast.mayLeave(0), 10);
  for (let index = 11; index <= 1_010; index++) fast.note([entry(index, 1_000)], 1);
  const left = fast.mayLeave(2);
  assert.ok(left >= 1_010 - 66 && left <= 1_010 - 64, `64,000 bytes stay, all behind ${left}`);
  assert.is(fast.bytes(), 1_000_000);
  fast.beginAfter(5_000, 3);
  assert.is(fast.mayLeave(4), 5_000);
});

test.run();
