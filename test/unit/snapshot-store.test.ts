// Snapshots on disk: over one that tears, rots, fills up and fails, and with a crash at every step.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLatency } from '../../scenarios/engine/sim/latency.ts';
import { createSimDisk, type SimDisk } from '../../scenarios/engine/sim/sim-disk.ts';
import type { Disk } from '../../src/actors/stores/disk.ts';
import {
  openSnapshots,
  type SnapshotMeta,
  type SnapshotStore,
  type StoredSnapshot,
} from '../../src/actors/stores/snapshots.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ClusterId, GroupId } from '../../src/core/ids.ts';
import { createClockView } from '../../src/streams/clock-view.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('snapshot store');
const DIRECTORY = '/data/snapshots';

function createDisk(seed: number): SimDisk {
  const random = createRandom(seed);
  const options = { store: 'log', segmentBytes: 0, cacheBytes: 0, syncMinMs: 1, syncMeanMs: 0 } as const;
  return createSimDisk(random.fork('crashes'), createLatency(random.fork('latency'), options));
}

const metaOf = (group: GroupId, index: number): SnapshotMeta => ({
  group,
  index,
  term: 3,
  cluster: 'c1' as ClusterId,
  configuration: {
    index: 7,
    configuration: {
      voters: ['b1', 'b2'] as BrokerId[],
      outgoing: ['b1'] as BrokerId[],
      learners: ['b3'] as BrokerId[],
      joining: ['b3'] as BrokerId[],
    },
  },
});
const chunksOf = (index: number, count = 3): Uint8Array[] =>
  Array.from({ length: count }, (_, at) => new Uint8Array(700 + at).fill(index + at));

function open(
  disk: SimDisk,
  clock: VirtualClock,
  cluster = '',
  change: Partial<Disk> = {},
  formerly: readonly string[] = [],
) {
  const warnings: string[] = [];
  const failures: VedetteError[] = [];
  const view = createClockView(clock, { turn: (run) => run(), driftPpm: 0 });
  const store = openSnapshots({
    disk: { ...disk.mount(view), ...change },
    directory: DIRECTORY,
    clock: view,
    crc32c,
    cluster: cluster as ClusterId | '',
    formerly: formerly as ClusterId[],
    warn: (message) => warnings.push(message),
    failed: (error) => failures.push(error),
  });
  return { store, warnings, failures, view, names: () => disk.mount(clock).list(DIRECTORY) };
}

function settle(clock: VirtualClock): void {
  for (let steps = 0; clock.step(); steps++) if (steps > 100_000) throw new Error('the clock never rests');
}

function save(store: SnapshotStore, group: GroupId, index: number, chunks = chunksOf(index)): StoredSnapshot[] {
  const done: StoredSnapshot[] = [];
  store.save(
    () => ({ meta: metaOf(group, index), chunks }),
    (stored) => {
      if (stored !== null) done.push(stored);
    },
  );
  return done;
}

function contentOf(store: SnapshotStore, snapshot: StoredSnapshot | null): number[][] {
  assert.ok(snapshot);
  const reader = store.read(snapshot);
  const chunks = snapshot.offsets.map((_, number) => [...reader.readSync(number).payload]);
  reader.close();
  return chunks;
}
const expected = (index: number, count = 3) => chunksOf(index, count).map((chunk) => [...chunk]);

test('what was saved is there after a restart, with what it says of itself; the last two of a group are kept', () => {
  const clock = createVirtualClock();
  const disk = createDisk(1);
  const first = open(disk, clock);
  const done = [5, 9, 14].map((index) => save(first.store, 'shard-3', index));
  const other = save(first.store, 'control', 2, []);
  settle(clock);
  assert.ok([...done, other].every(({ length }) => length === 1));
  const again = open(disk, createVirtualClock()).store;
  assert.equal(
    again.kept('shard-3').map(({ meta }) => meta),
    [metaOf('shard-3', 14), metaOf('shard-3', 9)],
  );
  assert.equal(contentOf(again, again.newest('shard-3')), expected(14));
  assert.equal(contentOf(again, again.newest('control')), []);
  assert.is(again.newest('shard-1'), null);
});

test('chunks are asked for one at a time, and groups wait for each other', () => {
  const clock = createVirtualClock();
  const { store } = open(createDisk(2), clock);
  const asked: string[] = [];
  const lazily = (group: GroupId) =>
    store.save(
      () => ({
        meta: metaOf(group, 1),
        chunks: (function* () {
          for (let at = 0; at < 3; at++) {
            asked.push(`${group} ${at}`);
            yield new Uint8Array(10);
          }
        })(),
      }),
      () => asked.push(`${group} done`),
    );
  lazily('shard-0');
  lazily('shard-1');
  assert.equal(asked, ['shard-0 0'], 'the next is asked for when the one before is written');
  settle(clock);
  const of = (group: string) => [0, 1, 2, 'done'].map((what) => `${group} ${what}`);
  assert.equal(asked, [...of('shard-0'), ...of('shard-1')]);
});

test('a crash at every step: the old one or the new one is there, whole, and nothing else is left', () => {
  let old = 0;
  let fresh = 0;
  for (let steps = 0; steps < 24; steps++) {
    for (let seed = 0; seed < 4; seed++) {
      const clock = createVirtualClock();
      const disk = createDisk(100 * steps + seed);
      const first = open(disk, clock);
      save(first.store, 'control', 4);
      settle(clock);
      const done = save(first.store, 'control', 8);
      for (let n = 0; n < steps; n++) clock.step();
      first.view.revoke();
      disk.crash();
      const again = open(disk, createVirtualClock());
      const newest = again.store.newest('control');
      assert.ok(done.length === 0 || newest?.meta.index === 8, 'what was called durable is');
      assert.equal(contentOf(again.store, newest), expected(newest?.meta.index ?? 0));
      assert.equal(again.warnings, [], 'a crash damages nothing');
      assert.ok(
        again.names().every((name) => name.endsWith('.snap')),
        again.names().join(),
      );
      if (newest?.meta.index === 8) fresh++;
      else old++;
    }
  }
  assert.ok(old > 20 && fresh > 4, `${old} old, ${fresh} new`);
});

test('a damaged byte, wherever it is: the file is set aside, said, and the older one serves', () => {
  const clock = createVirtualClock();
  const made = createDisk(3);
  const first = open(made, clock);
  save(first.store, 'control', 4);
  save(first.store, 'control', 8);
  settle(clock);
  const path = first.store.newest('control')?.path ?? '';
  const size = first.store.newest('control')?.bytes ?? 0;
  for (let position = 0; position < size; position += position < 80 ? 1 : 37) {
    const disk = made.copy();
    disk.rot(path, position, (byte) => byte ^ 0x10);
    const { store, warnings, names } = open(disk, createVirtualClock());
    const newest = store.newest('control');
    assert.ok(newest);
    if (newest.meta.index === 8) {
      // Chunks are checked when they are read.
      assert.throws(() => contentOf(store, newest), /chunk \d does not have its checksum/);
      store.setAside(newest, 'a chunk is damaged');
    }
    assert.is(warnings.length, 1, `byte ${position}`);
    assert.match(warnings[0] ?? '', `${path} is damaged`);
    assert.equal(contentOf(store, store.newest('control')), expected(4));
    assert.ok(names().includes('control-0000000000000008.snap.broken'));
    const { store: later, warnings: again } = open(disk, createVirtualClock());
    assert.is(later.newest('control')?.meta.index, 4);
    assert.equal(again, [], 'it is said once');
  }
});

test('one whose configuration has no voters is set aside, said, and the older one serves', () => {
  const clock = createVirtualClock();
  const disk = createDisk(3);
  const first = open(disk, clock);
  save(first.store, 'control', 4);
  const meta = metaOf('control', 8);
  const configuration = { ...meta.configuration.configuration, voters: [] };
  first.store.save(
    () => ({ meta: { ...meta, configuration: { ...meta.configuration, configuration } }, chunks: chunksOf(8) }),
    () => {},
  );
  settle(clock);
  const { store, warnings } = open(disk, createVirtualClock());
  assert.is(store.newest('control')?.meta.index, 4);
  assert.match(warnings.join(), /control-0000000000000008\.snap is damaged .*its configuration has no voters/);
});

test('a file cut short anywhere is no snapshot', () => {
  const clock = createVirtualClock();
  const made = createDisk(4);
  save(open(made, clock).store, 'control', 8);
  settle(clock);
  const path = `${DIRECTORY}/control-0000000000000008.snap`;
  const size = made.mount(clock).open(path, 'read').size();
  for (let length = 0; length < size; length += 1 + (length >> 4)) {
    const disk = made.copy();
    disk.mount(clock).open(path, 'readWrite').truncateSync(length);
    const { store, warnings } = open(disk, createVirtualClock());
    assert.is(store.newest('control'), null, `${length} of ${size} bytes`);
    assert.is(warnings.length, 1);
  }
});

test('a full disk: the new one is given up and said, the old one stays, and the next one is taken when there is room', () => {
  for (let room = 0; room < 2200; room += 550) {
    const clock = createVirtualClock();
    const disk = createDisk(5);
    const { store, warnings, failures, names } = open(disk, clock);
    save(store, 'control', 4);
    settle(clock);
    disk.faults.freeBytes = room;
    const done = save(store, 'control', 8);
    const other = save(store, 'shard-0', 3, []);
    settle(clock);
    assert.equal(done, []);
    assert.is(other.length, names().length - 1);
    assert.is(store.newest('control')?.meta.index, 4);
    assert.match(warnings[0] ?? '', /no room for .*control-0000000000000008\.snap/);
    assert.ok(names().every((name) => name.endsWith('.snap')));
    disk.faults.freeBytes = 1e9;
    save(store, 'control', 9);
    settle(clock);
    assert.equal(contentOf(store, store.newest('control')), expected(9));
    assert.equal(failures, []);
  }
});

test('a failed write or sync is told, once, and what was not durable is not called so', () => {
  for (const fault of ['failWrites', 'failSyncs'] as const) {
    const clock = createVirtualClock();
    const disk = createDisk(6);
    const { store, failures } = open(disk, clock);
    disk.faults[fault] = true;
    const done = save(store, 'control', 4);
    settle(clock);
    assert.equal(done, []);
    assert.is(failures.length, 1);
    assert.match(failures[0]?.message ?? '', /control-0000000000000004\.snap failed/);
    assert.is(store.newest('control'), null);
  }
});

test('a group that is forgotten has none left, not even the one that is being written, and the others go on', () => {
  for (let steps = 0; steps < 12; steps++) {
    const clock = createVirtualClock();
    const { store, names } = open(createDisk(5), clock);
    save(store, 'shard-0', 1);
    save(store, 'shard-1', 1);
    settle(clock);
    save(store, 'shard-0', 5, chunksOf(5));
    const other = save(store, 'shard-1', 5);
    for (let step = 0; step < steps; step++) clock.step();
    store.forget('shard-0');
    assert.is(store.newest('shard-0'), null);
    settle(clock);
    assert.equal(store.groups(), ['shard-1']);
    assert.is(other.length, 1, `forgotten after ${steps} steps`);
    assert.equal(
      names().filter((name) => name.startsWith('shard-1')),
      ['shard-1-0000000000000001.snap', 'shard-1-0000000000000005.snap'],
    );
  }
});

test('what nobody needs and cannot be removed is said, file by file, and ends nothing', () => {
  const clock = createVirtualClock();
  const disk = createDisk(9);
  const remove = (path: string) => {
    throw new Error(`EPERM ${path}`);
  };
  const { store, warnings, names } = open(disk, clock, '', { remove });
  for (const index of [1, 5]) save(store, 'shard-0', index);
  settle(clock);
  save(store, 'shard-0', 9);
  const other = save(store, 'shard-1', 3);
  store.forget('shard-0');
  settle(clock);
  assert.equal(store.groups(), ['shard-1']);
  assert.is(other.length, 1, 'the others go on');
  assert.is(names().length, 4);
  assert.is(warnings.length, 3);
  assert.match(warnings.join(), /shard-0-0000000000000005\.snap is not needed any more, .*EPERM/);
  const again = open(disk, createVirtualClock(), '', { remove });
  assert.match(again.warnings.join(), /9\.snap\.\d+\.new is not needed any more/);
  again.store.forget('shard-0');
  assert.equal(again.store.groups(), ['shard-1']);
});

test('one that arrives in pieces counts when it is whole; one that is given up leaves nothing', () => {
  const clock = createVirtualClock();
  const { store, names } = open(createDisk(7), clock);
  const left = store.receive(metaOf('shard-0', 7));
  left.add(new Uint8Array(9), crc32c(new Uint8Array(9)), () => assert.unreachable('it was given up'));
  left.abandon();
  // Whoever fills it may not know yet.
  left.add(new Uint8Array(9), crc32c(new Uint8Array(9)), () => assert.unreachable('it was given up'));
  left.finish(() => assert.unreachable('it was given up'));
  const writer = store.receive(metaOf('shard-0', 7));
  const chunks = chunksOf(7);
  const more = () => {
    const chunk = chunks[writer.chunks()];
    if (chunk === undefined) writer.finish((stored) => assert.ok(stored));
    else writer.add(chunk, crc32c(chunk), (written) => written && more());
  };
  more();
  settle(clock);
  assert.equal(contentOf(store, store.newest('shard-0')), expected(7));
  assert.equal(names(), ['shard-0-0000000000000007.snap']);
});

test("another cluster's snapshots, and a newer version's, are refused", () => {
  const clock = createVirtualClock();
  const disk = createDisk(8);
  save(open(disk, clock).store, 'control', 4);
  settle(clock);
  assert.throws(() => open(disk, createVirtualClock(), 'c2'), /is of cluster c1; this broker is in c2/);
  const { store } = open(disk, createVirtualClock(), 'c2', {}, ['c0', 'c1']);
  assert.is(store.newest('control')?.meta.cluster, 'c2', 'of a cluster that was recovered since it is its own');
  const path = `${DIRECTORY}/control-0000000000000004.snap`;
  const file = disk.mount(clock).open(path, 'readWrite');
  const head = file.readSync(0, 16);
  const view = new DataView(head.buffer, head.byteOffset);
  view.setUint32(4, 9, true);
  const header = file.readSync(16, view.getUint32(8, true));
  view.setUint32(12, crc32c(header, crc32c(head.subarray(0, 12))), true);
  file.writeSync(head, 0);
  assert.throws(() => open(disk, createVirtualClock()), /written by a newer version/);
});

test.run();
