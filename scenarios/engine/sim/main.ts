// Runs many seeds: node --import tsx scenarios/engine/sim/main.ts 1..2000 [bug]   (or one seed with its whole trace: 17 --trace)
import { parseArgs } from 'node:util';
import { drawOptions } from './options.ts';
import { type PlantedBug, plantedBugs } from './planted.ts';
import { describeFailure, parseSeeds, type Tally, tally, tallyText } from './report.ts';
import { runSimulation } from './simulation.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trace: { type: 'boolean', default: false },
    bug: { type: 'string' },
    outcomes: { type: 'boolean', default: false },
  },
});
const { first, last } = parseSeeds(positionals[0] ?? '1..500');
const bug = values.bug;
if (bug !== undefined && !Object.hasOwn(plantedBugs, bug))
  throw new Error(`no planted bug ${bug}; there are ${Object.keys(plantedBugs).join(', ')}`);

const totals = new Map<string, Tally>();
let delivered = 0;
let failed = 0;
const began = process.cpuUsage();
for (let seed = first; seed <= last; seed++) {
  const options = drawOptions(seed);
  const planted = bug === undefined ? {} : plantedBugs[bug as PlantedBug](options);
  const result = runSimulation(options, {
    planted,
    promises: !values.outcomes,
    ...(values.trace && { trace: (line: string) => console.log(line) }),
  });
  delivered += result.delivered;
  tally(totals, result.brought);
  if (result.failure !== null) {
    failed++;
    console.log(describeFailure(result));
  } else if (first === last) {
    console.log(JSON.stringify(result, null, 2));
  }
}
console.log(`faults that touched something: ${tallyText(totals)}`);
const cpu = process.cpuUsage(began);
const seconds = (cpu.user + cpu.system) / 1e6;
console.log(
  `seeds ${first}..${last}: ${failed} failed; ${delivered} messages delivered in ${seconds.toFixed(1)} s of one core's time (${Math.round(delivered / seconds)}/s)`,
);
process.exitCode = failed === 0 ? 0 : 1;
