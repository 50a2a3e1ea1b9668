// Old segments go: in order, durably, and not before nobody needs them; a slow group's entries are copied out of them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLatency } from '../../scenarios/engine/sim/latency.ts';
import { createSimDisk, type SimDisk } from '../../scenarios/engine/sim/sim-disk.ts';
import type { LogStore } from '../../src/actors/stores/log.ts';
import { groupFromNumber } from '../../src/core/ids.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';
import {
  entriesIn,
  entryOf,
  type LogOptions,
  openLogOn,
  put,
  recoveredEntries,
  segmentPath,
  settle,
} from '../support/logs.ts';
import { createMemoryDisk } from '../support/memory-disk.ts';

const test = suite('log cleaner');
const SEGMENT_BYTES = 16 * 1024;
const OPTIONS: LogOptions = { segmentBytes: SEGMENT_BYTES, copyBytes: 2_000, cacheBytes: 1_000, spareSegments: 2 };

function createDisk(seed: number): SimDisk {
  const random = createRandom(seed);
  const options = { store: 'log', segmentBytes: 0, cacheBytes: 0, syncMinMs: 1, syncMeanMs: 0 } as const;
  return createSimDisk(random.fork('crashes'), createLatency(random.fork('latency'), options));
}

const segmentsOn = (disk: SimDisk, clock: VirtualClock): string[] =>
  disk
    .mount(clock)
    .list('/log')
    .filter((name) => name.endsWith('.log'));

const payload = (index: number) => `${index} `.repeat(30);

/** Entry `index` to each of `count` groups; all but group 1 compact behind it. */
function round(log: LogStore, index: number, count: number): void {
  for (let number = 0; number < count; number++) {
    const group = groupFromNumber(number);
    const entries = [entryOf(index, payload(index))];
    log.write({ group, ...(number === 1 ? {} : { compactTo: { index: index - 1, term: 1 } }), entries }, () => {});
  }
}

/** Many segments' worth of entries, each of which makes the one before superfluous. */
function busyControlGroup(log: LogStore, clock: VirtualClock): void {
  for (let index = 1; index <= 2_000; index++) {
    log.write(
      { group: 'control', compactTo: { index: index - 1, term: 1 }, entries: [entryOf(index, payload(index))] },
      () => {},
    );
    if (index % 10 === 0) settle(clock);
  }
  settle(clock);
}

test('32 groups, of which one is slow: segments do not pile up, and nothing is lost', () => {
  const clock = createVirtualClock();
  const disk = createDisk(1);
  const { log } = openLogOn(disk.mount(clock), clock, OPTIONS);
  let most = 0;
  const ROUNDS = 200;
  for (let index = 1; index <= ROUNDS; index++) {
    round(log, index, 32);
    settle(clock);
    most = Math.max(most, segmentsOn(disk, clock).length);
  }
  const live = ROUNDS * (payload(ROUNDS).length + 17);
  const written = 32 * live;
  assert.ok(written > 30 * SEGMENT_BYTES, 'there was something to let go');
  assert.ok(most <= Math.ceil((3 * live) / SEGMENT_BYTES) + 4, `${most} segments for ${live} bytes in the log`);
  assert.not(segmentsOn(disk, clock).includes('00000001.log'));
  disk.crash();
  const again = openLogOn(disk.mount(clock), clock, OPTIONS);
  assert.equal(again.warnings, []);
  for (let number = 0; number < 32; number++) assert.ok(again.log.recovered(groupFromNumber(number)).sound);
  const expected = Array.from({ length: ROUNDS }, (_, at) => `${at + 1}/1:${payload(at + 1)}`);
  assert.equal(recoveredEntries(again.log, clock, 'shard-0'), expected);
});

test('who belongs to a group is known again, when the entry that says it lies in a copy only', () => {
  const clock = createVirtualClock();
  const disk = createDisk(6);
  const { log } = openLogOn(disk.mount(clock), clock, OPTIONS);
  const configuration = { ...entryOf(2, 'who belongs to it'), kind: 'configuration' } as const;
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'a'), configuration, entryOf(3, 'b')] });
  busyControlGroup(log, clock);
  assert.not(segmentsOn(disk, clock).includes('00000001.log'), 'the original has gone');
  const known = [{ index: 2, payload: configuration.payload }];
  const again = openLogOn(disk.copy().mount(clock), clock, OPTIONS).log;
  assert.equal(again.recovered('shard-0').configurations, known);
});

test('a quiet group pins nothing: its hard state goes with each segment', () => {
  const clock = createVirtualClock();
  const disk = createDisk(2);
  const { log } = openLogOn(disk.mount(clock), clock, OPTIONS);
  put(log, clock, { group: 'shard-5', hard: { term: 9, votedFor: null }, sound: false, entries: [entryOf(1, 'a', 3)] });
  put(log, clock, { group: 'shard-5', compactTo: { index: 1, term: 3 } });
  put(log, clock, { group: 'shard-6', entries: [entryOf(1, 'kept', 2)] });
  busyControlGroup(log, clock);
  assert.ok(segmentsOn(disk, clock).length <= 4, segmentsOn(disk, clock).join(' '));
  const again = openLogOn(disk.copy().mount(clock), clock, OPTIONS).log;
  assert.equal(again.recovered('shard-5'), {
    isNew: false,
    hard: { term: 9, votedFor: null },
    sound: false,
    firstIndex: 2,
    previousTerm: 3,
    lastIndex: 1,
    runs: [],
    configurations: [],
  });
  assert.equal(recoveredEntries(again, clock, 'shard-6'), ['1/2:kept']);
});

test('a group that was forgotten pins nothing', () => {
  const clock = createVirtualClock();
  const disk = createDisk(2);
  const { log } = openLogOn(disk.mount(clock), clock, OPTIONS);
  for (let index = 1; index <= 20; index++)
    log.write({ group: 'shard-5', entries: [entryOf(index, payload(index))] }, () => {});
  put(log, clock, { group: 'shard-5', forget: true });
  busyControlGroup(log, clock);
  assert.not(segmentsOn(disk, clock).includes('00000001.log'));
  const again = openLogOn(disk.copy().mount(clock), clock, OPTIONS).log;
  assert.equal(again.groups, ['control']);
  assert.is(again.recovered('shard-5').sound, false);
});

test('a crash at any moment of copying and removing: all that was durable is there, and everyone is sound', () => {
  let copied = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const clock = createVirtualClock();
    const disk = createDisk(seed);
    const { log } = openLogOn(disk.mount(clock), clock, { ...OPTIONS, segmentBytes: 2_500, spareSegments: 1 });
    const random = createRandom(`steps ${seed}`);
    let durable = 0;
    for (let index = 1; index <= 60; index++) {
      round(log, index, 4);
      log.write({ group: 'shard-7', hard: { term: index, votedFor: null } }, () => {
        durable = index;
      });
      for (let steps = random.integer(0, 30); steps > 0; steps--) clock.step();
      if (durable > 20 && random.next() < 0.05) break;
    }
    disk.crash();
    const life = createVirtualClock();
    if (!segmentsOn(disk, life).includes('00000001.log')) copied++;
    const { log: again, warnings } = openLogOn(disk.mount(life), life, OPTIONS);
    for (let number = 0; number < 4; number++) {
      const group = groupFromNumber(number);
      const { sound, firstIndex, lastIndex } = again.recovered(group);
      assert.ok(sound, `seed ${seed}: ${group}: ${warnings.join('; ')}`);
      assert.ok(lastIndex >= durable, `seed ${seed}: ${group} ends at ${lastIndex}, ${durable} are durable`);
      const expected = Array.from({ length: lastIndex - firstIndex + 1 }, (_, at) => firstIndex + at);
      assert.equal(
        recoveredEntries(again, life, group),
        expected.map((index) => `${index}/1:${payload(index)}`),
      );
      if (number === 1) assert.is(firstIndex, 1, 'the slow one has everything');
    }
    assert.ok(again.recovered('shard-7').hard.term >= durable);
  }
  assert.ok(copied > 12, `in ${copied} of 40 runs the first segment had gone`);
});

test('a segment stays until that is durable which makes it superfluous', () => {
  for (let steps = 0; steps < 25; steps++) {
    const clock = createVirtualClock();
    const disk = createMemoryDisk(clock);
    const { log } = openLogOn(disk, clock, { segmentBytes: 900, spareSegments: 100 });
    put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'needed')] });
    for (let index = 1; index <= 4; index++)
      put(log, clock, { group: 'control', entries: [entryOf(index, 'x'.repeat(1_000))] });
    put(log, clock, { group: 'control', hard: { term: 1, votedFor: null } });
    // One batch is on its way, and makes the log look for what can go; the next one has not begun.
    log.write({ group: 'control', compactTo: { index: 3, term: 1 } }, () => {});
    clock.step();
    log.write({ group: 'shard-0', compactTo: { index: 1, term: 1 } }, () => {});
    for (let step = 0; step < steps; step++) clock.step();
    disk.crash();
    const { log: again, warnings } = openLogOn(disk, clock);
    assert.ok(again.recovered('shard-0').sound, `after ${steps} steps: ${warnings.join('; ')}`);
    assert.is(again.recovered('shard-0').lastIndex, 1);
  }
});

test('an entry that cannot be read names its file and place; its segment stays, and the others go on', () => {
  const clock = createVirtualClock();
  const disk = createDisk(3);
  const { log, warnings, failures } = openLogOn(disk.mount(clock), clock, OPTIONS);
  round(log, 1, 4);
  settle(clock);
  const mount = disk.mount(clock);
  const bytes = mount.open(segmentPath(1), 'read').readSync(0, SEGMENT_BYTES);
  const at = new TextDecoder('latin1').decode(bytes).indexOf(payload(1));
  for (let index = 2; index <= 20; index++) round(log, index, 4);
  settle(clock);
  // Each group's first entry: the slow one's is among them.
  for (let copy = 0; copy < 4; copy++) disk.rot(segmentPath(1), at + copy * payload(1).length + 2, (byte) => byte ^ 1);
  let failure: unknown = null;
  log.read('shard-0', 1, 20, 1 << 20, (error) => {
    failure = error;
  });
  settle(clock);
  assert.match(String(failure), /00000001\.log is damaged at byte \d+: entry 1 does not have its checksum/);
  for (let index = 21; index <= 400; index++) {
    round(log, index, 4);
    if (index % 5 === 0) settle(clock);
  }
  settle(clock);
  assert.ok(segmentsOn(disk, clock).includes('00000001.log'));
  assert.is(warnings.filter((line) => /shard-0 keeps old segments of the log/.test(line)).length, 1);
  assert.equal(failures, []);
  assert.is(entriesIn(log, clock, 'shard-0', 2, 400).length, 399);
  assert.is(openLogOn(disk.copy().mount(clock), clock, OPTIONS).log.recovered('shard-0').sound, false);
});

test('closing in the midst of it, also when the disk is full: it ends, and what was durable is there afterwards', () => {
  for (let steps = 0; steps < 300; steps += 13) {
    const clock = createVirtualClock();
    const disk = createDisk(steps + 1);
    const { log } = openLogOn(disk.mount(clock), clock, { ...OPTIONS, segmentBytes: 2_500, spareSegments: 1 });
    let durable = 0;
    for (let index = 1; index <= 40; index++) {
      round(log, index, 4);
      log.write({ group: 'shard-7', hard: { term: index, votedFor: null } }, () => {
        durable = index;
      });
      for (let step = 0; step < 8; step++) clock.step();
    }
    const isFull = steps % 2 === 1;
    if (isFull) disk.faults.freeBytes = 0;
    for (let step = 0; step < steps; step++) clock.step();
    let closed = false;
    log.close(() => {
      closed = true;
    });
    settle(clock);
    assert.ok(closed, `after ${steps} steps`);
    if (!isFull) assert.is(durable, 40);
    const again = openLogOn(disk.mount(clock), clock, OPTIONS).log;
    assert.ok(again.recovered('shard-0').lastIndex >= durable);
    assert.ok(again.recovered('shard-0').sound);
  }
});

test.run();
