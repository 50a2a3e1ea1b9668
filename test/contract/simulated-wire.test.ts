import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNetwork } from '../../scenarios/engine/sim/network.ts';
import { plainLink } from '../../scenarios/engine/sim/schedule.ts';
import type { NetworkOptions } from '../../scenarios/engine/sim/options.ts';
import { createSimulatedWirePair } from '../../scenarios/engine/sim/simulated-wire.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { wireContract } from './wire-contract.ts';

const calm: NetworkOptions = {
  lossChance: 0,
  duplicateChance: 0,
  delayMinMs: 1,
  delayMeanMs: 5,
  straggleChance: 0,
  ordered: true,
  linkMessagesMax: 100_000,
  closeNoticedChance: 0,
};

let clock = createVirtualClock();
wireContract<number>(
  'over the simulated network',
  () => {
    clock = createVirtualClock();
    const network = createNetwork(clock, createRandom('wire'), 2, calm);
    return { ...createSimulatedWirePair<number>(clock, network, 0, 1), close() {} };
  },
  {
    message: (value) => value,
    value: (message) => message,
    until(what, condition) {
      while (!condition()) if (!clock.step()) throw new Error(`in vain: ${what}`);
    },
  },
).run();

const test = suite('A simulated wire over a bad network');

test('loses messages, but never repeats or reorders them', () => {
  const time = createVirtualClock();
  const bad = { ...calm, ordered: false, lossChance: 0.2, duplicateChance: 0.5, delayMeanMs: 50, straggleChance: 0.05 };
  const network = createNetwork(time, createRandom('bad'), 2, bad);
  const { a, b } = createSimulatedWirePair<number>(time, network, 0, 1);
  const got: number[] = [];
  b.inbox.subscribe((n) => got.push(n));
  for (let n = 0; n < 2000; n++) {
    a.outbox.next(n);
    time.advance(10);
  }
  time.advance(10_000);
  assert.ok(got.length > 300 && got.length < 1700, `${got.length} of 2000 arrived`);
  for (let n = 1; n < got.length; n++) assert.ok((got[n] ?? 0) > (got[n - 1] ?? 0));
});

test('loses nothing where the network does not, however its messages overtake each other', () => {
  const time = createVirtualClock();
  const unordered = { ...calm, ordered: false, duplicateChance: 0.2, delayMeanMs: 50, straggleChance: 0.05 };
  const { a, b } = createSimulatedWirePair<number>(time, createNetwork(time, createRandom('calm'), 2, unordered), 0, 1);
  const got: number[] = [];
  let ended = false;
  b.inbox.subscribe({ next: (n) => got.push(n), complete: () => (ended = true) });
  const all = Array.from({ length: 200 }, (_, n) => n);
  for (const n of all) a.outbox.next(n);
  a.outbox.complete();
  time.advance(60_000);
  assert.equal(got, all);
  assert.ok(ended);
});

test('waits for no message that is lost', () => {
  const time = createVirtualClock();
  const network = createNetwork(time, createRandom('cut'), 2, { ...calm, ordered: false });
  const { a, b } = createSimulatedWirePair<number>(time, network, 0, 1);
  const got: number[] = [];
  b.inbox.subscribe((n) => got.push(n));
  const cut = { cut: true, change: plainLink, touched: 0 };
  network.impose(0, 1, cut);
  a.outbox.next(1);
  network.lift(0, 1, cut);
  a.outbox.next(2);
  time.advance(1000);
  assert.equal(got, [2]);
});

test.run();
