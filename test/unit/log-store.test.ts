// The log store over a disk in memory: what was synced survives, nothing torn appears, damage is never taken for an unfinished write.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLog } from '../../src/actors/stores/log-store.ts';
import type { LogEntry, LogStore, LogWrite } from '../../src/actors/stores/log.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, GroupId } from '../../src/core/ids.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { encodeSegmentHeader } from '../../src/core/log-format.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { Clock } from '../../src/streams/clock.ts';
import { createClockView } from '../../src/streams/clock-view.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('log store');
const SEGMENT = '/log/00000001.log';
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);
const entry = (index: number, term: number, payload: string): LogEntry => ({
  index,
  term,
  kind: 'data',
  payload: bytes(payload),
});

function setUp(disk?: MemoryDisk, segmentBytes = 1 << 20) {
  const clock = createVirtualClock();
  const memory = disk ?? createMemoryDisk(clock);
  return { clock, disk: memory, open: () => reopen(memory, clock, segmentBytes) };
}

function reopen(disk: MemoryDisk, clock: Clock = createVirtualClock(), segmentBytes = 1 << 20) {
  const warnings: string[] = [];
  const failures: VedetteError[] = [];
  const log = openLog({
    disk,
    directory: '/log',
    clock,
    random: createRandom('log'),
    kernels: { crc32c, native: false },
    warn: (message) => warnings.push(message),
    failed: (error) => failures.push(error),
    // A memory disk tears at any byte; where zeros were written ahead, disks tear at sectors (log-disk.test.ts).
    options: { segmentBytes, preallocateBytes: 0 },
  });
  return { log, warnings, failures };
}

function settle(clock: ReturnType<typeof createVirtualClock>): void {
  for (let steps = 0; clock.step(); steps++) if (steps > 100_000) throw new Error('the clock never rests');
}

function read(log: LogStore, clock: ReturnType<typeof createVirtualClock>, group: GroupId): string[] {
  const { firstIndex, lastIndex } = log.recovered(group);
  const found: string[] = [];
  for (let at = firstIndex; at <= lastIndex; ) {
    let got: readonly LogEntry[] = [];
    log.read(group, at, lastIndex, 1 << 20, (error, entries) => {
      if (error !== null) throw error;
      got = entries;
    });
    settle(clock);
    for (const { index, term, payload } of got) found.push(`${index}/${term}:${text(payload)}`);
    at += got.length;
  }
  return found;
}

test('entries, truncations and hard state of several groups come back as they were', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  let synced = 0;
  log.write(
    { group: 'control', hard: { term: 3, votedFor: 'b-1' as BrokerId }, entries: [entry(1, 1, 'a'), entry(2, 3, 'b')] },
    () => synced++,
  );
  log.write({ group: 'shard-4', entries: [entry(1, 2, 'x')] }, () => synced++);
  log.write({ group: 'control', truncateAfter: 1, entries: [entry(2, 4, 'c')] }, () => synced++);
  assert.is(synced, 0, 'never synchronously');
  settle(clock);
  assert.is(synced, 3);
  disk.crash();
  const again = reopen(disk, clock);
  assert.equal(again.log.recovered('control').hard, { term: 3, votedFor: 'b-1' });
  assert.equal(read(again.log, clock, 'control'), ['1/1:a', '2/4:c']);
  assert.equal(read(again.log, clock, 'shard-4'), ['1/2:x']);
  assert.is(again.log.recovered('shard-9').lastIndex, 0);
  assert.equal(again.warnings, []);
});

test('writes of one turn share one sync', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  settle(clock);
  const before = disk.size(SEGMENT);
  for (let at = 1; at <= 64; at++) log.write({ group: 'shard-0', entries: [entry(at, 1, 'x'.repeat(100))] }, () => {});
  settle(clock);
  assert.is(
    disk.size(SEGMENT) - before,
    28 + 4 + 12 + 64 * (9 + 12 + 17) + 64 * 100,
    'one header, one table of groups',
  );
});

test('a torn last batch is cut off at every byte, and said; what was synced before it stays', () => {
  const whole = setUp();
  const first = whole.open();
  first.log.write({ group: 'control', entries: [entry(1, 1, 'kept')] }, () => {});
  settle(whole.clock);
  const start = whole.disk.size(SEGMENT);
  first.log.write({ group: 'control', entries: [entry(2, 1, 'torn'), entry(3, 1, 'torn too')] }, () =>
    assert.unreachable('not synced'),
  );
  // The write is under way, not its sync.
  whole.clock.step();
  const length = whole.disk.size(SEGMENT) - start;
  assert.ok(length > 50);
  for (let kept = 0; kept <= length; kept++) {
    const { clock, disk } = setUp(whole.disk.copy());
    const image = disk.copy();
    const file = image.open(SEGMENT, 'readWrite');
    file.truncateSync(start + kept);
    const { log, warnings } = reopen(image, clock);
    assert.equal(read(log, clock, 'control').slice(0, 1), ['1/1:kept']);
    assert.is(log.recovered('control').lastIndex, kept === length ? 3 : 1);
    assert.is(warnings.length, kept === 0 || kept === length ? 0 : 1);
    // It can be written on, and read back.
    const next = log.recovered('control').lastIndex + 1;
    log.write({ group: 'control', entries: [entry(next, 2, 'after')] }, () => {});
    settle(clock);
    const again = reopen(image, clock);
    assert.is(read(again.log, clock, 'control').at(-1), `${next}/2:after`);
  }
});

test('opening: foreign, newer and renamed segments, and an unfinished creation', () => {
  const refused = (spoil: (disk: MemoryDisk) => void, code: string, words: RegExp) => {
    const { clock, disk, open } = setUp(undefined, 200);
    const { log } = open();
    for (let at = 1; at <= 6; at++) {
      log.write({ group: 'control', entries: [entry(at, 1, 'x'.repeat(80))] }, () => {});
      settle(clock);
    }
    spoil(disk);
    assert.throws(
      () => reopen(disk),
      (error: unknown) => error instanceof VedetteError && error.code === code && words.test(error.message),
    );
  };
  const overwrite = (contents: Uint8Array) => (disk: MemoryDisk) =>
    disk.open(SEGMENT, 'readWrite').writeSync(contents, 0);
  const newer = encodeSegmentHeader({ storeId: new Uint8Array(16), number: 1 });
  new DataView(newer.buffer).setUint32(8, 99, true);
  new DataView(newer.buffer).setUint32(32, crc32c(newer.subarray(0, 32)), true);
  refused(
    overwrite(bytes('another file, which has nothing to do with it')),
    'FAILED_PRECONDITION',
    /not a segment of a vedette log/,
  );
  refused(overwrite(newer), 'FAILED_PRECONDITION', /written by a newer version/);
  refused((disk) => disk.rename('/log/00000002.log', '/log/00000009.log'), 'DATA_LOSS', /it was renamed/);

  const { clock, disk, open } = setUp();
  const { log } = open();
  log.write({ group: 'control', entries: [entry(1, 1, 'a')] }, () => {});
  settle(clock);
  disk.open('/log/00000002.log', 'create').writeSync(bytes('VEDLO'), 0);
  const again = reopen(disk, clock);
  assert.is(again.warnings.length, 1);
  assert.equal(read(again.log, clock, 'control'), ['1/1:a']);
});

test('a failed sync is told once, and nothing is called back after it', () => {
  const { clock, disk, open } = setUp();
  const { log, failures } = open();
  disk.failSync = true;
  log.write({ group: 'control', entries: [entry(1, 1, 'a')] }, () => assert.unreachable('not durable'));
  settle(clock);
  log.write({ group: 'control', entries: [entry(2, 1, 'b')] }, () => assert.unreachable('not durable'));
  settle(clock);
  assert.is(failures.length, 1);
});

test('a disk below the reserve is full until there is room', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  assert.not(log.full);
  disk.freeBytes = 1024;
  clock.advance(2_000);
  assert.ok(log.full);
  disk.freeBytes = 2 ** 40;
  clock.advance(2_000);
  assert.not(log.full);
});

test('a gap, or an index taken twice, is refused at once, whether the entries before it were noted yet or not', () => {
  const { clock, open } = setUp();
  const { log } = open();
  const write = (index: number) => log.write({ group: 'shard-0', entries: [entry(index, 1, `${index}`)] }, () => {});
  write(1);
  write(2);
  assert.throws(() => write(4), /entry 3 comes next, not 4/);
  assert.throws(() => write(2), /entry 3 comes next, not 2/);
  settle(clock);
  write(3);
  log.write({ group: 'shard-0', truncateAfter: 1 }, () => {});
  assert.throws(() => write(4), /entry 2 comes next, not 4/);
  write(2);
  log.read('shard-0', 1, 2, 100, (_, entries) =>
    assert.equal(
      entries.map(({ index }) => index),
      [1, 2],
    ),
  );
});

test('entries that left the memory are read from disk, checked', () => {
  const { clock, disk } = setUp();
  const log = openLog({
    disk,
    directory: '/log',
    clock,
    random: createRandom('cache'),
    kernels: { crc32c, native: false },
    warn: () => {},
    failed: assert.unreachable,
    options: { cacheBytes: 1_000 },
  });
  for (let at = 1; at <= 50; at++) {
    log.write({ group: 'shard-1', entries: [entry(at, 1, `${at} `.repeat(40))] }, () => {});
    settle(clock);
  }
  let got: readonly LogEntry[] = [];
  let synchronous = true;
  log.read('shard-1', 2, 50, 100_000, (error, entries) => {
    assert.is(error, null);
    got = entries;
    assert.not(synchronous);
  });
  synchronous = false;
  settle(clock);
  assert.is(got[0]?.index, 2);
  assert.is(text(got[0]?.payload ?? bytes('')), '2 '.repeat(40));
  disk.damage(SEGMENT, 36 + 28 + 4 + 12 + 9 + 12 + 17 + 5, (byte) => byte ^ 1);
  let failure: Error | null = null;
  log.read('shard-1', 1, 1, 100_000, (error) => {
    failure = error;
  });
  settle(clock);
  assert.match(String(failure), /does not have its checksum/);
});

test('compaction: what a snapshot holds is forgotten, also after a restart; an installed snapshot leaves an empty log behind it', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  const compact = (index: number, term: number) =>
    log.write({ group: 'shard-0', compactTo: { index, term } }, () => {});
  log.write({ group: 'shard-0', entries: [1, 2, 3, 4, 5].map((at) => entry(at, at < 3 ? 1 : 2, `${at}`)) }, () => {});
  compact(2, 1);
  compact(1, 1);
  settle(clock);
  assert.throws(() => log.read('shard-0', 2, 3, 1_000, () => assert.unreachable('it is gone')), /not in the log/);
  const held = reopen(disk.copy(), clock);
  assert.equal(held.log.recovered('shard-0'), {
    isNew: false,
    hard: { term: 0, votedFor: null },
    sound: true,
    configurations: [],
    firstIndex: 3,
    previousTerm: 1,
    runs: [{ first: 3, term: 2 }],
    lastIndex: 5,
  });
  assert.equal(read(held.log, clock, 'shard-0'), ['3/2:3', '4/2:4', '5/2:5']);
  // Beyond the end, and of another term than the entry there: both are snapshots that were installed.
  for (const [index, term] of [
    [9, 4],
    [4, 3],
  ] as const) {
    const image = disk.copy();
    const installed = reopen(image, clock).log;
    installed.write(
      { group: 'shard-0', compactTo: { index, term }, entries: [entry(index + 1, term + 1, 'behind')] },
      () => {},
    );
    settle(clock);
    const again = reopen(image, clock);
    const { firstIndex, previousTerm, lastIndex } = again.log.recovered('shard-0');
    assert.equal([firstIndex, previousTerm, lastIndex], [index + 1, term, index + 1]);
    assert.equal(read(again.log, clock, 'shard-0'), [`${index + 1}/${term + 1}:behind`]);
  }
});

test('hundreds of entries: compaction within and across the pieces in which their places are kept', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  const entries = Array.from({ length: 1_000 }, (_, at) => entry(at + 1, 1, `${at + 1}`));
  log.write({ group: 'shard-0', entries }, () => {});
  settle(clock);
  for (const [through, cut] of [
    [1, 1_000],
    [255, 990],
    [256, 990],
    [700, 900],
    [900, 900],
  ] as const) {
    log.write({ group: 'shard-0', compactTo: { index: through, term: 1 }, truncateAfter: cut }, () => {});
    settle(clock);
    const again = reopen(disk.copy(), clock);
    const expected = Array.from({ length: cut - through }, (_, at) => `${through + at + 1}/1:${through + at + 1}`);
    assert.equal(read(again.log, clock, 'shard-0'), expected);
  }
  log.write({ group: 'shard-0', entries: [entry(901, 1, 'on')] }, () => {});
  settle(clock);
  assert.equal(read(reopen(disk.copy(), clock).log, clock, 'shard-0'), ['901/1:on']);
});

test('configurations in the log, and whether a group is sound, come back as they were written', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  const configuration = (index: number, payload: string): LogEntry => ({
    ...entry(index, 1, payload),
    kind: 'configuration',
  });
  const found = () => {
    settle(clock);
    const { sound, configurations } = reopen(disk.copy(), clock).log.recovered('control');
    return [sound, ...configurations.map(({ index, payload }) => `${index}:${text(payload)}`)];
  };
  log.write({ group: 'control', sound: false, entries: [configuration(1, 'a'), entry(2, 1, 'x')] }, () => {});
  assert.equal(found(), [false, '1:a']);
  log.write({ group: 'control', entries: [configuration(3, 'b'), configuration(4, 'c')] }, () => {});
  log.write({ group: 'control', truncateAfter: 3 }, () => {});
  assert.equal(found(), [false, '1:a', '3:b']);
  log.write({ group: 'control', sound: true, compactTo: { index: 2, term: 1 } }, () => {});
  assert.equal(found(), [true, '3:b']);
  assert.equal(reopen(disk, clock).log.recovered('shard-0').sound, true);
});

test('a group that is forgotten: no entry is left, its term and vote are, it is unsound, and begins anew at its first entry', () => {
  const { clock, disk, open } = setUp();
  const { log } = open();
  const hard = { term: 7, votedFor: 'b' as BrokerId };
  log.write({ group: 'shard-0', hard, entries: [entry(1, 7, 'one'), entry(2, 7, 'two')] }, () => {});
  log.write({ group: 'shard-1', entries: [entry(1, 1, 'other')] }, () => {});
  settle(clock);
  log.write({ group: 'shard-0', compactTo: { index: 1, term: 7 }, entries: [entry(3, 7, 'on its way')] }, () => {});
  let synced = 0;
  log.write({ group: 'shard-0', forget: true }, () => synced++);
  const afterwards = {
    isNew: false,
    sound: false,
    hard,
    firstIndex: 1,
    previousTerm: 0,
    lastIndex: 0,
    runs: [],
    configurations: [],
  };
  assert.equal(log.recovered('shard-0'), afterwards);
  settle(clock);
  assert.is(synced, 1);
  const again = reopen(disk.copy(), clock).log;
  assert.equal(again.recovered('shard-0'), afterwards);
  assert.equal(again.groups, ['shard-1']);
  log.write({ group: 'shard-0', entries: [entry(1, 8, 'anew')] }, () => {});
  settle(clock);
  const third = reopen(disk, clock).log;
  assert.equal(third.groups, ['shard-0', 'shard-1']);
  assert.equal(read(third, clock, 'shard-0'), ['1/8:anew']);
  assert.is(third.recovered('shard-0').sound, false);
});

/** First index, and what the log holds from there on. */
interface Held {
  readonly first: number;
  readonly entries: readonly string[];
}
interface Model {
  entries: Map<GroupId, Held>;
}
const NOTHING: Held = { first: 1, entries: [] };

const termOf = (written: string | undefined): number => Number(written?.split('/')[1]?.split(':')[0]);

/** One dies while it makes a segment, and again before the next one is made. */
const diedMakingASegment = [
  { group: 'shard-1', append: 2, compact: 0, cut: 0, settle: true, crashKeeping: null },
  { group: 'shard-1', append: 3, compact: 0, cut: 1, settle: false, crashKeeping: null },
  { group: 'control', append: 0, compact: 0, cut: 0, settle: true, crashKeeping: null },
  { group: 'shard-1', append: 0, compact: 2, cut: 2, settle: false, crashKeeping: 86 },
  { group: 'control', append: 0, compact: 0, cut: 0, settle: false, crashKeeping: 0 },
  { group: 'control', append: 0, compact: 0, cut: 0, settle: false, crashKeeping: null },
  { group: 'control', append: 0, compact: 0, cut: 0, settle: false, crashKeeping: null },
] as const;

test('random writes, truncations, compactions, crashes: what was called synced survives, in order, and nothing else but a prefix of the rest', () => {
  const operation = fc.record({
    group: fc.constantFrom<GroupId>('control', 'shard-0', 'shard-1'),
    append: fc.integer({ min: 0, max: 3 }),
    compact: fc.integer({ min: 0, max: 2 }),
    cut: fc.integer({ min: 0, max: 2 }),
    settle: fc.boolean(),
    crashKeeping: fc.option(fc.integer({ min: 0, max: 400 }), { nil: null, freq: 6 }),
  });
  const seed = Date.now() & 0x7fffffff;
  process.stdout.write(`seed ${seed}\n`);
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const clock = createVirtualClock();
      const disk = createMemoryDisk(clock);
      // Of a process that is dead nothing goes on, not even the making of a file.
      let life = createClockView(clock);
      let { log } = reopen(disk, life, 400);
      // States after each write, oldest first; the first is durable for sure.
      let states: Model[] = [{ entries: new Map() }];
      let durable = 0;
      let term = 1;
      for (const { group, append, compact, cut, settle: wait, crashKeeping } of operations) {
        term++;
        const now = new Map(states.at(-1)?.entries);
        const before = now.get(group) ?? NOTHING;
        const gone = Math.min(compact, before.entries.length);
        const first = before.first + gone;
        const behind = before.entries.slice(gone);
        const kept = behind.slice(0, Math.max(0, behind.length - cut));
        const end = first + kept.length - 1;
        const added = Array.from({ length: append }, (_, at) => entry(end + at + 1, term, `${term}.${at}`));
        const write: LogWrite = {
          group,
          ...(gone > 0 ? { compactTo: { index: first - 1, term: termOf(before.entries[gone - 1]) } } : {}),
          ...(kept.length < behind.length ? { truncateAfter: end } : {}),
          entries: added,
        };
        const written = added.map(({ index, term: of, payload }) => `${index}/${of}:${text(payload)}`);
        now.set(group, { first, entries: [...kept, ...written] });
        const number = states.length;
        states.push({ entries: now });
        log.write(write, () => {
          durable = Math.max(durable, number);
        });
        if (wait) settle(clock);
        else clock.step();
        if (crashKeeping === null) continue;
        life.revoke();
        disk.crash(crashKeeping);
        life = createClockView(clock);
        ({ log } = reopen(disk, life, 400));
        const found = JSON.stringify(
          (['control', 'shard-0', 'shard-1'] as const).map((name) => ({
            first: log.recovered(name).firstIndex,
            entries: read(log, clock, name),
          })),
        );
        const at = states.findIndex(
          ({ entries }, index) =>
            index >= durable &&
            JSON.stringify((['control', 'shard-0', 'shard-1'] as const).map((name) => entries.get(name) ?? NOTHING)) ===
              found,
        );
        assert.ok(at >= durable, `after a crash the log is none of the states from ${durable} on: ${found}`);
        states = [states[at] ?? { entries: new Map() }];
        durable = 0;
      }
    }),
    { numRuns: 150, seed, examples: [[[...diedMakingASegment]]] },
  );
});

test.run();
