// Whose data directory it is: what is refused, because to mix them would be to lose data later.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Beginning, openIdentity } from '../../src/actors/stores/identity.ts';
import { parseBrokerId } from '../../src/core/ids.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk, type MemoryDisk } from '../support/memory-disk.ts';

const test = suite('identity');
const founding = { members: { 'b-1': 'h:1', 'b-2': 'h:2' }, shards: 4, replicas: 2 };
const b1 = parseBrokerId('b-1');

const open = (disk: MemoryDisk, changes: Partial<typeof founding> = {}, broker = b1) =>
  openIdentity(disk, '/data', broker, { how: 'founder', founding: { ...founding, ...changes } }, () => 'incarnation-1');

test('it is minted once, and kept', () => {
  const disk = createMemoryDisk(createVirtualClock());
  const { broker, incarnation, cluster, roster } = open(disk).identity;
  assert.equal([broker, incarnation, cluster], ['b-1', 'incarnation-1', '']);
  assert.equal(roster, { at: 0, members: founding.members });
  const again = openIdentity(disk, '/data', b1, { how: 'founder', founding }, () => 'another');
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
    /cluster founded by b-1, b-2/,
  );
});

test('founders that are started at other addresses are known there; those that came later stay where they were', () => {
  const disk = createMemoryDisk(createVirtualClock());
  open(disk).setRoster({ at: 4, members: { ...founding.members, 'b-3': 'h:3' } });
  const moved = open(disk, { members: { 'b-1': 'h:11', 'b-2': 'h:12' } }).identity.roster;
  assert.equal(moved, { at: 4, members: { 'b-1': 'h:11', 'b-2': 'h:12', 'b-3': 'h:3' } });
});

test('flags that stayed the same do not put a founder back to where it was', () => {
  const disk = createMemoryDisk(createVirtualClock());
  open(disk).setRoster({ at: 4, members: { ...founding.members, 'b-2': 'h:22' } });
  const at = (flags?: string) =>
    open(disk, flags === undefined ? {} : { members: { 'b-1': 'h:1', 'b-2': flags } }).identity.roster.members['b-2'];
  assert.is(at(), 'h:22', 'it was added again there');
  assert.is(at('h:22'), 'h:22');
  assert.is(at('h:222'), 'h:222', 'the flags are newer');
});

test('a log without an identity is not taken for a new directory: its votes would be forgotten', () => {
  const disk = createMemoryDisk(createVirtualClock());
  disk.open('/data/log/00000001.log', 'create').writeSync(new Uint8Array(36), 0);
  assert.throws(() => open(disk), /holds a log, but no identity.json/);
});

test('where it was: with what it was told of the cluster and of its members, the newest of it', () => {
  const disk = createMemoryDisk(createVirtualClock());
  const again = () => openIdentity(disk, '/data', b1, { how: 'again' }, () => 'another');
  assert.throws(again, /is no broker's directory: a new broker is started with --peers or with --join/);
  const roster = { at: 7, members: { 'b-1': 'h:1', 'b-9': 'h:9' } };
  const joins = { how: 'joins', founding: { ...founding, members: { 'b-9': 'h:9' } }, cluster: 'c' as never, roster };
  openIdentity(disk, '/data', b1, joins as Beginning, () => 'incarnation-1');
  assert.equal(again().identity.roster, roster);
  assert.is(again().identity.cluster, 'c');
  again().setRoster({ at: 6, members: {} });
  assert.equal(again().identity.roster, roster, 'an older list changes nothing');
  again().setRoster({ at: 8, members: { 'b-1': 'h:1' } });
  assert.is(again().identity.roster.at, 8);
  again().setRemoved();
  assert.throws(again, /broker b-1|b-1, which was removed from cluster c: .* empty directory and --join/);
});

test('a recovery that was begun is finished before a broker starts, towards another cluster id', () => {
  const disk = createMemoryDisk(createVirtualClock());
  const how = (kind: 'again' | 'recovers') => openIdentity(disk, '/data', b1, { how: kind }, () => 'another');
  assert.throws(() => how('recovers'), /is no broker's directory/);
  open(disk).setCluster('c' as never);
  const own = how('recovers');
  own.beginRecovery('d' as never);
  for (const start of [() => how('again'), () => open(disk)])
    assert.throws(start, /was begun and not finished: run vedette cluster recover --data \/data --id b-1 --yes again/);
  assert.is(how('recovers').identity.recovering, 'd');
  assert.is(how('recovers').identity.cluster, 'c');
  const roster = { at: 9, members: { 'b-1': 'h:1' } };
  how('recovers').finishRecovery(roster);
  const { cluster, formerly, recovering, roster: kept } = how('again').identity;
  assert.equal([cluster, formerly, recovering, kept], ['d', ['c'], '', roster]);
  open(disk);
});

test('an identity that cannot be read is never replaced', () => {
  const disk = createMemoryDisk(createVirtualClock());
  open(disk);
  disk.damage('/data/identity.json', 0, () => 0x58);
  assert.throws(() => open(disk), /is damaged: it is not JSON/);
});

test('what is missing or wrong in it is named, and what no version had is passed over', () => {
  const disk = createMemoryDisk(createVirtualClock());
  const given = { ...founding, formerly: undefined, founders: founding.members, membersAt: 0 };
  const whole = { format: 2, broker: 'b-1', incarnation: 'incarnation-1', cluster: '', removed: false, ...given };
  const put = (what: unknown): void => {
    const bytes = new TextEncoder().encode(JSON.stringify(what));
    if (disk.exists('/data/identity.json')) disk.remove('/data/identity.json');
    disk.open('/data/identity.json', 'create').writeSync(bytes, 0);
  };
  put({ ...whole, more: 1 });
  assert.equal(open(disk).identity.formerly, []);
  for (const [field, wrong] of Object.entries({
    incarnation: 'short',
    formerly: [1],
    founders: { 'b-1': 1 },
    members: ['h:1'],
    membersAt: '0',
    removed: 0,
    shards: undefined,
  })) {
    put({ ...whole, [field]: wrong });
    assert.throws(() => open(disk), new RegExp(`is damaged: ${field} is missing or wrong`));
  }
  for (const [format, version] of Object.entries({ 4: 'a newer', 1: 'an earlier' })) {
    put({ ...whole, format: Number(format) });
    assert.throws(() => open(disk), new RegExp(`by ${version} version`));
  }
  put([]);
  assert.throws(() => open(disk), /is damaged: format, broker, .* is missing or wrong/);
});

test.run();
