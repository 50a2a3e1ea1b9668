// Whose data directory it is: what is refused, because to mix them would be to lose data later.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openIdentity } from '../../src/actors/stores/identity.ts';
import { parseBrokerId } from '../../src/core/ids.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('identity');
const founding = { members: { 'b-1': 'h:1', 'b-2': 'h:2' }, shards: 4, replicas: 2 };
const b1 = parseBrokerId('b-1');

const open = (disk: MemoryDisk, changes: Partial<typeof founding> = {}, broker = b1) =>
  openIdentity(disk, '/data', broker, { ...founding, ...changes }, () => 'incarnation-1');

test('it is minted once, and kept', () => {
  const disk = createMemoryDisk(createVirtualClock());
  assert.equal(open(disk).identity, { broker: 'b-1', incarnation: 'incarnation-1', cluster: '' });
  const again = openIdentity(disk, '/data', b1, founding, () => 'another');
  assert.is(again.identity.incarnation, 'incarnation-1');
});

test('a directory of another broker, or of other founding settings, is refused by name', () => {
  const disk = createMemoryDisk(createVirtualClock());
  open(disk);
  assert.throws(() => open(disk, {}, parseBrokerId('b-2')), /data directory of broker b-1, not b-2/);
  assert.throws(() => open(disk, { shards: 8 }), /--shards 4, not 8/);
  assert.throws(() => open(disk, { replicas: 3 }), /--replicas 2, not 3/);
  assert.throws(
    () => open(disk, { members: { ...founding.members, 'b-2': 'x:1', 'b-3': 'h:3' } as never }),
    /cluster of b-1, b-2/,
  );
});

test('a log without an identity is not taken for a new directory: its votes would be forgotten', () => {
  const disk = createMemoryDisk(createVirtualClock());
  disk.open('/data/log/00000001.log', 'create').writeSync(new Uint8Array(36), 0);
  assert.throws(() => open(disk), /holds a log, but no identity.json/);
});

test('an identity that cannot be read is never replaced', () => {
  const disk = createMemoryDisk(createVirtualClock());
  open(disk);
  disk.damage('/data/identity.json', 0, () => 0x58);
  assert.throws(() => open(disk), /is damaged: it is not JSON/);
});

test.run();
