// Which founders `vedette up` starts: not those that have left the cluster.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openIdentity } from '../../src/actors/stores/identity.ts';
import { foundersGone } from '../../src/cli/up-members.ts';
import { parseBrokerId } from '../../src/core/ids.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk } from '../support/memory-disk.ts';

const test = suite('up members');
const members = { 'b-1': 'h:1', 'b-2': 'h:2', 'b-3': 'h:3' };
const founding = { members, shards: 4, replicas: 2 };
const { 'b-3': _, ...others } = members;

function setUp(founders: readonly string[] = Object.keys(members)) {
  const disk = createMemoryDisk(createVirtualClock());
  const [b1, b2, b3] = founders.map((id) =>
    openIdentity(disk, `/data/${id}`, parseBrokerId(id), { how: 'founder', founding }, () => `incarnation-${id}`),
  );
  return { disk, b1, b2, b3, gone: () => [...foundersGone(disk, '/data', Object.keys(members))] };
}

test('none of a cluster that is new, or has all its founders', () => {
  assert.equal(setUp([]).gone(), []);
  const { b1, gone } = setUp();
  assert.equal(gone(), []);
  b1?.setRoster({ at: 5, members: { ...members, 'b-4': 'h:4' } });
  assert.equal(gone(), []);
});

test('one whose directory says so', () => {
  const { b3, gone } = setUp();
  b3?.setRemoved();
  assert.equal(gone(), ['b-3']);
});

test('one whose directory was deleted, by the newest list of members that the others have', () => {
  const { b1, b2, gone } = setUp(['b-1', 'b-2']);
  assert.equal(gone(), [], 'it may have lost its disk');
  b1?.setRoster({ at: 9, members: others });
  b2?.setRoster({ at: 7, members });
  assert.equal(gone(), ['b-3']);
  b2?.setRoster({ at: 12, members });
  assert.equal(gone(), [], 'it was added again');
});

test('a directory that cannot be read is left to whoever opens it', () => {
  const { disk, gone } = setUp();
  disk.damage('/data/b-3/identity.json', 0, () => 0x58);
  assert.equal(gone(), []);
});

test.run();
