// The real collector: this host, from /proc and /sys (Linux). One call reads seven files and costs well under a millisecond.
import { existsSync, readdirSync } from 'node:fs';
import {
  CPU_MODES,
  type CpuTimes,
  cpuUtilization,
  type DirectionCounters,
  parseDiskstats,
  parseLoadavg,
  parseMeminfo,
  parseMounts,
  parseNetDev,
  parseStat,
  parseUptime,
} from '../../core/linux-proc.ts';
import { VedetteError } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Collector } from './collector.ts';
import { watchFilesystems } from './filesystem-usage.ts';
import { keepFile } from './kept-file.ts';
import { createSampleBuilder, type SampleBuilder } from './sample-builder.ts';

const NONE = {};

/** Labels are made once per value and kept, so that the builder can compare them by identity. */
function labelSets(...keys: readonly string[]): (...values: readonly string[]) => Readonly<Record<string, string>> {
  const sets = new Map<string, Readonly<Record<string, string>>>();
  return (...values) => {
    const id = values.join('\0');
    let set = sets.get(id);
    if (set === undefined) {
      set = Object.fromEntries(keys.map((key, at) => [key, values[at] ?? '']));
      sets.set(id, set);
    }
    return set;
  };
}

const mode = labelSets('cpu.mode');
const memoryState = labelSets('system.memory.state');
const pagingState = labelSets('system.paging.state');
const processStatus = labelSets('process.state');
const disk = labelSets('system.device');
const diskDirection = labelSets('disk.io.direction', 'system.device');
const networkDirection = labelSets('network.interface.name', 'network.io.direction');
const filesystem = labelSets('system.device', 'system.filesystem.mountpoint', 'system.filesystem.type');
const filesystemState = labelSets(
  'system.device',
  'system.filesystem.mountpoint',
  'system.filesystem.state',
  'system.filesystem.type',
);

/**
 * @param root where /proc and /sys are found; '' on a host, another prefix in a container that mounts the host's, and in tests.
 * @throws VedetteError FAILED_PRECONDITION where there is no /proc/stat (not Linux, or hidden).
 */
export function createProcCollector(warn: (message: string) => void, root = ''): Collector {
  const path = (name: string) => `${root}/proc/${name}`;
  if (!existsSync(path('stat'))) {
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${path('stat')} is not there: the agent reads Linux's /proc. In a container, mount the host's /proc.`,
    );
  }
  const files = {
    stat: keepFile(path('stat')),
    meminfo: keepFile(path('meminfo')),
    loadavg: keepFile(path('loadavg')),
    uptime: keepFile(path('uptime')),
    diskstats: keepFile(path('diskstats')),
    network: keepFile(path('net/dev')),
    mounts: keepFile(path('self/mounts')),
  };
  const { seriesPerHostMax } = limits.frames;
  const builder = createSampleBuilder(seriesPerHostMax, (more) =>
    warn(
      `this host has ${more} series more than the ${seriesPerHostMax} that are taken: its last network interfaces are left out`,
    ),
  );
  const filesystems = watchFilesystems();
  const wholeDisks = new Map<string, boolean>();
  let cpuBefore: CpuTimes | null = null;

  function isWholeDisk(device: string): boolean {
    let whole = wholeDisks.get(device);
    if (whole === undefined) {
      whole = !/^(loop|ram|zram|fd)\d/.test(device) && existsSync(`${root}/sys/block/${device}`);
      wholeDisks.set(device, whole);
    }
    return whole;
  }

  function addCpu(): void {
    const stat = parseStat(files.stat.read());
    if (stat === null) return;
    builder.add('system.cpu.utilization', NONE, cpuBefore === null ? Number.NaN : cpuUtilization(cpuBefore, stat.cpu));
    cpuBefore = stat.cpu;
    for (const name of CPU_MODES) builder.add('system.cpu.time', mode(name), stat.cpu[name]);
    builder.add('system.cpu.logical.count', NONE, stat.cpuCount);
    const [one, five, fifteen] = parseLoadavg(files.loadavg.read());
    builder.add('system.cpu.load_average.1m', NONE, one);
    builder.add('system.cpu.load_average.5m', NONE, five);
    builder.add('system.cpu.load_average.15m', NONE, fifteen);
    const total = countProcesses(path(''));
    builder.add('system.process.count', processStatus('running'), stat.processesRunning);
    builder.add('system.process.count', processStatus('blocked'), stat.processesBlocked);
    builder.add(
      'system.process.count',
      processStatus('sleeping'),
      Math.max(0, total - stat.processesRunning - stat.processesBlocked),
    );
    builder.add('system.process.created', NONE, stat.processesCreated);
  }

  function addDisks(): void {
    for (const counters of parseDiskstats(files.diskstats.read(), isWholeDisk)) {
      const { device } = counters;
      builder.add('system.disk.io', diskDirection('read', device), counters.readBytes);
      builder.add('system.disk.io', diskDirection('write', device), counters.writtenBytes);
      builder.add('system.disk.operations', diskDirection('read', device), counters.readOperations);
      builder.add('system.disk.operations', diskDirection('write', device), counters.writeOperations);
      builder.add('system.disk.io_time', disk(device), counters.busySeconds);
    }
  }

  function addFilesystems(now: Millis): void {
    for (const usage of filesystems.usage(parseMounts(files.mounts.read()), now)) {
      const { device, mountpoint, type } = usage.mount;
      const state = (name: string) => filesystemState(device, mountpoint, name, type);
      builder.add('system.filesystem.usage', state('used'), usage.usedBytes);
      builder.add('system.filesystem.usage', state('free'), usage.freeBytes);
      builder.add('system.filesystem.usage', state('reserved'), usage.reservedBytes);
      const usable = usage.usedBytes + usage.freeBytes;
      builder.add('system.filesystem.utilization', filesystem(device, mountpoint, type), usage.usedBytes / usable);
      builder.add('system.filesystem.limit', filesystem(device, mountpoint, type), usable + usage.reservedBytes);
    }
  }

  return {
    collect(timestamp) {
      addCpu();
      addMemory(builder, parseMeminfo(files.meminfo.read()));
      addFilesystems(timestamp);
      addDisks();
      builder.add('system.uptime', NONE, parseUptime(files.uptime.read()));
      // Last, since there may be thousands.
      for (const { name, receive, transmit } of parseNetDev(files.network.read())) {
        addNetwork(builder, name, 'receive', receive);
        addNetwork(builder, name, 'transmit', transmit);
      }
      return builder.finish(timestamp);
    },
    close() {
      for (const file of Object.values(files)) file.close();
    },
  };
}

/** Used memory is what the kernel could not give to a new process (MemTotal − MemAvailable): caches are not "used". */
function addMemory(builder: SampleBuilder, meminfo: ReadonlyMap<string, number>): void {
  const of = (name: string) => meminfo.get(name) ?? Number.NaN;
  const total = of('MemTotal');
  const available = of('MemAvailable');
  const cached = of('Cached') + of('SReclaimable');
  builder.add('system.memory.utilization', NONE, (total - available) / total);
  builder.add('system.memory.usage', memoryState('used'), total - of('MemFree') - of('Buffers') - cached);
  builder.add('system.memory.usage', memoryState('buffers'), of('Buffers'));
  builder.add('system.memory.usage', memoryState('cached'), cached);
  builder.add('system.memory.usage', memoryState('free'), of('MemFree'));
  builder.add('system.memory.limit', NONE, total);
  builder.add('system.memory.linux.available', NONE, available);
  const swap = of('SwapTotal');
  const swapUsed = swap - of('SwapFree');
  builder.add('system.paging.usage', pagingState('used'), swapUsed);
  builder.add('system.paging.usage', pagingState('free'), of('SwapFree'));
  builder.add('system.paging.utilization', NONE, swap === 0 ? 0 : swapUsed / swap);
}

function addNetwork(builder: SampleBuilder, name: string, direction: string, counters: DirectionCounters): void {
  const labels = networkDirection(name, direction);
  builder.add('system.network.io', labels, counters.bytes);
  builder.add('system.network.packet.count', labels, counters.packets);
  builder.add('system.network.packet.dropped', labels, counters.dropped);
  builder.add('system.network.errors', labels, counters.errors);
}

/** Directories of /proc that are numbers. */
function countProcesses(procPath: string): number {
  let count = 0;
  try {
    for (const name of readdirSync(procPath)) {
      const first = name.charCodeAt(0);
      if (first >= 0x30 && first <= 0x39) count++;
    }
  } catch {
    return Number.NaN;
  }
  return count;
}
