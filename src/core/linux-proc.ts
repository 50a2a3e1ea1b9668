// The kernel's text files, parsed. Formats: proc(5), Documentation/filesystems/proc.rst and Documentation/admin-guide/iostats.rst
// of the Linux sources. A line that is missing or malformed yields nothing (a container may hide it), never a wrong number.

/** USER_HZ: the unit of /proc/stat's CPU columns, 1/100 s on every architecture Linux still supports for user space. */
const TICKS_PER_SECOND = 100;
/** /proc/diskstats counts in sectors of 512 bytes, whatever the device's own. */
const SECTOR_BYTES = 512;

export const CPU_MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal'] as const;
export type CpuMode = (typeof CPU_MODES)[number];
/** Seconds since boot that all CPUs together spent in each mode. */
export type CpuTimes = Readonly<Record<CpuMode, number>>;

export interface KernelStat {
  readonly cpu: CpuTimes;
  readonly cpuCount: number;
  readonly processesCreated: number;
  readonly processesRunning: number;
  readonly processesBlocked: number;
}

function* lines(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf('\n', start);
    const stop = end < 0 ? text.length : end;
    if (stop > start) yield text.slice(start, stop);
    start = stop + 1;
  }
}

const columns = (line: string): string[] => line.trim().split(/\s+/);
/** A field that is missing or empty is unknown: Number('') would make it 0. */
const numberAt = (fields: readonly string[], at: number): number => Number(fields[at] || Number.NaN);

/**
 * /proc/stat. `guest` and `guest_nice` are left out: the kernel has counted them in `user` and `nice` already.
 * Returns null when the first line is not the CPU's.
 */
export function parseStat(text: string): KernelStat | null {
  let cpu: CpuTimes | null = null;
  let cpuCount = 0;
  let created = Number.NaN;
  let running = Number.NaN;
  let blocked = Number.NaN;
  for (const line of lines(text)) {
    if (line.startsWith('cpu ')) cpu = parseCpuLine(line);
    else if (line.startsWith('cpu')) cpuCount++;
    else if (line.startsWith('processes ')) created = numberAt(columns(line), 1);
    else if (line.startsWith('procs_running ')) running = numberAt(columns(line), 1);
    else if (line.startsWith('procs_blocked ')) blocked = numberAt(columns(line), 1);
  }
  if (cpu === null) return null;
  return { cpu, cpuCount, processesCreated: created, processesRunning: running, processesBlocked: blocked };
}

function parseCpuLine(line: string): CpuTimes {
  const fields = columns(line);
  const seconds = (at: number) => numberAt(fields, at) / TICKS_PER_SECOND;
  return {
    user: seconds(1),
    nice: seconds(2),
    system: seconds(3),
    idle: seconds(4),
    iowait: seconds(5),
    interrupt: seconds(6),
    softirq: seconds(7),
    steal: seconds(8),
  };
}

/**
 * The share of CPU time that was neither idle nor waiting for I/O between two readings, 0 to 1. NaN when no time passed. The
 * kernel may let idle and iowait run backwards by a tick, so the result is held within bounds.
 */
export function cpuUtilization(before: CpuTimes, after: CpuTimes): number {
  let total = 0;
  for (const mode of CPU_MODES) total += after[mode] - before[mode];
  if (!(total > 0)) return Number.NaN;
  const idle = after.idle - before.idle + (after.iowait - before.iowait);
  return Math.min(1, Math.max(0, 1 - idle / total));
}

/** /proc/meminfo: bytes by name, e.g. `MemTotal`. */
export function parseMeminfo(text: string): ReadonlyMap<string, number> {
  const bytes = new Map<string, number>();
  for (const line of lines(text)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const kibibytes = Number.parseInt(line.slice(colon + 1), 10);
    if (Number.isFinite(kibibytes)) bytes.set(line.slice(0, colon), kibibytes * 1024);
  }
  return bytes;
}

/** /proc/loadavg: the averages over 1, 5 and 15 minutes. */
export function parseLoadavg(text: string): readonly [number, number, number] {
  const fields = columns(text);
  return [numberAt(fields, 0), numberAt(fields, 1), numberAt(fields, 2)];
}

/** /proc/uptime: seconds since boot. */
export function parseUptime(text: string): number {
  return numberAt(columns(text), 0);
}

export interface DiskCounters {
  readonly device: string;
  readonly readOperations: number;
  readonly writeOperations: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Seconds with at least one request under way. */
  readonly busySeconds: number;
}

/** /proc/diskstats: devices that were ever used; `isWhole` picks disks over their partitions. */
export function parseDiskstats(text: string, isWhole: (device: string) => boolean): DiskCounters[] {
  const disks: DiskCounters[] = [];
  for (const line of lines(text)) {
    const fields = columns(line);
    const device = fields[2];
    if (device === undefined || fields.length < 14 || !isWhole(device)) continue;
    const disk: DiskCounters = {
      device,
      readOperations: numberAt(fields, 3),
      readBytes: numberAt(fields, 5) * SECTOR_BYTES,
      writeOperations: numberAt(fields, 7),
      writtenBytes: numberAt(fields, 9) * SECTOR_BYTES,
      busySeconds: numberAt(fields, 12) / 1000,
    };
    if (disk.readOperations + disk.writeOperations > 0) disks.push(disk);
  }
  return disks;
}

export interface InterfaceCounters {
  readonly name: string;
  readonly receive: DirectionCounters;
  readonly transmit: DirectionCounters;
}
export interface DirectionCounters {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** /proc/net/dev: interfaces that ever carried something. */
export function parseNetDev(text: string): InterfaceCounters[] {
  const interfaces: InterfaceCounters[] = [];
  for (const line of lines(text)) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const fields = columns(line.slice(colon + 1));
    if (fields.length < 12) continue;
    const direction = (first: number): DirectionCounters => ({
      bytes: numberAt(fields, first),
      packets: numberAt(fields, first + 1),
      errors: numberAt(fields, first + 2),
      dropped: numberAt(fields, first + 3),
    });
    const counters = { name: line.slice(0, colon).trim(), receive: direction(0), transmit: direction(8) };
    if (counters.receive.packets + counters.transmit.packets > 0) interfaces.push(counters);
  }
  return interfaces;
}

export interface Mount {
  readonly device: string;
  readonly mountpoint: string;
  readonly type: string;
}

// Asking a network file system for its size can hang for minutes when its server is away, so only local ones are asked.
const LOCAL_TYPES = new Set([
  'ext2',
  'ext3',
  'ext4',
  'xfs',
  'btrfs',
  'zfs',
  'f2fs',
  'bcachefs',
  'vfat',
  'exfat',
  'ntfs3',
  'overlay',
]);

/** /proc/self/mounts: local file systems that hold data, each device once (the first mount of it wins over bind mounts). */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  const seen = new Set<string>();
  for (const line of lines(text)) {
    const [device, mountpoint, type] = columns(line);
    if (device === undefined || mountpoint === undefined || type === undefined || !LOCAL_TYPES.has(type)) continue;
    const identity = type === 'overlay' ? mountpoint : device;
    if (seen.has(identity)) continue;
    seen.add(identity);
    mounts.push({ device, mountpoint: unescapeOctal(mountpoint), type });
  }
  return mounts;
}

/** The kernel writes spaces and the like in mount points as \040. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
