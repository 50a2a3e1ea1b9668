// A broker's directory is what it is under its lock: until then others may change it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBrokerDirectory } from '../../src/actors/stores/broker-directory.ts';
import type { Disk } from '../../src/actors/stores/disk.ts';
import { openIdentity } from '../../src/actors/stores/identity.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { type ClusterId, parseBrokerId } from '../../src/core/ids.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { settle } from '../support/logs.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('broker directory');
const founding = { members: { 'b-1': 'h:1', 'b-2': 'h:2', 'b-3': 'h:3' }, shards: 4, replicas: 3 };
const b1 = parseBrokerId('b-1');
const alone = { at: 9, members: { 'b-1': 'h:1' } };

function setUp() {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const held = new Set<string>();
  /** `meanwhile`: what another process does before this one has the lock. */
  const open = (meanwhile: () => void = () => {}, self = b1) => {
    const locking: Disk = {
      ...disk,
      lock(path) {
        meanwhile();
        held.add(path);
        return { release: () => held.delete(path) };
      },
    };
    const common = { disk: locking, directory: '/data', clock, random: createRandom('log'), warn() {} };
    const ports = {
      ...common,
      kernels: { crc32c, native: false },
      failed: (error: Error) => assert.unreachable(`${error}`),
    };
    return openBrokerDirectory(ports, self, { how: 'founder', founding }, () => 'incarnation-1');
  };
  const first = open();
  first.identity.setCluster('old' as ClusterId);
  first.log.close(() => {});
  settle(clock);
  assert.is(held.size, 0);
  return { clock, disk, held, open };
}

const recovering = (disk: MemoryDisk) => openIdentity(disk, '/data', b1, { how: 'recovers' }, () => '');

test('a recovery that fits in before the lock is seen: the broker is of the new cluster, and hears none of the old', () => {
  const { disk, open } = setUp();
  const { identity } = open(() => {
    recovering(disk).beginRecovery('new' as ClusterId);
    recovering(disk).finishRecovery(alone);
  }).identity;
  assert.equal([identity.cluster, identity.formerly, identity.roster], ['new', ['old'], alone]);
});

test('nor does a broker start in one that was begun, and it lets go of the lock', () => {
  const { clock, disk, held, open } = setUp();
  assert.throws(() => open(() => recovering(disk).beginRecovery('new' as ClusterId)), /begun and not finished/);
  settle(clock);
  assert.is(held.size, 0, 'who finishes the recovery can have it');
});

test('another broker’s directory is not touched', () => {
  const { disk, held, open } = setUp();
  const contents = () =>
    ['/data', '/data/log'].flatMap((directory) =>
      disk.list(directory).map((name) => [name, disk.size(`${directory}/${name}`)]),
    );
  const before = contents();
  assert.throws(() => open(() => {}, parseBrokerId('b-2')), /data directory of broker b-1, not b-2/);
  assert.equal(contents(), before);
  assert.ok(before.length > 1);
  assert.is(held.size, 0);
});

test.run();
