// The real collector over a made-up /proc and /sys: what it makes of the kernel's files, which may come and go.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Sample } from '../../src/actors/agent/collector.ts';
import { createProcCollector } from '../../src/actors/agent/proc-collector.ts';
import { hostMetrics } from '../../src/core/host-metrics.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';

const test = suite('proc collector');
const NOW = 1_700_000_000_000;

const STAT = (user: number, idle: number) => `cpu  ${user} 0 100 ${idle} 0 0 0 0 0 0
cpu0 ${user} 0 100 ${idle} 0 0 0 0 0 0
cpu1 0 0 0 0 0 0 0 0 0 0
processes 7030
procs_running 2
procs_blocked 1
`;
const DISK = (name: string, reads: number) => ` 254 0 ${name} ${reads} 0 8 0 20 0 16 0 0 1500 0 0 0 0 0 0\n`;
const ETH0 = '  eth0: 1000 10 1 2 0 0 0 0 3000 30 3 4 0 0 0 0\n';

/** A host with all that is read, under `root`; /proc/self/mounts names `root` itself, a directory that exists. */
function fakeHost() {
  const root = tempDirectory('proc');
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('proc/stat', STAT(500, 4_000));
  write(
    'proc/meminfo',
    'MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 200 kB\nSReclaimable: 50 kB\n' +
      'SwapTotal: 400 kB\nSwapFree: 300 kB\n',
  );
  write('proc/loadavg', '0.50 1.25 2.00 2/5 99\n');
  write('proc/uptime', '4711.25 9000.00\n');
  write('proc/diskstats', DISK('vda', 10) + DISK('vda1', 10) + DISK('loop0', 10));
  write('proc/net/dev', `Inter-| Receive | Transmit\n face |bytes packets\n${ETH0}`);
  write('proc/self/mounts', `/dev/vda1 ${root} ext4 rw 0 0\nproc /proc proc rw 0 0\n`);
  for (const pid of [1, 2, 30, 31, 32]) write(`proc/${pid}/comm`, 'x\n');
  for (const device of ['vda', 'loop0']) write(`sys/block/${device}/size`, '8\n');
  return { root, write, remove: (path: string) => rmSync(join(root, path)) };
}

/** `metric{label=value,…}` and its value. */
function told(sample: Sample): Map<string, number> {
  assert.is(sample.series.length, sample.values.length);
  return new Map(
    sample.series.map(({ metric, labels }, at) => [
      `${metric}{${Object.entries(labels)
        .map((pair) => pair.join('='))
        .join(',')}}`,
      sample.values[at] ?? 0,
    ]),
  );
}
const namesOf = (sample: Sample) => new Set(sample.series.map(({ metric }) => metric));
const unexpected = (message: string) => {
  throw new Error(`warned: ${message}`);
};

test('every metric that is promised comes, under its unit and kind, with labels in order, each series once', async () => {
  const { root } = fakeHost();
  const collector = createProcCollector(unexpected, root);
  // How full the file systems are is asked in the background.
  let sample = collector.collect(NOW);
  await until('the file system has answered', () => {
    sample = collector.collect(NOW);
    return namesOf(sample).has('system.filesystem.usage');
  });
  assert.equal([...namesOf(sample)].sort(), Object.keys(hostMetrics).sort());
  const seen = new Set<string>();
  for (const { metric, unit, kind, labels } of sample.series) {
    const promised = hostMetrics[metric as keyof typeof hostMetrics];
    assert.equal([unit, kind], [promised.unit, promised.kind], metric);
    assert.equal(Object.keys(labels), Object.keys(labels).sort(), metric);
    seen.add(JSON.stringify([metric, labels]));
  }
  assert.is(seen.size, sample.series.length);
  const usage = told(sample);
  const at = `system.device=/dev/vda1,system.filesystem.mountpoint=${root}`;
  assert.ok((usage.get(`system.filesystem.limit{${at},system.filesystem.type=ext4}`) ?? 0) > 0);
  const share = usage.get(`system.filesystem.utilization{${at},system.filesystem.type=ext4}`) ?? -1;
  assert.ok(share >= 0 && share <= 1, String(share));
  collector.close();
});

test('the values, with their labels; the first row knows no CPU utilization, the next one does', () => {
  const { root, write } = fakeHost();
  const collector = createProcCollector(unexpected, root);
  const first = collector.collect(NOW);
  assert.is(first.timestamp, NOW);
  const values = told(first);
  assert.ok(Number.isNaN(values.get('system.cpu.utilization{}')), 'a share of time needs two readings');
  const expected = {
    'system.cpu.time{cpu.mode=user}': 5,
    'system.cpu.time{cpu.mode=idle}': 40,
    'system.cpu.logical.count{}': 2,
    'system.cpu.load_average.5m{}': 1.25,
    'system.process.count{process.state=running}': 2,
    'system.process.count{process.state=blocked}': 1,
    'system.process.count{process.state=sleeping}': 2,
    'system.process.created{}': 7_030,
    'system.memory.utilization{}': 0.4,
    'system.memory.usage{system.memory.state=used}': 400 * 1024,
    'system.memory.usage{system.memory.state=cached}': 250 * 1024,
    'system.memory.limit{}': 1000 * 1024,
    'system.paging.usage{system.paging.state=used}': 100 * 1024,
    'system.paging.utilization{}': 0.25,
    'system.disk.io{disk.io.direction=read,system.device=vda}': 8 * 512,
    'system.disk.io{disk.io.direction=write,system.device=vda}': 16 * 512,
    'system.disk.operations{disk.io.direction=read,system.device=vda}': 10,
    'system.disk.io_time{system.device=vda}': 1.5,
    'system.uptime{}': 4711.25,
    'system.network.io{network.interface.name=eth0,network.io.direction=receive}': 1000,
    'system.network.io{network.interface.name=eth0,network.io.direction=transmit}': 3000,
    'system.network.packet.count{network.interface.name=eth0,network.io.direction=transmit}': 30,
    'system.network.errors{network.interface.name=eth0,network.io.direction=receive}': 1,
    'system.network.packet.dropped{network.interface.name=eth0,network.io.direction=transmit}': 4,
  };
  assert.equal(Object.fromEntries(Object.keys(expected).map((name) => [name, values.get(name)])), expected);
  assert.not.ok(
    [...values.keys()].some((name) => /vda1|loop0/.test(name)),
    'no partitions, no loops',
  );

  write('proc/stat', STAT(525, 4_075));
  assert.is(told(collector.collect(NOW + 1_000)).get('system.cpu.utilization{}'), 0.25);
  collector.close();
});

test('a file that is not there leaves its values unknown, and the others as they are; it may come later', () => {
  const { root, write, remove } = fakeHost();
  for (const gone of ['meminfo', 'diskstats', 'net/dev', 'uptime', 'loadavg', 'self/mounts']) remove(`proc/${gone}`);
  const collector = createProcCollector(unexpected, root);
  const without = told(collector.collect(NOW));
  for (const unknown of ['system.memory.utilization{}', 'system.uptime{}', 'system.cpu.load_average.1m{}'])
    assert.ok(Number.isNaN(without.get(unknown)), unknown);
  assert.is(without.get('system.cpu.time{cpu.mode=user}'), 5);
  assert.not.ok([...without.keys()].some((name) => /disk|network|filesystem/.test(name)));

  write('proc/uptime', '5.00 1.00\n');
  write('proc/net/dev', ETH0);
  const later = told(collector.collect(NOW + 1_000));
  assert.is(later.get('system.uptime{}'), 5);
  assert.ok(later.has('system.network.io{network.interface.name=eth0,network.io.direction=receive}'));
  collector.close();
});

test('where there is no /proc/stat nothing begins', () => {
  const root = tempDirectory('proc');
  assert.throws(() => createProcCollector(unexpected, root), /proc\/stat is not there/);
});

test('a new disk is a new set of series; as long as nothing comes or goes the set is the same array', () => {
  const { root, write } = fakeHost();
  const collector = createProcCollector(unexpected, root);
  write('proc/self/mounts', '');
  const before = collector.collect(NOW);
  assert.is(collector.collect(NOW + 1_000).series, before.series);

  write('sys/block/vdb/size', '8\n');
  write('proc/diskstats', DISK('vda', 11) + DISK('vdb', 3));
  const after = collector.collect(NOW + 2_000);
  assert.is.not(after.series, before.series);
  assert.is(after.series.length, before.series.length + 5);
  assert.is(told(after).get('system.disk.operations{disk.io.direction=read,system.device=vdb}'), 3);
  assert.is(told(after).get('system.disk.operations{disk.io.direction=read,system.device=vda}'), 11);
  assert.is(collector.collect(NOW + 3_000).series, after.series);
  collector.close();
});

test.run();
