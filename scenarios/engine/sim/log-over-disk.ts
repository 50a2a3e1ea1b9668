// The real log store, over a simulated disk.
import { kernels } from '../../../src/actors/kernels.ts';
import { openLog } from '../../../src/actors/stores/log-store.ts';
import type { Random } from '../../../src/streams/random.ts';
import { payloadsOfGroup } from './group-payloads.ts';
import { createLatency } from './latency.ts';
import type { DiskOptions } from './options.ts';
import { createSimDisk } from './sim-disk.ts';
import { calmDown, imposeOn, liftFrom, type SimStore } from './store.ts';

/** Enough for some batches of a run to go into zeros, and for some to reach beyond them. */
const PREALLOCATE_BYTES = 4096;

export function createLogOverDisk(random: Random, options: DiskOptions): SimStore {
  const latency = createLatency(random.fork('latency'), options);
  const disk = createSimDisk(random.fork('crashes'), latency);
  const { segmentBytes, cacheBytes } = options;
  return {
    open: (clock, failed, warn) =>
      openLog({
        disk: disk.mount(clock),
        directory: '/log',
        clock,
        random: random.fork('store'),
        kernels,
        warn,
        failed,
        options: { segmentBytes, cacheBytes, preallocateBytes: PREALLOCATE_BYTES },
      }),
    watch(reached) {
      disk.faults.reached = reached;
    },
    crash() {
      latency.forget();
      // The kernel has said it once, and takes what it lost for written.
      disk.faults.failSyncs = false;
      disk.crash();
    },
    wipe: disk.wipe,
    impose: (trouble) => imposeOn(disk, latency, trouble),
    lift: (trouble) => liftFrom(disk, latency, trouble),
    spoil: (group) =>
      disk.spoil('/log/', ...(group === null ? [] : [(segment: Uint8Array) => payloadsOfGroup(segment, group)])),
    tear(die) {
      disk.faults.tearing = die;
    },
    calm: (maxMs) => calmDown(disk, latency, maxMs),
  };
}
