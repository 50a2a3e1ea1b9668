// The agent's queue: order, acknowledgement, restarts, torn tails, limits.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSchemaTable } from '../../src/actors/agent/schema-table.ts';
import { openQueue } from '../../src/actors/stores/queue.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('queue');
const NOW = 1_700_000_000_000;

function open(
  disk: MemoryDisk,
  clock = createVirtualClock(),
  limits = { queueAgeMaxMs: 86_400_000, queueBytesMax: 1e9, queueMemoryBytesMax: 4 * 1024 * 1024 },
) {
  const warnings: string[] = [];
  const queue = openQueue({ disk, directory: '/q', clock, crc32c, warn: (message) => warnings.push(message), limits });
  return { queue, warnings };
}
const record = (text: string) => new TextEncoder().encode(text);
const texts = (records: readonly { sequence: number; record: Uint8Array }[]) =>
  records.map(({ sequence, record: bytes }) => `${sequence}:${new TextDecoder().decode(bytes)}`);

test('first in, first out; acknowledged ones are gone', () => {
  const { queue } = open(createMemoryDisk(createVirtualClock()));
  for (const text of ['a', 'b', 'c']) queue.append(record(text), 1, NOW);
  assert.equal(texts(queue.readFrom(1, 1_000)), ['1:a', '2:b', '3:c']);
  assert.equal(texts(queue.readFrom(2, 1)), ['2:b'], 'at least one, whatever its size');
  queue.ackThrough(2);
  assert.equal([queue.firstSequence, queue.nextSequence], [3, 4]);
  assert.equal(texts(queue.readFrom(1, 1_000)), ['3:c']);
  queue.ackThrough(1);
  assert.is(queue.firstSequence, 3, 'an older acknowledgement changes nothing');
});

test('a restart goes on where it was: nothing unacknowledged is lost, no sequence is used twice', () => {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const first = open(disk, clock).queue;
  for (const text of ['a', 'b', 'c']) first.append(record(text), 1, NOW);
  first.ackThrough(1);
  first.close();
  const second = open(disk, clock).queue;
  assert.equal(texts(second.readFrom(1, 1_000)), ['2:b', '3:c']);
  second.ackThrough(3);
  second.close();
  const third = open(disk, clock).queue;
  assert.equal([third.firstSequence, third.nextSequence], [4, 4]);
  third.append(record('d'), 1, NOW);
  assert.equal(texts(third.readFrom(1, 1_000)), ['4:d']);
});

test('a record torn by a loss of power is cut off, and said', () => {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const { queue } = open(disk, clock);
  queue.append(record('kept'), 1, NOW);
  clock.advance(6_000);
  queue.append(record('torn by the crash'), 1, NOW);
  disk.crash(30);
  const again = open(disk, clock);
  assert.is(again.warnings.length, 1);
  assert.equal(texts(again.queue.readFrom(1, 1_000)), ['1:kept']);
  again.queue.append(record('next'), 1, NOW);
  assert.equal(texts(again.queue.readFrom(1, 1_000)), ['1:kept', '2:next']);
});

test('zeros in place of records, as a loss of power leaves them, are no records', () => {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const { queue } = open(disk, clock);
  queue.append(record('kept'), 1, NOW);
  queue.close();
  const file = disk.open('/q/0000000000000001.q', 'readWrite');
  file.writeSync(new Uint8Array(100), file.size());
  disk.open('/q/acked', 'readWrite').writeSync(new Uint8Array(8).fill(0xff), 0);
  const again = open(disk, clock);
  assert.equal(texts(again.queue.readFrom(1, 1_000)), ['1:kept']);
  assert.is(again.queue.nextSequence, 2);
  assert.is(again.warnings.length, 1);
});

test('a flipped bit anywhere in a record, its header too, makes it no record', () => {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const { queue } = open(disk, clock);
  queue.append(record('kept'), 1, NOW);
  const kept = disk.size('/q/0000000000000001.q');
  queue.append(record('spoilt'), 7, NOW);
  queue.close();
  for (let at = kept; at < disk.size('/q/0000000000000001.q'); at++) {
    const image = disk.copy();
    image.damage('/q/0000000000000001.q', at, (byte) => byte ^ 1);
    assert.equal(texts(open(image, clock).queue.readFrom(1, 1_000)), ['1:kept'], `byte ${at}`);
  }
});

test('at the limits the oldest leave, and are counted', () => {
  const clock = createVirtualClock();
  const { queue, warnings } = open(createMemoryDisk(clock), clock, {
    queueAgeMaxMs: 86_400_000,
    queueBytesMax: 12 * 1024 * 1024,
    queueMemoryBytesMax: 1e9,
  });
  const large = new Uint8Array(1024 * 1024);
  for (let at = 0; at < 30; at++) queue.append(large, 10, NOW + at);
  assert.ok(queue.bytes <= 17 * 1024 * 1024, `${queue.bytes}`);
  assert.ok(queue.droppedRows > 0 && queue.droppedRows % 10 === 0);
  assert.is(queue.firstSequence, queue.droppedRows / 10 + 1);
  assert.ok(warnings.every((line) => /rows were dropped unsent/.test(line)));

  const aged = open(createMemoryDisk(clock), clock, {
    queueAgeMaxMs: 60_000,
    queueBytesMax: 1e9,
    queueMemoryBytesMax: 1e9,
  }).queue;
  for (let at = 0; at < 6; at++) aged.append(large, 1, NOW);
  aged.append(large, 1, NOW + 120_000);
  assert.ok(aged.droppedRows > 0, 'what is too old goes');
});

/** A disk that is full while `full` is set: existing files keep what they have, nothing grows. */
function fillable(disk: MemoryDisk) {
  const state = { full: false };
  const noSpace = () => {
    if (state.full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  const limited: MemoryDisk = {
    ...disk,
    open(path, mode) {
      if (mode === 'create') noSpace();
      const file = disk.open(path, mode);
      return {
        ...file,
        writeSync(bytes, position) {
          if (position + bytes.length > file.size()) noSpace();
          file.writeSync(bytes, position);
        },
      };
    },
  };
  return { disk: limited, state };
}

test('a full disk: rows go on in memory, in order, and to disk again as soon as it takes them', () => {
  const clock = createVirtualClock();
  const memory = createMemoryDisk(clock);
  const { disk, state } = fillable(memory);
  const { queue, warnings } = open(disk, clock);
  queue.append(record('a'), 1, NOW);
  state.full = true;
  for (const text of ['b', 'c']) queue.append(record(text), 1, NOW);
  queue.ackThrough(1);
  clock.advance(2_000);
  queue.append(record('d'), 1, NOW);
  assert.is(warnings.length, 2, `said once each: ${warnings.join(' | ')}`);
  state.full = false;
  queue.append(record('e'), 1, NOW);
  clock.advance(2_000);
  queue.append(record('f'), 1, NOW);
  assert.match(warnings.at(-1) ?? '', /takes rows again/);
  assert.equal(texts(queue.readFrom(1, 1_000)), ['2:b', '3:c', '4:d', '5:e', '6:f']);
  queue.close();
  const again = open(memory, clock).queue;
  assert.equal(texts(again.readFrom(1, 1_000)), ['6:f'], 'what was in memory alone is gone with the process');
  assert.is(again.nextSequence, 7);
  again.ackThrough(6);
  assert.is(again.firstSequence, 7);
});

test('rows in memory are bounded, and those that leave are counted', () => {
  const clock = createVirtualClock();
  const { disk, state } = fillable(createMemoryDisk(clock));
  const { queue } = open(disk, clock);
  queue.append(record('on disk'), 1, NOW);
  state.full = true;
  for (let at = 0; at < 100; at++) queue.append(new Uint8Array(100_000), 1, NOW);
  assert.ok(queue.bytes <= 6 * 1024 * 1024, `${queue.bytes}`);
  const left = queue.readFrom(1, 1e9);
  assert.is(left.length + queue.droppedRows, 101);
  assert.is(left[0]?.sequence, 1, 'the disk keeps what it has');
});

test('a row whose meaning is not on disk stays in memory', () => {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const { queue } = open(disk, clock);
  queue.append(record('known'), 1, NOW);
  queue.append(record('not known'), 1, NOW, false);
  queue.append(record('known again'), 1, NOW);
  assert.is(queue.readFrom(1, 1_000).length, 3);
  queue.close();
  assert.equal(texts(open(disk, clock).queue.readFrom(1, 1_000)), ['1:known', '3:known again']);
});

test('schemas that could not be saved are saved later, and their ids mean nothing else on disk', () => {
  const clock = createVirtualClock();
  const memory = createMemoryDisk(clock);
  const { disk, state } = fillable(memory);
  const warnings: string[] = [];
  const series = (metric: string) => [{ metric, labels: {}, unit: '1', kind: 'gauge' as const }];
  const schemas = openSchemaTable(disk, '/agent', (message) => warnings.push(message));
  assert.ok(schemas.isDurable(schemas.idOf(series('a'))));
  state.full = true;
  const b = schemas.idOf(series('b'));
  assert.equal([schemas.isDurable(b), schemas.get(b)?.[0]?.metric, warnings.length], [false, 'b', 1]);
  assert.is(openSchemaTable(memory, '/agent', () => {}).get(b), undefined);
  state.full = false;
  assert.is(schemas.idOf(series('b')), b);
  assert.ok(schemas.isDurable(b));
  assert.is(openSchemaTable(memory, '/agent', () => {}).get(b)?.[0]?.metric, 'b');
});

test.run();
