// The simulator: messages delivered a second of one core's time, with every invariant checked after every turn, beside the bare rate
// of stepping the Raft chart in the same run, to which nothing that simulates it can come. Processor time is counted, not time on the
// wall: others may use the machine.
//
//   vedette bench sim [--seconds=40] [--json]
import type { BrokerId } from '../src/core/ids.ts';
import { parseBrokerId } from '../src/core/ids.ts';
import { limits } from '../src/core/limits.ts';
import type { RaftEvent } from '../src/machines/raft/events.ts';
import { foundedBy } from '../src/machines/raft/membership.ts';
import { raftMachine } from '../src/machines/raft/raft-machine.ts';
import { createStepper } from '../src/streams/stepper.ts';
import { drawOptions } from '../scenarios/engine/sim/options.ts';
import { runSimulation } from '../scenarios/engine/sim/simulation.ts';
import { benchFlags } from './flags.ts';

const AIM = 25_000;
/** Until then V8 has compiled most of what is used: it takes as long as the runs themselves. */
const WARM_SEEDS = 100;
const FIRST_SEED = 1000;

const flags = benchFlags('sim', { seconds: 40 });

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What a seed's run does, over as many seeds as fit into the time. */
async function measureSimulator(seconds: number) {
  // A signal is heard between two runs.
  const run = async (seed: number) => {
    await new Promise((heard) => setImmediate(heard));
    return runSimulation(drawOptions(seed));
  };
  for (let seed = 1; seed <= WARM_SEEDS; seed++) await run(seed);
  const began = cpuSeconds();
  let delivered = 0;
  let virtualMs = 0;
  let seeds = 0;
  while (cpuSeconds() - began < seconds) {
    const result = await run(FIRST_SEED + seeds);
    if (result.failure !== null) throw result.failure;
    seeds++;
    delivered += result.delivered;
    virtualMs += result.virtualMs;
  }
  const spent = cpuSeconds() - began;
  return { seeds, perSecond: delivered / spent, timesFaster: virtualMs / 1000 / spent };
}

const [a, b, c] = ['a', 'b', 'c'].map((name) => parseBrokerId(name)) as [BrokerId, BrokerId, BrokerId];
const { inflightMax, inflightBytesMax, uncommittedBytesMax } = limits.raft;

/** A leader of three that commits one proposal after another: what it is stepped with for each of them. */
function measureChart(seconds: number): number {
  const stepper = createStepper(raftMachine, {
    self: a,
    configurations: foundedBy([a, b, c]),
    options: {
      heartbeatMs: 50,
      electionMinMs: 250,
      electionMaxMs: 500,
      closedConnectionHint: true,
      leaseReads: false,
      diskPatienceMs: 2_000,
      boot: 1,
      inflightMax,
      inflightBytesMax,
      uncommittedBytesMax,
    },
    term: 0,
    votedFor: null,
    log: { firstIndex: 1, previousTerm: 0, lastIndex: 0, runs: [] },
    seed: 1,
    at: 0,
  });
  let { snapshot } = stepper.initial();
  let steps = 0;
  const step = (event: RaftEvent) => {
    ({ snapshot } = stepper.step(snapshot, event));
    steps++;
  };
  const at = 1000;
  const answer = { from: b, to: a, at } as const;
  step({ type: 'xstate.after.electionTimeout.raft.follower', at } as unknown as RaftEvent);
  step({ type: 'preVoteReply', ...answer, term: 1, granted: true });
  step({ type: 'voteReply', ...answer, term: 1, granted: true });
  if (snapshot.context.leadership === null) throw new Error('the chart was not elected');
  const settle = (index: number) => {
    step({ type: 'log.synced', index, term: 1, at });
    for (const from of [b, c])
      step({ type: 'appendReply', ...answer, from, term: 1, rejected: false, index, hintIndex: 0, hintTerm: 0 });
    step({ type: 'applied', index, at });
  };
  settle(1);
  steps = 0;
  const began = cpuSeconds();
  for (let index = 2; cpuSeconds() - began < seconds; ) {
    for (const end = index + 500; index < end; index++) {
      step({ type: 'propose', ticket: index, count: 1, bytes: 100, at });
      settle(index);
    }
  }
  return steps / (cpuSeconds() - began);
}

// The simulator first: what V8 has learnt of the chart alone makes it no faster.
const { seeds, perSecond, timesFaster } = await measureSimulator(flags.seconds);
const chart = measureChart(Math.min(1, flags.seconds));
const figures = {
  deliveredPerSecond: Math.round(perSecond),
  chartStepsPerSecond: Math.round(chart),
  seeds,
  timesFasterThanTime: Math.round(timesFaster),
};
if (flags.json) console.log(JSON.stringify(figures));
else {
  const number = (value: number) => Math.round(value).toLocaleString('en').padStart(11);
  console.log(`${number(perSecond)} messages delivered a second of one core, all invariants checked (${seeds} seeds)`);
  console.log(
    `${number(chart)} steps of the Raft chart alone a second: ${(chart / perSecond).toFixed(1)} to a message`,
  );
  console.log(`${number(timesFaster)} times faster than the time it simulates`);
  console.log(perSecond >= AIM ? `at least ${AIM}: yes` : `at least ${AIM}: no`);
}
process.exitCode = perSecond >= AIM ? 0 : 1;
