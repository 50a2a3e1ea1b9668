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
      disk.crash();
    },
    wipe: disk.wipe,
    impose: latency.impose,
    lift: latency.lift,
    calm: latency.calm,
  };
}
