// The real log store, over a simulated disk.
import { kernels } from '../../../src/actors/kernels.ts';
import { openLog } from '../../../src/actors/stores/log-store.ts';
import type { Random } from '../../../src/streams/random.ts';
import { createLatency } from './latency.ts';
import type { DiskOptions } from './options.ts';
import { createSimDisk } from './sim-disk.ts';
import type { SimStore } from './store.ts';

/** Enough for some batches of a run to go into zeros, and for some to reach beyond them. */
const PREALLOCATE_BYTES = 4096;

export function createLogOverDisk(random: Random, options: DiskOptions): SimStore {
  const latency = createLatency(random.fork('latency'), options);
  const disk = createSimDisk(random.fork('crashes'), latency);
  const { segmentBytes, cacheBytes } = options;
  return {
    open: (clock, failed) =>
      openLog({
        disk: disk.mount(clock),
        directory: '/log',
        clock,
        random: random.fork('store'),
        kernels,
        warn() {},
        failed,
        options: { segmentBytes, cacheBytes, preallocateBytes: PREALLOCATE_BYTES },
      }),
    crash() {
      latency.forget();
      // The kernel has said it once, and takes what it lost for written.
      disk.faults.failSyncs = false;
      disk.crash();
    },
    wipe: disk.wipe,
    impose(trouble) {
      if (trouble.kind === 'slow' || trouble.kind === 'hang') return latency.impose(trouble);
      disk.faults.touched = () => trouble.touched++;
      if (trouble.kind === 'full') disk.faults.freeBytes = 0;
      else disk.faults.failSyncs = true;
    },
    lift(trouble) {
      if (trouble.kind === 'slow' || trouble.kind === 'hang') latency.lift(trouble);
      else if (trouble.kind === 'full') disk.faults.freeBytes = Number.MAX_SAFE_INTEGER;
      else disk.faults.failSyncs = false;
    },
    spoil: () => disk.spoil('/log/'),
    tear(die) {
      disk.faults.tearing = die;
    },
    calm(maxMs) {
      latency.calm(maxMs);
      disk.faults.failSyncs = false;
      disk.faults.freeBytes = Number.MAX_SAFE_INTEGER;
      disk.faults.tearing = null;
    },
  };
}
