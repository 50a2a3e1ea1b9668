// Finds the planted bugs: for each the first seed that shows it, what was broken there, and how many runs that took. The same seed
// passes without the bug.
//   npm run sim:planted -- [BUG…] [--seeds 1..2000] [--promises]
import { parseArgs } from 'node:util';
import { drawOptions } from './options.ts';
import { type PlantedBug, plantedBugs } from './planted.ts';
import { parseSeeds } from './report.ts';
import { runSimulation } from './simulation.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1..2000' },
    /** What a member may say, and when, is looked at, too, and not only what comes of it. */
    promises: { type: 'boolean', default: false },
  },
});
const { first, last } = parseSeeds(values.seeds);
const known = Object.keys(plantedBugs) as PlantedBug[];
const isBug = (name: string): name is PlantedBug => Object.hasOwn(plantedBugs, name);
const PROGRESS_RUNS = 25;

function find(bug: PlantedBug): boolean {
  for (let seed = first; seed <= last; seed++) {
    const runs = seed - first + 1;
    if (runs % PROGRESS_RUNS === 0) process.stderr.write(`${bug}: ${runs} of ${last - first + 1} runs\r`);
    const options = drawOptions(seed);
    const { failure } = runSimulation(options, { planted: plantedBugs[bug](options), promises: values.promises });
    if (failure === null) continue;
    const without = runSimulation(options, { promises: values.promises }).failure;
    const [said = ''] = failure.message.split('\n');
    console.log(`${bug.padEnd(26)} seed ${String(seed).padStart(4)} (${runs} runs)  ${said}`);
    if (without !== null) console.log(`  but that seed fails without it, too: ${without.message.split('\n')[0]}`);
    return without === null;
  }
  console.log(`${bug.padEnd(26)} NOT FOUND within ${last - first + 1} runs`);
  return false;
}

const wrong = positionals.find((name) => !isBug(name));
if (wrong !== undefined) throw new Error(`no planted bug ${wrong}; there are ${known.join(', ')}`);
const asked = positionals.length > 0 ? positionals.filter(isBug) : known;
const found = asked.filter(find).length;
console.log(`${found} of ${asked.length} planted bugs found`);
process.exitCode = found === asked.length ? 0 : 1;
