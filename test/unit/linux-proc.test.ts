import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundTo } from '../../src/core/decimals.ts';
import {
  cpuUtilization,
  parseDiskstats,
  parseLoadavg,
  parseMeminfo,
  parseMounts,
  parseNetDev,
  parseStat,
  parseUptime,
} from '../../src/core/linux-proc.ts';

const test = suite('linux /proc');

const STAT = `cpu  6026 12 3390 296307 349 3 62 18 100 50
cpu0 2363 0 1343 149265 32 0 9 7 0 0
cpu1 3662 0 2046 147041 317 0 53 10 0 0
intr 323451 0 0
ctxt 758553
btime 1795521843
processes 7030
procs_running 2
procs_blocked 1
`;

test('the CPU line becomes seconds per mode; guest time is not counted twice', () => {
  const stat = parseStat(STAT);
  assert.ok(stat);
  assert.equal(stat.cpu, {
    user: 60.26,
    nice: 0.12,
    system: 33.9,
    idle: 2963.07,
    iowait: 3.49,
    interrupt: 0.03,
    softirq: 0.62,
    steal: 0.18,
  });
  assert.equal(stat.cpuCount, 2);
  assert.equal([stat.processesCreated, stat.processesRunning, stat.processesBlocked], [7030, 2, 1]);
});

test('a /proc/stat without a CPU line is nothing, not zeros', () => {
  assert.is(parseStat(''), null);
  assert.is(parseStat('intr 1 2 3\n'), null);
});

test('utilization is what was neither idle nor waiting for I/O', () => {
  const before = { user: 0, nice: 0, system: 0, idle: 0, iowait: 0, interrupt: 0, softirq: 0, steal: 0 };
  assert.is(cpuUtilization(before, { ...before, user: 0.5, idle: 1.2, iowait: 0.3 }), 0.25);
  assert.is(cpuUtilization(before, { ...before, idle: 2 }), 0);
  assert.ok(Number.isNaN(cpuUtilization(before, before)), 'no time passed: unknown');
  assert.is(cpuUtilization({ ...before, idle: 0.01 }, { ...before, user: 2 }), 1, 'idle ran backwards by a tick');
});

test('meminfo is in bytes', () => {
  const memory = parseMeminfo(
    'MemTotal:       24684092 kB\nMemAvailable:   24390364 kB\nHugePages_Total:       0\nbroken\n',
  );
  assert.is(memory.get('MemTotal'), 24684092 * 1024);
  assert.is(memory.get('MemAvailable'), 24390364 * 1024);
  assert.is(memory.get('Nothing'), undefined);
});

test('load averages and uptime', () => {
  assert.equal(parseLoadavg('0.03 1.02 12.04 1/94 7031\n'), [0.03, 1.02, 12.04]);
  assert.is(parseUptime('1534.48 2963.08\n'), 1534.48);
  assert.ok(Number.isNaN(parseUptime('')));
});

test('disks: whole devices that were used, sectors of 512 bytes', () => {
  const text = `   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 100 5 2000 30 50 6 4000 40 0 1230 70 0 0 0 0 0 0
 254       1 vda1 90 5 1900 30 50 6 4000 40 0 1230 70 0 0 0 0 0 0
 254      16 vdb 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
`;
  const disks = parseDiskstats(text, (device) => device === 'vda' || device === 'vdb');
  assert.equal(disks, [
    {
      device: 'vda',
      readOperations: 100,
      writeOperations: 50,
      readBytes: 2000 * 512,
      writtenBytes: 4000 * 512,
      busySeconds: 1.23,
    },
  ]);
});

test('interfaces that carried something, both ways', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    1    2    0     0          0         0     3194      30    3    4    0     0       0          0
  ifb0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`;
  assert.equal(parseNetDev(text), [
    {
      name: 'lo',
      receive: { bytes: 3193, packets: 29, errors: 1, dropped: 2 },
      transmit: { bytes: 3194, packets: 30, errors: 3, dropped: 4 },
    },
  ]);
});

test('local file systems only, each device once, escapes undone', () => {
  const text = `proc /proc proc rw 0 0
/dev/vda / ext4 rw 0 0
/dev/vda /bind ext4 rw 0 0
server:/export /net nfs4 rw 0 0
/dev/vdb /mnt/my\\040disk xfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
`;
  assert.equal(
    parseMounts(text).map(({ device, mountpoint }) => [device, mountpoint]),
    [
      ['/dev/vda', '/'],
      ['/dev/vdb', '/mnt/my disk'],
    ],
  );
});

test('short decimals', () => {
  assert.is(roundTo(0.123456, 4), 0.1235);
  assert.is(roundTo(1534.4849, 2), 1534.48);
  assert.is(roundTo(2 ** 60, 4), 2 ** 60, 'too large for digits after the point: as it is');
  assert.ok(Number.isNaN(roundTo(Number.NaN, 2)));
});

test.run();
