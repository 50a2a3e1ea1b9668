// watchdog: 120s
// A cluster of whole brokers loses its majority for ever, and is recovered from what one of them has.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openRecovery, type Recovery, type RecoveryPlan } from '../../src/actors/cluster/recovery.ts';
import type { Disk, DiskFile } from '../../src/actors/stores/disk.ts';
import { readIdentity } from '../../src/actors/stores/identity.ts';
import { openLog } from '../../src/actors/stores/log-store.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ClusterId, GroupId } from '../../src/core/ids.ts';
import { vedette } from '../../src/core/proto.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { MemoryCluster } from '../support/memory-cluster.ts';
import type { MemoryDisk } from '../support/memory-disk.ts';
import { readRows, startAgent, started, startSubscriber, stopSettled } from '../support/scenes.ts';

const test = suite('recovery');
const [ONE, TWO, THREE, FOUR] = ['broker-1', 'broker-2', 'broker-3', 'broker-4'] as [
  BrokerId,
  BrokerId,
  BrokerId,
  BrokerId,
];
const DIRECTORY = '/data';

function open(cluster: MemoryCluster, disk: Disk, self = ONE): Recovery {
  return openRecovery({
    disk,
    directory: DIRECTORY,
    self,
    clock: cluster.clock,
    random: createRandom('recovery'),
    kernels: { crc32c, native: false },
    mintCluster: () => `recovered-${cluster.clock.monotonic()}` as ClusterId,
    warn: () => {},
  });
}

async function look(cluster: MemoryCluster, disk: Disk, self = ONE): Promise<RecoveryPlan> {
  const recovery = open(cluster, disk, self);
  try {
    return recovery.look();
  } finally {
    let closed = false;
    recovery.close(() => (closed = true));
    await cluster.until('it lets go', () => closed);
  }
}

async function recover(cluster: MemoryCluster, disk: Disk): Promise<ClusterId> {
  const recovery = open(cluster, disk);
  let becomes: ClusterId | null = null;
  recovery.carryOut(recovery.look(), (error, cluster_) => {
    assert.is(error, null);
    becomes = cluster_;
  });
  await cluster.until('it is carried out', () => becomes !== null);
  let closed = false;
  recovery.close(() => (closed = true));
  await cluster.until('it lets go', () => closed);
  return becomes ?? ('' as ClusterId);
}

const HOSTS = ['a', 'b', 'c', 'd'];

/** Rows of all hosts, acknowledged, and by how many. */
async function withRows(cluster: MemoryCluster, seed: number): Promise<number[]> {
  const agents = HOSTS.map((host) => startAgent(cluster, host, seed).agent);
  await cluster.advance(4_500);
  return stopSettled(cluster, agents);
}

async function rowsAt(cluster: MemoryCluster, broker: BrokerId): Promise<number[]> {
  const counts: number[] = [];
  for (const host of HOSTS) counts.push((await readRows(cluster, host, broker)).length);
  return counts;
}

const ready = (cluster: MemoryCluster, id: BrokerId) => () =>
  cluster.isRunning(id) && cluster.broker(id).health().ready;
const idAt = (cluster: MemoryCluster, id: BrokerId) =>
  (cluster.broker(id).view.status() as { clusterId: string }).clusterId;

test('every row is there, new ones are taken, and a fresh broker joins, with and without snapshots', async () => {
  for (const snapshots of [undefined, { everyBytes: 200, tailBytesMin: 0, tailBytesMax: 200, horizonMs: 0 }]) {
    const cluster = await started(11, 3, 4, snapshots);
    const before = idAt(cluster, ONE);
    const subscriber = startSubscriber(cluster, vedette.v1.Delivery.EVERY);
    const counts = await withRows(cluster, 11);
    for (const id of cluster.ids) cluster.crash(id);
    const becomes = await recover(cluster, cluster.disk(ONE));
    cluster.start(ONE);
    await cluster.until('it serves alone', ready(cluster, ONE));
    assert.is(idAt(cluster, ONE), becomes);
    assert.is.not(becomes, before);
    assert.equal(await rowsAt(cluster, ONE), counts);
    assert.equal(
      [...cluster.broker(ONE).view.nodes()].map(({ id }) => id),
      [ONE],
    );

    const { agent } = startAgent(cluster, 'new', 12);
    await cluster.advance(8_000);
    const [recorded] = await stopSettled(cluster, [agent]);
    assert.is((await readRows(cluster, 'new', ONE)).length, recorded);
    assert.is(subscriber.rows.length, new Set(subscriber.rows).size, 'nothing is shown twice');

    await cluster.join(TWO, ONE);
    await cluster.until('the fresh one is ready', ready(cluster, TWO));
    cluster.crash(ONE);
    cluster.start(ONE);
    await cluster.until('both are', () => ready(cluster, ONE)() && ready(cluster, TWO)());
    assert.equal(await rowsAt(cluster, TWO), counts);
    assert.equal(cluster.failures, []);
  }
});

test('the lost ones come back after all: they are refused, and change nothing', async () => {
  const cluster = await started(13);
  const counts = await withRows(cluster, 13);
  for (const id of cluster.ids) cluster.crash(id);
  const becomes = await recover(cluster, cluster.disk(ONE));
  for (const id of [TWO, THREE]) cluster.start(id);
  await cluster.advance(5_000);
  cluster.start(ONE);
  await cluster.until('it serves', ready(cluster, ONE));
  await cluster.advance(5_000);
  assert.is(idAt(cluster, ONE), becomes);
  assert.is.not(idAt(cluster, TWO), becomes);
  assert.ok(ready(cluster, ONE)());
  assert.equal(await rowsAt(cluster, ONE), counts);
  assert.ok(cluster.warnings.some((warning) => /belongs to cluster/.test(warning)));
});

test('the lost ones come back with empty disks and as founders: beside the recovered cluster they found no second one', async () => {
  const cluster = await started(14);
  const counts = await withRows(cluster, 14);
  for (const id of cluster.ids) cluster.crash(id);
  const becomes = await recover(cluster, cluster.disk(ONE));
  cluster.start(ONE);
  for (const id of [TWO, THREE]) cluster.start(id, { fresh: true });
  await cluster.advance(40_000);
  for (const id of [TWO, THREE]) assert.not(cluster.isRunning(id) && ready(cluster, id)(), `${id} is of no cluster`);
  assert.is(idAt(cluster, ONE), becomes);
  assert.equal(await rowsAt(cluster, ONE), counts);
  assert.not(cluster.warnings.some((warning) => /founded without/.test(warning)));
});

test('ended at each of its writes, and carried out again: as if it had gone through', async () => {
  const cluster = await started(14);
  const counts = await withRows(cluster, 14);
  for (const id of cluster.ids) cluster.crash(id);
  const whole = cluster.disk(ONE);
  let refused = 0;
  for (let writes = 0; ; writes++) {
    const disk = whole.copy();
    const ended = await endedAfter(cluster, disk, writes);
    if (readIdentity(disk, DIRECTORY)?.recovering !== '') {
      assert.throws(() => cluster.start(ONE, { disk }), /was begun and not finished: run vedette cluster recover/);
      refused++;
    }
    const begun = readIdentity(disk, DIRECTORY)?.recovering ?? '';
    const becomes = (await look(cluster, disk)).isDone
      ? readIdentity(disk, DIRECTORY)?.cluster
      : await recover(cluster, disk);
    if (begun !== '') assert.is(becomes, begun);
    assert.ok((await look(cluster, disk)).isDone);
    cluster.start(ONE, { disk });
    await cluster.until('it serves', ready(cluster, ONE));
    assert.is(idAt(cluster, ONE), becomes);
    assert.equal(await rowsAt(cluster, ONE), counts, `ended after ${writes} writes`);
    cluster.crash(ONE);
    if (!ended) break;
    assert.ok(writes < 100);
  }
  assert.ok(refused > 3, `${refused} times it was left half-way`);
  assert.equal(cluster.failures, []);
});

/** The process is killed at the one after so many changes of the disk. False: it went through before. */
async function endedAfter(cluster: MemoryCluster, disk: MemoryDisk, writes: number): Promise<boolean> {
  let left = writes;
  let isDead = false;
  const dies = (): boolean => {
    isDead ||= left === 0;
    left--;
    return isDead;
  };
  let isOver = false;
  try {
    const recovery = open(cluster, dying(disk, dies));
    recovery.carryOut(recovery.look(), () => (isOver = true));
    await cluster.until('it ends', () => isDead || isOver);
    isOver &&= !isDead;
  } catch (error) {
    assert.ok(isDead, error instanceof Error ? error.message : '');
  }
  disk.crash(writes % 3 === 0 ? 0 : 40 * writes);
  return !isOver;
}

class Killed extends Error {}

/** Each change of it asks first whether the process still lives. */
function dying(disk: MemoryDisk, dies: () => boolean): Disk {
  const alive = (): void => {
    if (dies()) throw new Killed('killed');
  };
  const wrap = (file: DiskFile): DiskFile => ({
    ...file,
    writeDurably(chunks, position, done) {
      if (dies()) return;
      file.write(chunks, position, () => {
        if (!dies()) file.sync((error) => done(error, 'sync'));
      });
    },
    writeSync(bytes, position) {
      alive();
      file.writeSync(bytes, position);
    },
    syncSync() {
      alive();
      file.syncSync();
    },
  });
  return {
    ...disk,
    open(path, mode) {
      if (mode === 'create') alive();
      return wrap(disk.open(path, mode));
    },
    rename(from, to) {
      alive();
      disk.rename(from, to);
    },
    remove(path) {
      alive();
      disk.remove(path);
    },
    syncDirectory(path) {
      alive();
      disk.syncDirectory(path);
    },
  };
}

test('a look changes nothing, and says what it would do', async () => {
  const cluster = await started(15);
  await withRows(cluster, 15);
  for (const id of cluster.ids) cluster.crash(id);
  const disk = cluster.disk(ONE);
  const before = readIdentity(disk, DIRECTORY);
  const first = await look(cluster, disk);
  const second = await look(cluster, disk);
  const shown = ({ lost, isDone, groups }: RecoveryPlan) => ({
    lost,
    isDone,
    groups: groups.map(({ group, index, term, before: members, doubt }) => [group, index, term, members, doubt]),
  });
  assert.equal(shown(second), shown(first));
  assert.equal(readIdentity(disk, DIRECTORY), before);
  assert.equal(first.lost, [TWO, THREE]);
  assert.equal(
    first.groups.map(({ group, doubt }) => [group, doubt]),
    ['control', 'shard-0', 'shard-1', 'shard-2', 'shard-3'].map((group) => [group, null]),
  );
});

test('a control log that ends before the founding: the cluster has the new id all the same', async () => {
  const cluster = await started(18);
  const counts = await withRows(cluster, 18);
  for (const id of cluster.ids) cluster.crash(id);
  const log = openLog({
    disk: cluster.disk(ONE),
    directory: `${DIRECTORY}/log`,
    clock: cluster.clock,
    random: createRandom('cut'),
    kernels: { crc32c, native: false },
    warn: () => {},
    failed: () => {},
  });
  let cut = false;
  log.write({ group: 'control' as GroupId, truncateAfter: 1 }, () => log.close(() => (cut = true)));
  await cluster.until('it is cut', () => cut);
  const becomes = await recover(cluster, cluster.disk(ONE));
  cluster.start(ONE);
  await cluster.until('it serves', ready(cluster, ONE));
  assert.is(idAt(cluster, ONE), becomes);
  assert.equal(await rowsAt(cluster, ONE), counts);
  assert.equal(cluster.failures, []);
});

test("a shard's snapshots are lost or damaged: it goes on from what is whole, or empty, and all others keep their rows", async () => {
  const often = { everyBytes: 200, tailBytesMin: 0, tailBytesMax: 200, horizonMs: 0 };
  for (const harm of ['newest removed', 'newest damaged', 'all removed'] as const) {
    const cluster = await started(19, 3, 4, often);
    const counts = await withRows(cluster, 19);
    for (const id of cluster.ids) cluster.crash(id);
    const disk = cluster.disk(ONE);
    const named = (group: string) =>
      disk.list(`${DIRECTORY}/snapshots`).filter((name) => name.startsWith(`${group}-0`));
    const hit = [0, 1, 2, 3].map((shard) => `shard-${shard}`).find((group) => named(group).length > 1) ?? '';
    const paths = named(hit)
      .sort()
      .reverse()
      .map((name) => `${DIRECTORY}/snapshots/${name}`);
    if (harm === 'newest damaged') {
      const file = disk.open(paths[0] ?? '', 'readWrite');
      file.writeSync(new Uint8Array(8).fill(255), file.size() - 40);
      file.close();
    } else for (const path of harm === 'all removed' ? paths : paths.slice(0, 1)) disk.remove(path);
    const isLost = harm === 'all removed';
    const { groups } = await look(cluster, disk);
    const broken = groups.filter(({ doubt }) => doubt !== null).map(({ group, doubt }) => `${group} ${doubt}`);
    assert.equal(broken, isLost ? [`${hit} broken`] : [], harm);
    await recover(cluster, disk);
    cluster.start(ONE);
    await cluster.until(`it serves: ${harm}`, ready(cluster, ONE));
    // A host whose shard begins empty is not known there.
    const rows = HOSTS.map((host) =>
      readRows(cluster, host, ONE).then(
        ({ length }) => length,
        () => 0,
      ),
    );
    const left = await Promise.all(rows);
    const fewer = left.filter((count, at) => count < (counts[at] ?? 0)).length;
    assert.ok(isLost ? fewer > 0 && fewer < HOSTS.length : fewer === 0, `${harm}: ${left} of ${counts}`);
    const { agent } = startAgent(cluster, 'new', 19);
    await cluster.advance(4_000);
    const [recorded] = await stopSettled(cluster, [agent]);
    assert.is((await readRows(cluster, 'new', ONE)).length, recorded);
    assert.equal(cluster.failures, []);
  }
});

test('shards that were elsewhere are in doubt, and begin empty', async () => {
  const cluster = await started(16, 5, 8);
  for (const id of cluster.ids) cluster.crash(id);
  const { groups } = await look(cluster, cluster.disk(ONE));
  const elsewhere = groups.filter(({ doubt }) => doubt === 'nothing');
  assert.ok(elsewhere.length > 0 && elsewhere.length < 8);
  await recover(cluster, cluster.disk(ONE));
  cluster.start(ONE);
  await cluster.until('it serves all of them', ready(cluster, ONE));
  assert.is(cluster.broker(ONE).shards.size, 8);
  const agents = HOSTS.map((host) => startAgent(cluster, host, 16).agent);
  await cluster.advance(8_000);
  const counts = await stopSettled(cluster, agents);
  assert.equal(await rowsAt(cluster, ONE), counts);
});

test('what is refused is said, and the directory is let go', async () => {
  const cluster = await started(17);
  for (const id of cluster.ids) cluster.crash(id);
  const disk = cluster.disk(ONE);
  const refusal = async (change: (copy: MemoryDisk) => void, self = ONE): Promise<string> => {
    const copy = disk.copy();
    change(copy);
    try {
      await look(cluster, copy, self);
    } catch (error) {
      assert.instance(error, VedetteError);
      return (error as VedetteError).message;
    }
    return assert.unreachable() as never;
  };
  assert.match(await refusal(() => {}, FOUR), /is the data directory of broker broker-1, not broker-4/);
  assert.match(await refusal((copy) => copy.remove('/data/identity.json')), /\/data is no broker's directory/);
  assert.match(
    await refusal((copy) => copy.list('/data/log').forEach((name) => copy.remove(`/data/log/${name}`))),
    /there is no log in \/data\/log/,
  );
});

test.run();
