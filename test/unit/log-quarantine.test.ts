// Damage that no unfinished write can leave: the groups that may have lost something are unsound, and stay so until a write says
// otherwise; the others go on; nothing that was damaged is thrown away.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogStore } from '../../src/actors/stores/log.ts';
import type { BrokerId, GroupId } from '../../src/core/ids.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';
import { entryOf, openLogOn, put, recoveredEntries, segmentPath, settle } from '../support/logs.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('log quarantine');
const HEADER = 36;
const flip = (byte: number): number => byte ^ 0x40;

interface Scene {
  readonly clock: VirtualClock;
  readonly disk: MemoryDisk;
  readonly log: LogStore;
  /** Where the next batch begins, in the last segment. */
  end(): number;
}

function scene(segmentBytes = 1 << 20): Scene {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  // Nothing is copied: damage is where it was put.
  const { log } = openLogOn(disk, clock, { segmentBytes, spareSegments: 100 });
  const last = () => disk.list('/log').filter((name) => name.endsWith('.log')).length;
  return { clock, disk, log, end: () => disk.size(segmentPath(last())) };
}

/** 'sound first…last', or 'unsound …'. */
function verdict(log: LogStore, group: GroupId): string {
  const { sound, firstIndex, lastIndex } = log.recovered(group);
  return `${sound ? 'sound' : 'unsound'} ${firstIndex}…${lastIndex}`;
}

/** Opens a copy twice: both must come to the same verdicts. @returns the second one. */
function reopened({ disk, clock }: Pick<Scene, 'disk' | 'clock'>, groups: readonly GroupId[]) {
  const first = openLogOn(disk, clock);
  const found = groups.map((group) => verdict(first.log, group));
  const second = openLogOn(disk, clock);
  assert.equal(
    groups.map((group) => verdict(second.log, group)),
    found,
  );
  return { found, log: second.log, warnings: first.warnings, again: second.warnings };
}

/** Three batches: both groups, then one of them, then both again. @returns where the middle one begins, and where it ends. */
function threeBatches({ log, clock, end }: Scene): readonly [number, number] {
  put(log, clock, { group: 'control', hard: { term: 1, votedFor: null }, entries: [entryOf(1, 'one')] });
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'one')] });
  const begin = end();
  put(log, clock, { group: 'control', entries: [entryOf(2, 'two')] });
  const behind = end();
  log.write({ group: 'shard-0', entries: [entryOf(2, 'two')] }, () => {});
  put(log, clock, {
    group: 'control',
    hard: { term: 7, votedFor: 'b-2' as BrokerId },
    entries: [entryOf(3, 'three')],
  });
  return [begin, behind];
}

test('a damaged batch in the middle: who is in it is unsound, with its beginning and the newest hard state; who goes on behind it is sound', () => {
  const whole = scene();
  const [begin, behind] = threeBatches(whole);
  for (let at = begin; at < behind; at++) {
    const disk = whole.disk.copy();
    disk.damage(segmentPath(1), at, flip);
    const { clock } = whole;
    const { found, log, warnings } = reopened({ disk, clock }, ['control', 'shard-0']);
    assert.equal(found, ['unsound 1…1', 'sound 1…2'], `byte ${at}`);
    assert.equal(log.recovered('control').hard, { term: 7, votedFor: 'b-2' });
    assert.equal(recoveredEntries(log, clock, 'control'), ['1/1:one']);
    assert.equal(recoveredEntries(log, clock, 'shard-0'), ['1/1:one', '2/1:two']);
    assert.ok(warnings.some((line) => line.includes(`${segmentPath(1)} is damaged at byte ${begin}`)));
    assert.ok(warnings.some((line) => /records of .*control.* may be lost/.test(line)));
  }
});

test('a group that is never written behind the damage cannot be told: it is unsound, and so is one that was never seen', () => {
  const { clock, disk, log, end } = scene();
  put(log, clock, { group: 'shard-1', entries: [entryOf(1, 'quiet')] });
  const begin = end();
  put(log, clock, { group: 'control', entries: [entryOf(1, 'one')] });
  put(log, clock, { group: 'control', entries: [entryOf(2, 'two')] });
  disk.damage(segmentPath(1), begin + 2, flip);
  const { found } = reopened({ disk, clock }, ['control', 'shard-1', 'shard-9']);
  assert.equal(found, ['unsound 1…0', 'unsound 1…1', 'unsound 1…0']);
});

test('damage to a payload concerns the group that it belongs to, and no other in the same batch', () => {
  const { clock, disk, log, end } = scene();
  log.write({ group: 'control', entries: [entryOf(1, 'of the control group')] }, () => {});
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'a'), entryOf(2, 'of the shard')] });
  disk.damage(segmentPath(1), end() - 1, flip);
  const { found, log: again } = reopened({ disk, clock }, ['control', 'shard-0', 'shard-9']);
  assert.equal(found, ['sound 1…1', 'unsound 1…1', 'sound 1…0']);
  assert.equal(recoveredEntries(again, clock, 'shard-0'), ['1/1:a']);
});

test('a damaged payload that had left the log by then is no loss', () => {
  const { clock, disk, log, end } = scene();
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'to be cut off')] });
  const at = end() - 1;
  put(log, clock, { group: 'shard-0', truncateAfter: 0, entries: [entryOf(1, 'instead', 2)] });
  disk.damage(segmentPath(1), at, flip);
  const { found, log: again, again: warnings } = reopened({ disk, clock }, ['shard-0']);
  assert.equal(found, ['sound 1…1']);
  assert.equal(recoveredEntries(again, clock, 'shard-0'), ['1/2:instead']);
  assert.is(warnings.length, 1, 'the damage is said at each opening');
});

/** Several segments; the control group is in each, the shard in the first one and the last. */
function severalSegments(): Scene & { readonly count: number } {
  const made = scene(300);
  const { log, clock, disk } = made;
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'one')] });
  for (let at = 1; at <= 8; at++) put(log, clock, { group: 'control', entries: [entryOf(at, 'x'.repeat(150))] });
  put(log, clock, { group: 'shard-0', entries: [entryOf(2, 'two')] });
  return { ...made, count: disk.list('/log').length };
}

test('damage in an earlier segment: the next one tells where every group stood, also those that are quiet', () => {
  const { clock, disk, count } = severalSegments();
  assert.ok(count >= 4, `${count} segments`);
  disk.damage(segmentPath(2), HEADER + 4, flip);
  const { found } = reopened({ disk, clock }, ['control', 'shard-0', 'shard-9']);
  assert.match(found[0] ?? '', /^unsound 1…[12]$/);
  assert.equal(found.slice(1), ['sound 1…2', 'sound 1…0']);
});

test('the state of all groups is damaged: who wrote nothing in that batch goes on, and the segment begins no log', () => {
  const { clock, disk, log } = scene(2_000);
  put(log, clock, { group: 'shard-1', entries: [entryOf(1, 'first')] });
  put(log, clock, { group: 'control', entries: [entryOf(1, 'x'.repeat(2_000))] });
  put(log, clock, { group: 'control', truncateAfter: 0, entries: [entryOf(1, 'short', 2)] });
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'here')] });
  put(log, clock, { group: 'control', entries: [entryOf(2, 'x'.repeat(2_000), 2)] });
  put(log, clock, { group: 'control', hard: { term: 3, votedFor: null } });
  disk.damage(segmentPath(2), HEADER + 1, flip);
  const { found } = reopened({ disk, clock }, ['control', 'shard-0', 'shard-9']);
  assert.equal(found, ['unsound 1…0', 'sound 1…1', 'sound 1…0']);
  const opened = openLogOn(disk, clock).log;
  put(opened, clock, { group: 'control', compactTo: { index: 2, term: 2 }, sound: true });
  put(opened, clock, { group: 'shard-1', compactTo: { index: 1, term: 1 } });
  assert.ok(disk.exists(segmentPath(1)), 'without it nobody could tell what shard-0 has in the second one');
  assert.is(verdict(openLogOn(disk, clock).log, 'shard-0'), 'sound 1…1');
  put(opened, clock, { group: 'shard-0', compactTo: { index: 1, term: 1 } });
  assert.equal(
    disk.list('/log').filter((name) => name <= '00000003'),
    ['00000002.log.damaged'],
  );
});

test("a damaged header: batches are known by themselves, whatever byte of it it is; the magic's too", () => {
  const whole = severalSegments();
  for (const segment of [1, 2, whole.count]) {
    for (let at = 0; at < HEADER; at++) {
      const disk = whole.disk.copy();
      disk.damage(segmentPath(segment), at, flip);
      const { found, warnings } = reopened({ disk, clock: whole.clock }, ['control', 'shard-0']);
      assert.equal(found, ['sound 1…8', 'sound 1…2'], `segment ${segment}, byte ${at}`);
      assert.match(warnings[0] ?? '', /its header cannot be read/);
    }
  }
});

test('a missing segment, and one that was cut short: who had something in it is unsound', () => {
  const whole = severalSegments();
  const missing = whole.disk.copy();
  missing.remove(segmentPath(2));
  const gap = reopened({ disk: missing, clock: whole.clock }, ['control', 'shard-0', 'shard-9']);
  assert.match(gap.found[0] ?? '', /^unsound 1…[12]$/);
  assert.equal(gap.found.slice(1), ['sound 1…2', 'sound 1…0']);
  assert.match(gap.warnings[0] ?? '', /00000003\.log comes behind .*00000001\.log: what was between them is missing/);
  for (const length of [0, 10, HEADER, HEADER + 40]) {
    const short = whole.disk.copy();
    short.open(segmentPath(2), 'readWrite').truncateSync(length);
    const { found } = reopened({ disk: short, clock: whole.clock }, ['control', 'shard-0', 'shard-9']);
    assert.match(found[0] ?? '', /^unsound 1…[12]$/, `cut at ${length}`);
    assert.equal(found.slice(1), ['sound 1…2', 'sound 1…0']);
  }
});

test('damage at the tail that no unfinished write can leave counts as damage before it: nobody can be told', () => {
  const { clock, disk, log, end } = scene();
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'one')] });
  const begin = end();
  put(log, clock, { group: 'control', entries: [entryOf(1, 'acknowledged')] });
  disk.damage(segmentPath(1), begin + 5, flip);
  const { found, log: again } = reopened({ disk, clock }, ['control', 'shard-0', 'shard-9']);
  assert.equal(found, ['unsound 1…0', 'unsound 1…1', 'unsound 1…0']);
  // What was damaged may be read one day, and is no later batch then.
  disk.damage(segmentPath(1), begin + 5, flip);
  assert.is(verdict(again, 'control'), 'unsound 1…0');
  assert.is(verdict(openLogOn(disk, clock).log, 'control'), 'unsound 1…0');
});

test('repair: the log goes on from what was found, unsound until a write says otherwise, and over restarts', () => {
  const whole = scene();
  const [begin] = threeBatches(whole);
  const { clock, disk } = whole;
  disk.damage(segmentPath(1), begin + 40, flip);
  const { log } = openLogOn(disk, clock);
  put(log, clock, { group: 'control', truncateAfter: 0, entries: [entryOf(1, 'other', 5), entryOf(2, 'repaired', 5)] });
  disk.crash();
  const during = openLogOn(disk, clock).log;
  assert.is(verdict(during, 'control'), 'unsound 1…2');
  assert.equal(recoveredEntries(during, clock, 'control'), ['1/5:other', '2/5:repaired']);
  put(during, clock, { group: 'control', sound: true, entries: [entryOf(3, 'vouched for', 5)] });
  const { found, log: after } = reopened({ disk, clock }, ['control', 'shard-0']);
  assert.equal(found, ['sound 1…3', 'sound 1…2']);
  assert.equal(recoveredEntries(after, clock, 'control'), ['1/5:other', '2/5:repaired', '3/5:vouched for']);
});

test('a group that was lost altogether stays unsound over restarts, also when it is written before it is vouched for', () => {
  const { clock, disk, log, end } = scene();
  const begin = end();
  put(log, clock, { group: 'shard-0', entries: [entryOf(1, 'all there is')] });
  disk.damage(segmentPath(1), begin + 1, flip);
  const first = openLogOn(disk, clock).log;
  assert.is(verdict(first, 'shard-0'), 'unsound 1…0');
  put(first, clock, { group: 'shard-0', hard: { term: 3, votedFor: null }, entries: [entryOf(1, 'sent again')] });
  const second = openLogOn(disk, clock).log;
  assert.is(verdict(second, 'shard-0'), 'unsound 1…1');
  put(second, clock, { group: 'shard-0', sound: true });
  assert.is(verdict(openLogOn(disk, clock).log, 'shard-0'), 'sound 1…1');
});

test('a member that lost its directory says so before anything else', () => {
  const { clock, disk, log } = scene();
  put(log, clock, { group: 'control', sound: false });
  put(log, clock, { group: 'control', hard: { term: 2, votedFor: null }, entries: [entryOf(1, 'one')] });
  assert.is(verdict(openLogOn(disk, clock).log, 'control'), 'unsound 1…1');
  assert.is(verdict(openLogOn(disk, clock).log, 'shard-0'), 'sound 1…0');
});

test('a crash before the verdict is durable: the next opening comes to it anew', () => {
  const whole = scene();
  const [begin] = threeBatches(whole);
  const { clock } = whole;
  whole.disk.damage(segmentPath(1), begin + 3, flip);
  const after = whole.disk.copy();
  openLogOn(after, clock);
  const size = after.size(segmentPath(2));
  assert.ok(size > HEADER);
  for (let kept = 0; kept < size; kept++) {
    const disk = after.copy();
    disk.open(segmentPath(2), 'readWrite').truncateSync(kept);
    const { found } = reopened({ disk, clock }, ['control', 'shard-0']);
    assert.equal(found, ['unsound 1…1', 'sound 1…2'], `${kept} bytes of it`);
  }
});

test('what a snapshot replaced behind the damage stays replaced; a damaged segment is set aside when nobody needs it', () => {
  const { clock, disk, log } = severalSegments();
  put(log, clock, { group: 'control', compactTo: { index: 20, term: 4 } });
  disk.damage(segmentPath(1), HEADER + 2, flip);
  const opened = openLogOn(disk, clock, { segmentBytes: 300 });
  const { sound, firstIndex, previousTerm, lastIndex } = opened.log.recovered('control');
  assert.equal([sound, firstIndex, previousTerm, lastIndex], [true, 21, 4, 20], 'its state is told behind the damage');
  assert.is(verdict(opened.log, 'shard-0'), 'unsound 1…0');
  put(opened.log, clock, { group: 'shard-0', sound: true, compactTo: { index: 2, term: 1 } });
  settle(clock);
  assert.ok(disk.exists(`${segmentPath(1)}.damaged`));
  assert.not(disk.exists(segmentPath(1)));
  const { found, again } = reopened({ disk, clock }, ['control', 'shard-0']);
  assert.equal(found, ['sound 21…20', 'sound 3…2']);
  assert.equal(again, []);
});

test('files of two logs are never mixed: refused, and nothing is changed', () => {
  const first = severalSegments();
  const second = scene(300);
  for (let at = 1; at <= 8; at++)
    put(second.log, second.clock, { group: 'control', entries: [entryOf(at, 'y'.repeat(150), 2)] });
  const from = second.disk.open(segmentPath(2), 'read');
  first.disk.remove(segmentPath(2));
  const to = first.disk.open(segmentPath(2), 'create');
  to.writeSync(from.readSync(0, from.size()), 0);
  to.syncSync();
  assert.throws(() => openLogOn(first.disk, first.clock), /belongs to another past of this log/);
});

test.run();
