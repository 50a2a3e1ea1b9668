// The parts of the Raft actor whose order matters most, by themselves.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createCarriedEntries } from '../../src/actors/raft/carried-entries.ts';
import { createDurability } from '../../src/actors/raft/durability.ts';
import { createEntrySender } from '../../src/actors/raft/entry-sender.ts';
import type { LogEntry, LogStore } from '../../src/actors/stores/log.ts';
import type { LogIndex } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { Append } from '../../src/machines/raft/messages.ts';
import type { RaftEnvelope } from '../../src/streams/envelope.ts';
import { id } from '../support/raft-charts.ts';

const append = (prevIndex: LogIndex, lastIndex: LogIndex, to = 'b'): Append => ({
  type: 'append',
  from: id('a'),
  to: id(to),
  term: 1,
  prevIndex,
  prevTerm: 1,
  lastIndex,
  runs: [{ first: prevIndex + 1, term: 1 }],
  commit: 0,
  bytes: 0,
});

// ---------------------------------------------------------------- durability

test('what waits leaves when every write before it is durable, in order; what waits for nothing leaves at once', () => {
  const out: number[] = [];
  const durability = createDurability(({ message }) => void out.push(message.term));
  const say = (term: number): void =>
    durability.sendAfterSync({ group: 'control', message: { ...append(0, 0), term }, entries: [] });
  say(1);
  assert.deepEqual(out, [1]);
  durability.writing(null);
  say(2);
  say(3);
  durability.writing(null);
  say(4);
  durability.synced(1);
  assert.deepEqual(out, [1, 2, 3]);
  durability.synced(2);
  assert.deepEqual(out, [1, 2, 3, 4]);
  say(5);
  assert.deepEqual(out, [1, 2, 3, 4, 5]);
});

test('an entry that was cut and written again counts as durable by its last write only', () => {
  const durability = createDurability(() => {});
  const again = { index: 5, term: 2 };
  durability.writing({ index: 4, term: 2 });
  durability.writing(again);
  durability.cutting(4);
  durability.writing({ index: 5, term: 3 });
  durability.cutting(4);
  durability.writing(again);
  assert.deepEqual(durability.synced(1), { index: 4, term: 2 });
  assert.equal(durability.synced(2), null, 'on disk, but to be cut');
  assert.equal(durability.synced(3), null);
  assert.deepEqual(durability.synced(4), again);
});

test('a write of term and vote alone is no news of the log', () => {
  const durability = createDurability(() => {});
  durability.writing(null);
  assert.equal(durability.synced(1), null);
});

// ---------------------------------------------------------------- entry sender

/** A log whose reads are answered when told to. */
function slowLog(payloadBytes = 1) {
  const waiting: (() => void)[] = [];
  const read: LogStore['read'] = (_group, from, through, maxBytes, done) => {
    const count = Math.max(1, Math.min(through - from + 1, Math.floor(maxBytes / payloadBytes)));
    const entries = Array.from(
      { length: count },
      (_, at): LogEntry => ({ index: from + at, term: 1, kind: 'data', payload: new Uint8Array(payloadBytes) }),
    );
    waiting.push(() => done(null, entries));
  };
  return { log: { read } as LogStore, waiting, answer: () => waiting.shift()?.() };
}

function sending(payloadBytes = 1) {
  const { log, waiting, answer } = slowLog(payloadBytes);
  const out: RaftEnvelope[] = [];
  const told: [LogIndex, number][] = [];
  const state = { current: true };
  const sender = createEntrySender({
    group: 'control',
    log,
    out: (envelope) => void out.push(envelope),
    isCurrent: () => state.current,
    onSent: (_message, lastIndex, bytes) => void told.push([lastIndex, bytes]),
    onError: (error) => {
      throw error;
    },
  });
  const extents = () => out.map(({ message }) => message.type === 'append' && [message.prevIndex, message.lastIndex]);
  return { sender, out, told, state, waiting, answer, extents };
}

test('messages to one peer keep their order, whatever a read takes; peers do not wait for each other', () => {
  const { sender, waiting, answer, extents, out } = sending();
  sender.send(append(0, 2));
  sender.send(append(2, 3));
  sender.send(append(0, 1, 'c'));
  assert.equal(waiting.length, 2, 'one read for each peer');
  answer();
  assert.deepEqual(extents(), [[0, 2]]);
  answer();
  answer();
  assert.deepEqual(
    out.map(({ message }) => message.to),
    ['b', 'c', 'b'],
  );
  assert.deepEqual(extents()[2], [2, 3]);
});

test('of a cut the chart is told; what it had asked for behind it is dropped until it knows', () => {
  const third = Math.floor(limits.raft.appendBytesMax / 3);
  const { sender, told, answer, extents, out, waiting } = sending(third);
  sender.send(append(0, 9));
  sender.send(append(9, 12));
  answer();
  assert.deepEqual(told, [[3, 3 * third]]);
  assert.deepEqual(extents(), [[0, 3]]);
  assert.equal(out[0]?.entries.length, 3);
  sender.send(append(12, 13));
  assert.equal(waiting.length, 0);
  sender.resume(id('b'));
  sender.send(append(3, 4));
  answer();
  assert.deepEqual(extents(), [
    [0, 3],
    [3, 4],
  ]);
});

test('a heavy message is told of though it is whole; a light one is not', () => {
  const share = limits.raft.inflightBytesMax / limits.raft.inflightMax;
  for (const [bytes, tells] of [
    [share, 0],
    [share + 1, 1],
  ] as const) {
    const { sender, told, answer, extents } = sending(bytes);
    sender.send(append(0, 1));
    answer();
    assert.equal(told.length, tells);
    sender.send(append(1, 2));
    answer();
    assert.equal(extents().length, 2, 'nothing is dropped');
  }
});

test('what is no longer true is not sent, nor read; nothing is after stop', () => {
  const { sender, state, waiting, answer, extents } = sending();
  sender.send(append(0, 1));
  sender.send(append(1, 2));
  state.current = false;
  answer();
  assert.equal(waiting.length, 0);
  assert.deepEqual(extents(), []);
  state.current = true;
  sender.send(append(2, 3));
  sender.stop();
  answer();
  assert.deepEqual(extents(), []);
});

// ---------------------------------------------------------------- carried entries

test('the part of a message that is taken has the terms of its runs', () => {
  const carried = createCarriedEntries();
  const message: Append = {
    ...append(4, 9),
    runs: [
      { first: 5, term: 1 },
      { first: 7, term: 2 },
      { first: 8, term: 6 },
    ],
  };
  carried.carry(
    message,
    Array.from({ length: 5 }, (_, at) => ({ kind: 'data', payload: new Uint8Array([5 + at]) })),
  );
  assert.deepEqual(
    carried.take(message, 6, 9).map(({ index, term, payload }) => [index, term, payload[0]]),
    [
      [6, 1, 6],
      [7, 2, 7],
      [8, 6, 8],
      [9, 6, 9],
    ],
  );
  assert.throws(() => carried.carry(append(0, 2), []), /carries the entries that it announces/);
  assert.throws(() => carried.take(append(0, 1), 1, 1), /beside the event/);
});

test.run();
