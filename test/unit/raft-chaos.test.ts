// Random schedules over the bare charts: messages lost, doubled, reordered and held, links cut one way or both, disks that hang,
// crashes that lose what was not synced, timers at any moment. The network checks safety after every step (raft-charts.ts); in the
// end everything heals, and the group must come to agree. The full simulator runs the same charts inside their actors.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { BrokerId } from '../../src/core/ids.ts';
import { createRandom, type Random } from '../../src/streams/random.ts';
import { type Charts, createCharts, id } from '../support/raft-charts.ts';

const SEEDS = 60;
const OPERATIONS = 250;

function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : items[random.integer(0, items.length - 1)];
}

/** One thing that happens, drawn by weight. */
function happen(charts: Charts, random: Random, count: { proposals: number }): void {
  const name = pick(random, charts.ids) ?? id('a');
  const other =
    pick(
      random,
      charts.ids.filter((one) => one !== name),
    ) ?? name;
  const message = pick(random, charts.waiting());
  const weighted: [number, () => void][] = [
    [40, () => message !== undefined && charts.deliver((one) => one === message)],
    [10, () => charts.deliver()],
    [8, () => message !== undefined && charts.repeat(message)],
    [6, () => message !== undefined && charts.drop((one) => one === message)],
    [25, () => charts.sync(name)],
    [15, () => charts.propose(charts.leader() ?? name, `x${count.proposals++}`)],
    [3, () => charts.read(charts.leader() ?? name)],
    [10, () => charts.beat()],
    [4, () => charts.restart(name)],
    [3, () => charts.isolate(name)],
    [4, () => charts.cut(name, other)],
    [4, () => charts.heal()],
    [4, () => charts.step(name, { type: 'peer.closed', peer: other })],
    [4, () => charts.step(name, { type: 'peer.opened', peer: other })],
    [2, () => (charts.member(name).diskHangs = !charts.member(name).diskHangs)],
    [8, () => charts.advance(random.integer(1, 120))],
    [4, () => charts.skip(random.integer(1, 300))],
  ];
  let left = random.integer(
    1,
    weighted.reduce((sum, [weight]) => sum + weight, 0),
  );
  for (const [weight, act] of weighted) {
    left -= weight;
    if (left <= 0) {
      act();
      return;
    }
  }
}

/** The membership changes, leadership is handed over, and disks are wiped, one at a time. */
function change(charts: Charts, random: Random): void {
  const leader = charts.leader() ?? id('a');
  const voters = charts.ids.filter(() => random.next() < 0.6);
  const joining = charts.ids.filter((name) => !voters.includes(name) && random.next() < 0.5);
  const isSound = charts.ids.every((name) => charts.context(name).sound && charts.member(name).alive);
  // Of two voters both are needed: a disk that is wiped then may hold up everything, rightly.
  const isSpare = charts.ids.every((name) => {
    const { voters: incoming, outgoing } = charts.configuration(name);
    return [incoming, outgoing].every(({ length }) => length === 0 || length > 2);
  });
  const name = pick(random, charts.ids) ?? id('a');
  const kind = random.integer(1, 10);
  if (kind <= 4 && isSound) charts.change(leader, { voters, learners: [], joining });
  else if (kind <= 7) charts.handOver(leader, name);
  else if (kind <= 8 && isSound && isSpare) charts.restartUncertain(name);
  else charts.read(name);
}

/** Those who belong to the group in the end agree, and no change is left half done. */
function churn(seed: number): void {
  const random = createRandom(seed);
  const names = ['a', 'b', 'c', 'd', 'e'];
  const closedConnectionHint = random.next() < 0.6;
  const charts = createCharts(names, {
    seed,
    founders: names.slice(0, random.integer(1, 3)),
    options: { inflightMax: random.integer(1, 8), closedConnectionHint, leaseReads: !closedConnectionHint },
  });
  const count = { proposals: 0 };
  for (let operation = 0; operation < OPERATIONS; operation++) {
    if (random.next() < 0.12) change(charts, random);
    else happen(charts, random, count);
  }

  const leader = recovered(charts);
  const { voters, outgoing, learners } = charts.configuration(leader);
  assert.deepEqual(outgoing, [], 'no change is left half done');
  agree(charts, leader, [...voters, ...learners]);
  for (const name of voters) assert.ok(charts.context(name).sound, `${name} counts again`);
}

/** Everything heals; who leads then. */
function recovered(charts: Charts): BrokerId {
  charts.heal();
  for (const name of charts.ids) charts.member(name).diskHangs = false;
  charts.settle();
  charts.advance(6_000);
  const leader = charts.leader();
  assert.ok(leader !== undefined, 'somebody leads');
  charts.propose(leader, 'last');
  charts.settle();
  charts.advance(1_000);
  return id(leader);
}

function agree(charts: Charts, leader: BrokerId, names: readonly BrokerId[]): void {
  for (const name of names) {
    assert.equal(charts.applied(name).at(-1), 'last', name);
    assert.deepEqual(charts.terms(name), charts.terms(leader), name);
    assert.equal(charts.context(name).leader, leader);
  }
}

function run(seed: number): void {
  const random = createRandom(seed);
  const names = ['a', 'b', 'c', 'd', 'e'].slice(0, random.integer(1, 5));
  const charts = createCharts(names, {
    seed,
    options: { inflightMax: random.integer(1, 8), closedConnectionHint: random.next() < 0.7 },
  });
  const count = { proposals: 0 };
  for (let operation = 0; operation < OPERATIONS; operation++) happen(charts, random, count);

  agree(charts, recovered(charts), charts.ids);
}

function everySeed(of: (seed: number) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      of(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

test(`${SEEDS} random schedules of ${OPERATIONS} operations are safe, and end in agreement`, () => everySeed(run));

test(`${SEEDS} more in which members come and go, hand over leadership, read, and lose their disks`, () =>
  everySeed(churn));

test.run();
