// The simulated world itself: a network and a disk that are kinder than they claim would hide bugs.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLatency } from '../../scenarios/engine/sim/latency.ts';
import { createNetwork, type LinkFault } from '../../scenarios/engine/sim/network.ts';
import { type DiskOptions, drawOptions, faultKinds, type NetworkOptions } from '../../scenarios/engine/sim/options.ts';
import { parseSeeds } from '../../scenarios/engine/sim/report.ts';
import { type LinkChange, plainLink } from '../../scenarios/engine/sim/schedule.ts';
import { createSimDisk } from '../../scenarios/engine/sim/sim-disk.ts';
import { createTrace } from '../../scenarios/engine/sim/trace.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

// ---------------------------------------------------------------- network

const plain: NetworkOptions = {
  lossChance: 0,
  duplicateChance: 0,
  delayMinMs: 2,
  delayMeanMs: 10,
  straggleChance: 0,
  ordered: false,
  linkMessagesMax: 1000,
  closeNoticedChance: 0,
};

function sending(options: Partial<NetworkOptions>) {
  const clock = createVirtualClock();
  const network = createNetwork(clock, createRandom('network'), 3, { ...plain, ...options });
  const arrived: number[] = [];
  const lost: number[] = [];
  const send = (n: number, from = 0, to = 1) =>
    network.send(
      from,
      to,
      () => arrived.push(n),
      () => lost.push(n),
    );
  return { clock, network, arrived, lost, send };
}

const fault = (change: Partial<LinkChange>, cut = false): LinkFault => ({
  cut,
  change: { ...plainLink, ...change },
  touched: 0,
});

const numbers = Array.from({ length: 1000 }, (_, n) => n);

test('messages take their time, overtake each other, and are kept in order where that is asked for', () => {
  const free = sending({});
  for (const n of numbers) free.send(n);
  free.clock.advance(1.9);
  assert.equal(free.arrived, []);
  free.clock.advance(1000);
  assert.is(free.arrived.length, 1000);
  assert.not.equal(free.arrived, numbers);

  const ordered = sending({ ordered: true });
  for (const n of numbers) {
    ordered.send(n);
    ordered.clock.advance(0.1);
  }
  ordered.clock.advance(1000);
  assert.equal(ordered.arrived, numbers);
});

test('loss and repetition have their chances; whoever sends is told of each loss', () => {
  const { clock, arrived, lost, send } = sending({ lossChance: 0.2, duplicateChance: 0.3 });
  for (const n of numbers) send(n);
  clock.advance(1000);
  assert.ok(lost.length > 150 && lost.length < 250, `${lost.length} lost`);
  const copies = arrived.length - new Set(arrived).size;
  assert.ok(copies > 180 && copies < 300, `${copies} repeated`);
  assert.is(new Set([...arrived, ...lost]).size, 1000);
});

test('a cut is one way, and takes what is under way; healing brings nothing back', () => {
  const { clock, network, arrived, lost, send } = sending({});
  send(1);
  const cut = fault({}, true);
  network.impose(0, 1, cut);
  send(2);
  send(3, 1, 0);
  clock.advance(1000);
  assert.equal(arrived, [3]);
  assert.equal(lost, [1, 2]);
  const another = fault({}, true);
  network.impose(0, 1, another);
  network.lift(0, 1, cut);
  assert.is(network.isCut(0, 1), true, 'who mends a fault mends that one');
  network.lift(0, 1, another);
  send(4);
  clock.advance(1000);
  assert.equal(arrived, [3, 4]);
  assert.is(cut.touched, 2);
  assert.is(another.touched, 0);
});

test('a clogged link delivers when it is free again; a full one drops', () => {
  const clogged = sending({});
  const clog = fault({ hold: true });
  clogged.send(1);
  clogged.network.impose(0, 1, clog);
  clogged.send(2);
  clogged.clock.advance(499);
  assert.equal(clogged.arrived, []);
  clogged.network.lift(0, 1, clog);
  clogged.clock.advance(0);
  assert.equal([...clogged.arrived].sort(), [1, 2]);
  assert.is(clog.touched, 2);

  const full = sending({ linkMessagesMax: 4 });
  for (const n of numbers) full.send(n);
  full.clock.advance(1000);
  assert.is(full.arrived.length, 4);
  assert.is(full.lost.length, 996);
});

test('a link that loses, repeats, delays, reorders or is narrow does so while that lasts, and what it touched is counted', () => {
  const changed = (change: Partial<LinkChange>, options: Partial<NetworkOptions> = {}) => {
    const world = sending({ ordered: true, linkMessagesMax: 1e6, ...options });
    const by = fault(change);
    world.network.impose(0, 1, by);
    for (const n of numbers) world.send(n);
    world.send(-1, 1, 0);
    return { ...world, by };
  };
  const lossy = changed({ loss: 0.5 });
  lossy.clock.advance(1000);
  assert.ok(lossy.lost.length > 400 && lossy.lost.length < 600);
  assert.is(lossy.by.touched, lossy.lost.length);

  const repeating = changed({ duplicate: 0.5 });
  repeating.clock.advance(1000);
  assert.is(repeating.arrived.length, 1001 + repeating.by.touched);

  const slow = changed({ delayMs: 500, jitterMs: 100 });
  slow.clock.advance(499);
  assert.equal(slow.arrived, [-1], 'the other way is well');
  slow.clock.advance(1000);
  assert.is(slow.arrived.length, 1001);
  assert.is(slow.by.touched, 1000);

  const reordering = changed({ reorder: 0.1 });
  reordering.clock.advance(1000);
  const overtaken = reordering.arrived.filter((n, at) => n < (reordering.arrived[at - 1] ?? 0));
  assert.ok(overtaken.length > 5 && reordering.by.touched > 50);

  const narrow = changed({ bandwidth: 1_000 });
  narrow.clock.advance(1000);
  assert.ok(narrow.arrived.length < 15, `${narrow.arrived.length} messages of 100 bytes in a second`);
  narrow.network.lift(0, 1, narrow.by);
  narrow.clock.advance(200_000);
  assert.is(narrow.arrived.length, 1001);
});

// ---------------------------------------------------------------- disk

const diskOptions: DiskOptions = { store: 'log', segmentBytes: 1e6, cacheBytes: 1e6, syncMinMs: 1, syncMeanMs: 1 };
const bytesOf = (value: number, length: number) => new Uint8Array(length).fill(value);

function diskOf(seed: number) {
  const clock = createVirtualClock();
  const random = createRandom(seed);
  const latency = createLatency(random.fork('latency'), diskOptions);
  const sim = createSimDisk(random, latency);
  const crash = () => {
    latency.forget();
    sim.crash();
  };
  return { clock, disk: sim.mount(clock), crash, remount: () => sim.mount(clock), latency };
}

test('what was synced survives; of what was not, any sectors may, and often do not', () => {
  const survived: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const { clock, disk, crash, remount } = diskOf(seed);
    const file = disk.open('/d/f', 'create');
    disk.syncDirectory('/d');
    let synced = false;
    file.write([bytesOf(1, 700), bytesOf(2, 700)], 0, () => file.sync(() => (synced = true)));
    while (!synced) clock.step();
    file.write([bytesOf(3, 5120)], 1400, () => file.sync(() => assert.unreachable('the process is dead')));
    clock.advance(0);
    assert.is(file.readSync(1400, 9999).length, 5120, 'a reader sees it at once');
    crash();
    clock.advance(1000);
    const after = remount().open('/d/f', 'readWrite');
    const whole = after.readSync(0, 1400);
    assert.ok(whole.subarray(0, 700).every((byte) => byte === 1) && whole.subarray(700).every((byte) => byte === 2));
    const rest = after.readSync(1400, 9999);
    assert.ok(rest.every((byte) => byte === 3 || byte === 0));
    survived.push(rest.filter((byte) => byte === 3).length);
  }
  assert.ok(survived.filter((count) => count === 0).length > 20, 'sometimes nothing');
  assert.ok(survived.filter((count) => count === 5120).length > 20, 'sometimes all');
  assert.ok(survived.filter((count) => count > 0 && count < 5120).length > 50, 'sometimes some sectors');
});

test('a sync covers what was written before it was asked for, and not what came after', () => {
  let lost = 0;
  for (let seed = 0; seed < 50; seed++) {
    const { clock, disk, crash, remount } = diskOf(seed);
    const file = disk.open('/d/f', 'create');
    disk.syncDirectory('/d');
    let synced = false;
    file.writeSync(bytesOf(1, 600), 0);
    file.sync(() => (synced = true));
    file.writeSync(bytesOf(2, 600), 600);
    while (!synced) clock.step();
    crash();
    const after = remount().open('/d/f', 'readWrite').readSync(0, 1200);
    assert.ok(after.subarray(0, 600).every((byte) => byte === 1));
    if (after.length < 1200 || after.subarray(600).some((byte) => byte !== 2)) lost++;
  }
  assert.ok(lost > 10);
});

test('a name that was not synced may be gone; one that was, stays; a lock goes with the process', () => {
  const there: boolean[] = [];
  for (let seed = 0; seed < 60; seed++) {
    const { disk, crash, remount } = diskOf(seed);
    disk.open('/d/synced', 'create').syncSync();
    disk.syncDirectory('/d');
    disk.open('/d/fresh', 'create').syncSync();
    disk.lock('/d/lock');
    assert.throws(() => disk.lock('/d/lock'));
    crash();
    const after = remount();
    after.lock('/d/lock');
    assert.ok(after.list('/d').includes('synced'));
    there.push(after.list('/d').includes('fresh'));
  }
  assert.ok(there.includes(true) && there.includes(false));
});

test('a slow disk is slow, and well again at once', () => {
  const { clock, disk, latency } = diskOf(1);
  const file = disk.open('/d/f', 'create');
  const slow = { factor: 10_000, touched: 0 };
  const hung = { factor: Number.POSITIVE_INFINITY, touched: 0 };
  latency.impose(slow);
  latency.impose(hung);
  let syncs = 0;
  file.sync(() => syncs++);
  clock.advance(1e9);
  assert.is(syncs, 0, 'one that hangs does nothing');
  latency.lift(hung);
  clock.advance(5000);
  assert.is(syncs, 0);
  latency.calm(2);
  clock.advance(2.1);
  assert.is(syncs, 1);
  assert.ok(slow.touched > 0 && hung.touched > 0);
});

// ---------------------------------------------------------------- trace, options

test('the trace hashes everything that is noted, and tells the last of it in columns', () => {
  const make = (last: number) => {
    const clock = createVirtualClock();
    const trace = createTrace(clock, 4);
    for (let n = 0; n < 9; n++) trace.note('heartbeat', 0, 1, 2, 3, n, 5);
    clock.advance(1.5);
    trace.note('commit', 1, 0, last, 3);
    return trace;
  };
  assert.is(make(7).hash(), make(7).hash());
  assert.is.not(make(7).hash(), make(8).hash());
  assert.is(make(7).count(), 10);
  assert.equal(make(7).tail(2), [
    '       0.000  b1  g1  heartbeat       b3   term 3  commit 8  round 5',
    '       1.500  b2  g0  commit          index 7  term 3',
  ]);
  assert.is(make(7).tail(60).length, 4, 'no more than is kept');
});

test('options follow from the seed, and the seeds between them use every fault and both stores', () => {
  assert.equal(drawOptions(3), drawOptions('3'));
  const drawn = Array.from({ length: 100 }, (_, seed) => drawOptions(seed));
  for (const kind of faultKinds) {
    const uses = drawn.filter(({ faults }) => faults.weights[kind] !== undefined).length;
    assert.ok(uses > 5 && uses < 80, `${kind}: ${uses} of 100`);
  }
  assert.equal([...new Set(drawn.map(({ members }) => members))].sort(), [3, 5]);
  assert.equal([...new Set(drawn.map(({ disk }) => disk.store))].sort(), ['log', 'memory']);
});

test('seeds are a number or a range', () => {
  assert.equal(parseSeeds('17'), { first: 17, last: 17 });
  assert.equal(parseSeeds('1..500'), { first: 1, last: 500 });
  for (const wrong of ['', 'x', '5..1', '1...2', '-1']) assert.throws(() => parseSeeds(wrong), /a number or a range/);
});

test.run();
