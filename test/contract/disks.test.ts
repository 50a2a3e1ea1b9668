import { join } from 'node:path';
import { nativeWriteDurably } from '../../src/actors/kernels.ts';
import { createNodeDisk } from '../../src/actors/stores/node-disk.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createLatency } from '../../scenarios/engine/sim/latency.ts';
import { createSimDisk } from '../../scenarios/engine/sim/sim-disk.ts';
import { createMemoryDisk } from '../support/memory-disk.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';
import { type DiskUnderTest, diskContract } from './disk-contract.ts';

function onSystem(native: typeof nativeWriteDurably): DiskUnderTest {
  const disk = createNodeDisk(native);
  return {
    file: () => disk.open(join(tempDirectory('disk'), 'file'), 'create'),
    full: () => disk.open('/dev/full', 'readWrite'),
    // A device that has nothing to sync.
    unsyncable: () => disk.open('/dev/null', 'readWrite'),
    until,
  };
}

diskContract('node:fs', () => onSystem(null)).run();
if (nativeWriteDurably === null)
  process.stdout.write('# one task for write and sync: not built, or not for this system\n');
else diskContract('node:fs, write and sync as one task', () => onSystem(nativeWriteDurably)).run();

function turning(clock = createVirtualClock()) {
  return {
    clock,
    until(what: string, condition: () => boolean) {
      while (!condition()) if (!clock.step()) throw new Error(`in vain: ${what}`);
    },
  };
}

diskContract('in memory', () => {
  const { clock, until: turn } = turning();
  const disk = createMemoryDisk(clock);
  return {
    file: () => disk.open('/file', 'create'),
    full() {
      disk.noSpace = true;
      return disk.open('/full', 'create');
    },
    unsyncable() {
      disk.failSync = true;
      return disk.open('/failing', 'create');
    },
    until: turn,
  };
}).run();

diskContract('simulated', () => {
  const { clock, until: turn } = turning();
  const random = createRandom(1);
  const options = { store: 'log', segmentBytes: 0, cacheBytes: 0, syncMinMs: 1, syncMeanMs: 0 } as const;
  const sim = createSimDisk(random.fork('crashes'), createLatency(random.fork('latency'), options));
  const disk = sim.mount(clock);
  return {
    file: () => disk.open('/file', 'create'),
    full() {
      sim.faults.freeBytes = 100;
      return disk.open('/full', 'create');
    },
    unsyncable() {
      sim.faults.failSyncs = true;
      return disk.open('/failing', 'create');
    },
    until: turn,
  };
}).run();
