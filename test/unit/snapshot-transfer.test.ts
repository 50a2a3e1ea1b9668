// Snapshots between brokers, on virtual time: whole, resumed after a break, refused, superseded, and given up when nobody answers.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSnapshotReceiver } from '../../src/actors/cluster/snapshot-receiver.ts';
import { createSnapshotSender } from '../../src/actors/cluster/snapshot-sender.ts';
import { encodeHeader } from '../../src/actors/stores/snapshots/header.ts';
import { openSnapshots, type SnapshotMeta, type StoredSnapshot } from '../../src/actors/stores/snapshots.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { BrokerId, ClusterId, GroupId } from '../../src/core/ids.ts';
import { createMemoryWirePair, type MemoryWirePair } from '../../src/streams/memory-wire.ts';
import type { SnapshotMessage } from '../../src/streams/snapshot-message.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('snapshot transfer');
const A = 'a' as BrokerId;
const B = 'b' as BrokerId;
const LIMITS = { windowChunks: 3, patienceMs: 1_000, partialMs: 5_000, sendsMax: 2, receivesMax: 2 };
const COUNT = 12;

const metaOf = (group: GroupId, index: number): SnapshotMeta => ({
  group,
  index,
  term: 3,
  cluster: 'c1' as ClusterId,
  configuration: { index: 0, configuration: { voters: [A, B], outgoing: [], learners: [], joining: [] } },
});
const chunkOf = (index: number, number: number) => new Uint8Array(100 + number).fill(index + number);

function createPair() {
  const clock = createVirtualClock();
  const warnings: string[] = [];
  const storeOn = (disk: MemoryDisk) =>
    openSnapshots({
      disk,
      directory: '/s',
      clock,
      crc32c,
      cluster: '',
      warn: (message) => warnings.push(message),
      failed: (error) => {
        throw error;
      },
    });
  const disks = { a: createMemoryDisk(clock), b: createMemoryDisk(clock) };
  const stores = { a: storeOn(disks.a), b: storeOn(disks.b) };
  const wires: MemoryWirePair<SnapshotMessage>[] = [];
  /** From a to b, and back, as they travel. */
  const travelled: SnapshotMessage[] = [];
  const net = {
    listening: true,
    /** The wire breaks when this many chunks have been sent on it. */
    breakAfter: Number.POSITIVE_INFINITY,
    change: (message: SnapshotMessage): SnapshotMessage | null => message,
    cluster: 'c1' as ClusterId | '',
  };
  const receiver = createSnapshotReceiver({
    self: B,
    clock,
    store: stores.b,
    crc32c,
    cluster: () => net.cluster,
    isMember: (broker) => broker === A,
    hasGroup: (group) => group !== 'shard-9',
    warn: (message) => warnings.push(message),
    options: LIMITS,
  });
  const sender = createSnapshotSender({
    self: A,
    clock,
    store: stores.a,
    addressOf: (broker) => (broker === B ? 'b:1' : undefined),
    dial() {
      const pair = createMemoryWirePair<SnapshotMessage>(clock);
      wires.push(pair);
      let chunks = 0;
      const { a, b } = pair;
      if (net.listening) clock.defer(() => receiver.accept(b));
      return {
        inbox: a.inbox,
        outbox: {
          next(message) {
            const sent = net.change(message);
            if (sent === null) return;
            travelled.push(sent);
            a.outbox.next(sent);
            if (sent.kind === 'chunk' && ++chunks === net.breakAfter) pair.breakLink();
          },
          error: (error) => a.outbox.error(error),
          complete: () => a.outbox.complete(),
        },
      };
    },
    warn: (message) => warnings.push(message),
    options: LIMITS,
  });

  function settle(): void {
    for (let steps = 0; clock.step(); steps++) if (steps > 100_000) throw new Error('the clock never rests');
  }

  function save(group: GroupId, index: number): StoredSnapshot {
    stores.a.save(
      () => ({ meta: metaOf(group, index), chunks: Array.from({ length: COUNT }, (_, at) => chunkOf(index, at)) }),
      () => {},
    );
    settle();
    const saved = stores.a.newest(group);
    assert.ok(saved);
    return saved;
  }

  function send(snapshot: StoredSnapshot, { to = B, term = 3, isWanted = (): boolean => true } = {}) {
    const ends: boolean[] = [];
    sender.send({ to, term, snapshot, isWanted, done: (arrived) => ends.push(arrived) });
    assert.equal(ends, [], 'never synchronously');
    return ends;
  }

  function contentOfB(group: GroupId): number[][] {
    const snapshot = stores.b.newest(group);
    assert.ok(snapshot);
    const reader = stores.b.read(snapshot);
    const chunks = snapshot.offsets.map((_, number) => [...reader.readSync(number).payload]);
    reader.close();
    return chunks;
  }

  const chunks = () => travelled.flatMap((message) => (message.kind === 'chunk' ? [message.number] : []));
  return {
    clock,
    disks,
    stores,
    wires,
    net,
    sender,
    receiver,
    warnings,
    settle,
    save,
    send,
    contentOfB,
    chunks,
    travelled,
  };
}

const whole = (index: number) => Array.from({ length: COUNT }, (_, at) => [...chunkOf(index, at)]);
const upTo = (end: number, from = 0) => Array.from({ length: end - from }, (_, at) => from + at);

test('a snapshot arrives whole, with what it says of itself, no more chunks under way than were granted', () => {
  const { net, stores, settle, save, send, contentOfB, chunks } = createPair();
  let waiting = 0;
  let most = 0;
  net.change = (message) => {
    if (message.kind === 'chunk') most = Math.max(most, ++waiting);
    return message;
  };
  const add = stores.b.receive;
  stores.b.receive = (meta) => {
    const writer = add(meta);
    const original = writer.add;
    writer.add = (chunk, crc, done) =>
      original(chunk, crc, (written) => {
        waiting--;
        done(written);
      });
    return writer;
  };
  const ends = send(save('shard-0', 7));
  settle();
  assert.equal(ends, [true]);
  assert.equal(contentOfB('shard-0'), whole(7));
  assert.equal(stores.b.newest('shard-0')?.meta, metaOf('shard-0', 7));
  assert.equal(chunks(), upTo(COUNT));
  assert.ok(most <= LIMITS.windowChunks, `${most} chunks under way`);
});

test('wherever the stream breaks, the next one goes on behind the last chunk that is on disk', () => {
  for (let at = 1; at <= COUNT; at++) {
    const { net, settle, save, send, contentOfB, chunks, travelled, clock } = createPair();
    const snapshot = save('shard-0', 7);
    net.breakAfter = at;
    const first = send(snapshot);
    clock.advance(500);
    assert.equal(first, [false]);
    net.breakAfter = Number.POSITIVE_INFINITY;
    const sent = chunks().length;
    travelled.length = 0;
    const second = send(snapshot);
    settle();
    assert.equal(second, [true]);
    assert.equal(contentOfB('shard-0'), whole(7));
    const again = chunks();
    assert.is(again.at(-1) ?? COUNT - 1, COUNT - 1);
    assert.ok((again[0] ?? COUNT) >= sent - LIMITS.windowChunks, `broken after ${at}: resumed at ${again[0]}`);
  }
});

test('what arrived is kept for a while, then given up; a later one takes its place at once', () => {
  const { net, settle, save, send, contentOfB, chunks, travelled, clock, disks } = createPair();
  const old = save('shard-0', 7);
  net.breakAfter = 5;
  send(old);
  clock.advance(500);
  assert.is(disks.b.list('/s').length, 1, 'in the making');
  clock.advance(LIMITS.partialMs + 10);
  assert.equal(disks.b.list('/s'), []);
  net.breakAfter = 5;
  send(old);
  clock.advance(500);
  net.breakAfter = Number.POSITIVE_INFINITY;
  travelled.length = 0;
  const ends = send(save('shard-0', 9));
  settle();
  assert.equal(ends, [true]);
  assert.equal(chunks(), upTo(COUNT));
  assert.equal(contentOfB('shard-0'), whole(9));
  assert.equal(disks.b.list('/s'), ['shard-0-0000000000000009.snap']);
});

test('what is there already, or more, needs no chunk', () => {
  const { settle, save, send, chunks } = createPair();
  const old = save('shard-0', 7);
  const newer = save('shard-0', 9);
  send(newer);
  settle();
  const before = chunks().length;
  const ends = [send(newer), send(old)];
  settle();
  assert.equal(ends, [[true], [true]]);
  assert.is(chunks().length, before);
});

test('a receiver that is not there, does not answer, or falls silent in the middle: it is given up, and others have their turn', () => {
  const { net, wires, settle, save, send, clock, warnings, sender } = createPair();
  const snapshot = save('shard-0', 7);
  net.listening = false;
  const silent = [send(snapshot), send(snapshot)];
  const third = send(snapshot);
  clock.advance(LIMITS.patienceMs - 10);
  assert.equal([...silent, third], [[], [], []]);
  clock.advance(20);
  assert.equal([...silent, third], [[false], [false], []]);
  wires.at(-1)?.breakLink();
  clock.advance(20);
  assert.equal(third, [false]);
  const stranger = send(snapshot, { to: 'nobody' as BrokerId });
  clock.advance(20);
  assert.equal(stranger, [false]);
  assert.ok(warnings.some((text) => /did not reach b: it was silent for 1000 ms/.test(text)));
  // It takes the offer, grants, and then hears nothing any more.
  net.listening = true;
  net.change = (message) => (message.kind === 'chunk' && message.number >= 4 ? null : message);
  const stalled = send(snapshot);
  clock.advance(LIMITS.patienceMs * 2);
  assert.equal(stalled, [false]);
  const sent = sender.chunksSent;
  settle();
  assert.is(sender.chunksSent, sent, 'nothing is sent to who is given up');
});

test('it is refused with a reason: another addressee, a stranger, another cluster, no such group, no voters, too many at once', () => {
  const meta = metaOf('shard-0', 7);
  const { configuration } = meta.configuration;
  const withoutVoters = encodeHeader({
    ...meta,
    configuration: { ...meta.configuration, configuration: { ...configuration, voters: [] } },
  });
  const reasons: [string, (pair: ReturnType<typeof createPair>) => void, GroupId, RegExp][] = [
    [
      'to',
      (pair) => (pair.net.change = (m) => (m.kind === 'offer' ? { ...m, to: A } : m)),
      'shard-0',
      /this is b, not a/,
    ],
    [
      'from',
      (pair) => (pair.net.change = (m) => (m.kind === 'offer' ? { ...m, from: 'x' as BrokerId } : m)),
      'shard-0',
      /x is no member/,
    ],
    ['cluster', (pair) => (pair.net.cluster = 'c2' as ClusterId), 'shard-0', /in cluster c2, not c1/],
    ['group', () => {}, 'shard-9', /shard-9 has no member on b/],
    [
      'header',
      (pair) => (pair.net.change = (m) => (m.kind === 'offer' ? { ...m, header: Uint8Array.of(255) } : m)),
      'shard-0',
      /header cannot be read/,
    ],
    [
      'voters',
      (pair) => (pair.net.change = (m) => (m.kind === 'offer' ? { ...m, header: withoutVoters } : m)),
      'shard-0',
      /its configuration has no voters/,
    ],
  ];
  for (const [what, arrange, group, reason] of reasons) {
    const pair = createPair();
    const snapshot = pair.save(group, 7);
    arrange(pair);
    const ends = [pair.send(snapshot)];
    pair.settle();
    ends.push(pair.send(snapshot));
    pair.settle();
    assert.equal(ends, [[false], [false]], what);
    assert.is(pair.warnings.length, 1, 'said once');
    assert.match(pair.warnings[0] ?? '', reason);
    assert.equal(pair.disks.b.list('/s'), []);
  }
  const { receiver, clock, save, send, warnings: crowded } = createPair();
  const snapshot = save('shard-0', 7);
  for (const group of ['shard-1', 'shard-2'] as const) {
    const { a, b } = createMemoryWirePair<SnapshotMessage>(clock);
    receiver.accept(b);
    const header = encodeHeader(metaOf(group, 3));
    a.outbox.next({ kind: 'offer', from: A, to: B, term: 3, header, chunks: 5, bytes: 500 });
  }
  clock.advance(10);
  const third = send(snapshot);
  clock.advance(100);
  assert.equal(third, [false]);
  assert.match(crowded.at(-1) ?? '', /2 snapshots are arriving already/);
});

test('a chunk that is damaged on its way is not taken; the next attempt begins there', () => {
  const { net, settle, save, send, contentOfB, chunks, travelled, clock } = createPair();
  const snapshot = save('shard-0', 7);
  net.change = (m) => (m.kind === 'chunk' && m.number === 4 ? { ...m, payload: m.payload.map((byte) => byte ^ 1) } : m);
  const ends = send(snapshot);
  clock.advance(500);
  assert.equal(ends, [false]);
  net.change = (m) => m;
  travelled.length = 0;
  const again = send(snapshot);
  settle();
  assert.equal(again, [true]);
  assert.equal(chunks(), upTo(COUNT, 4));
  assert.equal(contentOfB('shard-0'), whole(7));
});

test('a chunk that is damaged on the sender’s disk: the snapshot is set aside there', () => {
  const { stores, disks, settle, save, send, warnings } = createPair();
  save('shard-0', 5);
  const snapshot = save('shard-0', 7);
  disks.a.damage(snapshot.path, (snapshot.offsets[6] ?? 0) + 20, (byte) => byte ^ 1);
  const ends = send(snapshot);
  settle();
  assert.equal(ends, [false]);
  assert.is(stores.a.newest('shard-0')?.meta.index, 5);
  assert.ok(warnings.some((text) => /chunk 6 does not have its checksum/.test(text)));
});

test('a transfer that nobody wants any more ends, before it begins or in the middle', () => {
  const { net, settle, save, send, chunks } = createPair();
  const snapshot = save('shard-0', 7);
  const never = send(snapshot, { isWanted: () => false });
  settle();
  assert.equal(never, [false]);
  assert.equal(chunks(), []);
  let sent = 0;
  net.change = (message) => {
    if (message.kind === 'chunk') sent++;
    return message;
  };
  const ends = send(snapshot, { isWanted: () => sent < 5 });
  settle();
  assert.equal(ends, [false]);
  assert.is(sent, 5);
});

test('of two leaders of a group the newer one’s snapshot is taken', () => {
  const { clock, receiver, disks } = createPair();
  const offer = (term: number, index: number) => {
    const { a, b } = createMemoryWirePair<SnapshotMessage>(clock);
    const heard: SnapshotMessage[] = [];
    a.inbox.subscribe({ next: (message) => heard.push(message), error: () => {} });
    receiver.accept(b);
    const header = encodeHeader(metaOf('shard-0', index));
    a.outbox.next({ kind: 'offer', from: A, to: B, term, header, chunks: 5, bytes: 500 });
    clock.advance(10);
    return heard;
  };
  const first = offer(5, 10);
  const older = offer(4, 20);
  const newer = offer(6, 15);
  assert.equal(older, [{ kind: 'end', installed: false, reason: 'a newer leader of shard-0 sends another' }]);
  assert.is(first.at(-1)?.kind, 'end');
  assert.equal(newer, [{ kind: 'grant', next: 0, chunks: 3 }]);
  assert.equal(disks.b.list('/s').length, 1);
});

test('when either stops, nothing of it is left, and nobody is called back', () => {
  const { clock, sender, receiver, disks, save, send, settle, net } = createPair();
  const snapshot = save('shard-0', 7);
  net.breakAfter = Number.POSITIVE_INFINITY;
  const ends = send(snapshot);
  for (let steps = 0; steps < 12; steps++) clock.step();
  sender.stop();
  receiver.stop();
  settle();
  assert.equal(ends, []);
  assert.equal(disks.b.list('/s'), []);
});

test.run();
