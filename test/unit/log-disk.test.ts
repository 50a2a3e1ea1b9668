// The log store over a disk that tears at sectors, rots, fills up and fails.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLatency } from '../../scenarios/engine/sim/latency.ts';
import { createSimDisk, type SimDisk } from '../../scenarios/engine/sim/sim-disk.ts';
import type { LogEntry, LogStore } from '../../src/actors/stores/log.ts';
import { openLog } from '../../src/actors/stores/log-store.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import type { GroupId } from '../../src/core/ids.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('log on a bad disk');
const SEGMENT = '/log/00000001.log';
const text = (payload: Uint8Array | undefined) => new TextDecoder().decode(payload);
const entry = (index: number, payload: string | Uint8Array, term = 1): LogEntry => ({
  index,
  term,
  kind: 'data',
  payload: typeof payload === 'string' ? new TextEncoder().encode(payload) : payload,
});

type Options = NonNullable<Parameters<typeof openLog>[0]['options']>;

function createDisk(seed: number): SimDisk {
  const random = createRandom(seed);
  const options = { store: 'log', segmentBytes: 0, cacheBytes: 0, syncMinMs: 1, syncMeanMs: 0 } as const;
  return createSimDisk(random.fork('crashes'), createLatency(random.fork('latency'), options));
}

function open(disk: SimDisk, clock: VirtualClock, options: Options = {}) {
  const warnings: string[] = [];
  const failures: VedetteError[] = [];
  const log = openLog({
    disk: disk.mount(clock),
    directory: '/log',
    clock,
    random: createRandom('store'),
    kernels: { crc32c, native: false },
    warn: (message) => warnings.push(message),
    failed: (error) => failures.push(error),
    options: { preallocateBytes: 8_192, ...options },
  });
  return { log, warnings, failures };
}

function settle(clock: VirtualClock): void {
  for (let steps = 0; clock.step(); steps++) if (steps > 100_000) throw new Error('the clock never rests');
}

function readOne(log: LogStore, clock: VirtualClock, group: GroupId, index: number): string {
  let found = 'nothing';
  log.read(group, index, index, 1_000_000, (error, [first]) => {
    found = error === null ? text(first?.payload) : String(error);
  });
  settle(clock);
  return found;
}

test('a write torn at sectors is cut off, wherever sectors are missing, and zeros ahead of it are nothing', () => {
  let whole = 0;
  let cut = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const clock = createVirtualClock();
    const disk = createDisk(seed);
    const first = open(disk, clock);
    first.log.write({ group: 'control', entries: [entry(1, 'kept')] }, () => {});
    settle(clock);
    const large = Uint8Array.from({ length: 3_000 }, (_, at) => 1 + (at % 255));
    first.log.write({ group: 'control', entries: [entry(2, large), entry(3, 'x')] }, () =>
      assert.unreachable('not synced'),
    );
    clock.step();
    clock.step();
    disk.crash();
    const again = open(disk, createVirtualClock());
    const { lastIndex } = again.log.recovered('control');
    assert.ok(lastIndex === 1 || lastIndex === 3, `seed ${seed}: all of it or nothing, not up to ${lastIndex}`);
    if (lastIndex === 3) whole++;
    else cut += again.warnings.length;
  }
  assert.ok(whole > 5 && cut > 15, `${whole} whole, ${cut} cut`);
});

test('what was cut off the log no longer counts in the cache: it goes on holding what it may', () => {
  const clock = createVirtualClock();
  const { log } = open(createDisk(1), clock, { cacheBytes: 10_000 });
  const large = new Uint8Array(900).fill(7);
  log.write({ group: 'shard-0', entries: [entry(1, 'first')] }, () => {});
  for (let round = 0; round < 50; round++) {
    log.write({ group: 'shard-0', truncateAfter: 1, entries: [entry(2, large), entry(3, large)] }, () => {});
    settle(clock);
  }
  for (let at = 4; at <= 9; at++) log.write({ group: 'shard-0', entries: [entry(at, large)] }, () => {});
  settle(clock);
  // Eight entries of a kilobyte fit: all of them are answered at once.
  let answered = 0;
  for (let at = 2; at <= 9; at++) log.read('shard-0', at, at, 1, () => answered++);
  assert.is(answered, 8);
});

test('a full disk: nothing is acknowledged, the store is full, and goes on by itself when there is room', () => {
  const clock = createVirtualClock();
  const disk = createDisk(2);
  const { log, failures, warnings } = open(disk, clock);
  const synced: number[] = [];
  const write = (at: number) =>
    log.write({ group: 'control', entries: [entry(at, `${at}`.repeat(700))] }, () => synced.push(at));
  write(1);
  clock.advance(100);
  disk.faults.freeBytes = 100;
  for (let at = 2; at <= 20; at++) {
    write(at);
    clock.advance(100);
  }
  const before = [...synced];
  assert.ok(before.length < 20, 'what does not fit waits');
  assert.ok(log.full);
  assert.ok(log.pendingBytes > 0);
  clock.advance(10_000);
  assert.equal(synced, before);
  assert.equal(failures, []);
  assert.is(warnings.filter((line) => /is full: writes are refused/.test(line)).length, 1, warnings.join('\n'));
  // The process may end meanwhile: what was acknowledged is there.
  const image = disk.copy();
  const other = open(image, createVirtualClock()).log.recovered('control').lastIndex;
  assert.ok(other >= before.length);
  disk.faults.freeBytes = 1e12;
  clock.advance(3_000);
  assert.equal(
    synced,
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
  assert.not(log.full);
  assert.is(log.pendingBytes, 0);
  assert.is(readOne(log, clock, 'control', 20), '20'.repeat(700));
  disk.crash();
  assert.is(open(disk, createVirtualClock()).log.recovered('control').lastIndex, 20);
});

test('a hung disk is told by how long it has been at work; a full one is at work on nothing', () => {
  const clock = createVirtualClock();
  const disk = createDisk(6);
  const { log } = open(disk, clock, { segmentBytes: 1_000 });
  assert.is(log.busySince, null);
  let synced = 0;
  const write = (at: number) => log.write({ group: 'control', entries: [entry(at, 'x'.repeat(600))] }, () => synced++);
  for (const [at, fault] of [
    [1, 'a write'],
    [3, 'a segment that is created'],
  ] as const) {
    disk.faults.hang = true;
    const began = clock.monotonic();
    write(at);
    clock.advance(700);
    write(at + 1);
    clock.advance(700);
    const since = log.busySince ?? Number.NaN;
    assert.ok(since >= began && since < began + 10, `${fault}: since ${since}, not ${began}`);
    disk.faults.hang = false;
    clock.advance(100);
    assert.is(log.busySince, null, fault);
    assert.is(synced, at + 1);
  }
  disk.faults.freeBytes = 10;
  write(5);
  clock.advance(10_000);
  assert.is(log.busySince, null);
  assert.ok(log.full);
});

test('rolling over: a segment that cannot be created for want of space is tried again; any other error is told', () => {
  for (const fault of ['full', 'writes', 'syncs'] as const) {
    const clock = createVirtualClock();
    const disk = createDisk(3);
    const { log, failures } = open(disk, clock, { segmentBytes: 500, preallocateBytes: 0 });
    let synced = 0;
    log.write({ group: 'control', entries: [entry(1, 'x'.repeat(600))] }, () => synced++);
    clock.advance(100);
    if (fault === 'full') disk.faults.freeBytes = 10;
    else if (fault === 'writes') disk.faults.failWrites = true;
    else disk.faults.failSyncs = true;
    log.write({ group: 'control', entries: [entry(2, 'y'.repeat(600))] }, () => synced++);
    clock.advance(5_000);
    assert.is(synced, 1, fault);
    assert.is(failures.length, fault === 'full' ? 0 : 1, fault);
    Object.assign(disk.faults, { freeBytes: 1e12, failWrites: false, failSyncs: false });
    clock.advance(5_000);
    assert.is(synced, fault === 'full' ? 2 : 1, fault);
    disk.crash();
    const again = open(disk, createVirtualClock());
    assert.is(again.log.recovered('control').lastIndex, fault === 'full' ? 2 : 1);
  }
});

test('after a failed write or sync nothing is acknowledged, whatever is asked; closing still ends', () => {
  for (const fault of ['failWrites', 'failSyncs'] as const) {
    const clock = createVirtualClock();
    const disk = createDisk(4);
    const { log, failures } = open(disk, clock);
    disk.faults[fault] = true;
    const never = () => assert.unreachable('not durable');
    log.write({ group: 'control', entries: [entry(1, 'a')] }, never);
    settle(clock);
    disk.faults[fault] = false;
    log.write({ group: 'control', entries: [entry(2, 'b')] }, never);
    settle(clock);
    assert.is(failures.length, 1);
    assert.match(String(failures[0]), fault === 'failSyncs' ? /syncing .* failed/ : /writing to .* failed/);
    let closed = false;
    log.close(() => {
      closed = true;
    });
    settle(clock);
    assert.ok(closed);
  }
});

test('a bit that flips in the last batch, which was acknowledged, is not taken for an unfinished write', () => {
  const clock = createVirtualClock();
  const disk = createDisk(5);
  const { log } = open(disk, clock);
  log.write({ group: 'control', entries: [entry(1, 'one')] }, () => {});
  settle(clock);
  log.write({ group: 'control', entries: [entry(2, 'acknowledged')] }, () => {});
  settle(clock);
  const lastBatch = 36 + 28 + 4 + 12 + (9 + 12 + 17) + 3;
  for (let at = lastBatch; at < lastBatch + 28 + 4 + 12 + (9 + 12 + 17) + 12; at++) {
    const image = disk.copy();
    image.rot(SEGMENT, at, (byte) => byte ^ 0x10);
    const { log: found, warnings } = open(image, createVirtualClock());
    assert.not(found.recovered('control').sound, `byte ${at}`);
    assert.match(warnings[0] ?? '', /is damaged at byte/);
  }
});

test.run();
