// Random schedules over the bare charts: messages lost, doubled, reordered and held, links cut one way or both, disks that hang,
// crashes that lose what was not synced, timers at any moment. The network checks safety after every step (raft-charts.ts); in the
// end everything heals, and the group must come to agree. The full simulator runs the same charts inside their actors.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
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

function run(seed: number): void {
  const random = createRandom(seed);
  const names = ['a', 'b', 'c', 'd', 'e'].slice(0, random.integer(1, 5));
  const charts = createCharts(names, {
    seed,
    options: { inflightMax: random.integer(1, 8), closedConnectionHint: random.next() < 0.7 },
  });
  const count = { proposals: 0 };
  for (let operation = 0; operation < OPERATIONS; operation++) happen(charts, random, count);

  charts.heal();
  for (const name of names) charts.member(name).diskHangs = false;
  charts.settle();
  charts.advance(4_000);
  const leader = charts.leader();
  assert.ok(leader !== undefined, 'somebody leads');
  charts.propose(leader, 'last');
  charts.settle();
  charts.advance(500);
  for (const name of names) {
    assert.equal(charts.applied(name).at(-1), 'last', name);
    assert.deepEqual(charts.terms(name), charts.terms(leader), name);
    assert.equal(charts.context(name).leader, leader);
  }
}

test(`${SEEDS} random schedules of ${OPERATIONS} operations are safe, and end in agreement`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
});

test.run();
