// A broker follows the members that are agreed on.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createControlGroup } from '../../src/actors/cluster/control-group.ts';
import { followMembership } from '../../src/actors/cluster/membership.ts';
import type { IdentityStore, Roster } from '../../src/actors/stores/identity.ts';
import { type ControlChange, encodeControlEntry } from '../../src/core/control-state.ts';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft, type FakeRaft } from '../support/fake-raft.ts';

const A = 'a' as BrokerId;
const founding = { members: { a: 'a:1', b: 'b:1' }, shards: 1, replicas: 2 };
const FOUNDED = { founded: { clusterId: 'x', brokerIds: ['a', 'b'], grpcAddresses: ['a:1', 'b:1'] } };
const added = (id: string) => ({ brokerAdded: { brokerId: id, grpcAddress: `${id}:1` } });

function create(roster: Roster) {
  const rafts: FakeRaft[] = [];
  const control = createControlGroup({
    raft(machine) {
      const raft = createFakeRaft('control', [A], machine);
      rafts.push(raft);
      return raft;
    },
    founding,
    clock: createVirtualClock(),
    mintCluster: () => 'x' as ClusterId,
  });
  const [raft] = rafts;
  assert.ok(raft !== undefined);
  const told: string[] = [];
  const identity: IdentityStore = {
    identity: {
      broker: A,
      incarnation: 'i',
      cluster: 'x' as ClusterId,
      formerly: [],
      recovering: '',
      founding,
      roster,
      removed: false,
    },
    setCluster() {},
    setRoster(next) {
      this.identity = { ...this.identity, roster: next };
    },
    setRemoved() {
      this.identity = { ...this.identity, removed: true };
    },
  } as IdentityStore & { identity: IdentityStore['identity'] };
  const show = (members: ReadonlyMap<BrokerId, string>) => [...members].map((member) => member.join('=')).join(' ');
  const membership = followMembership({
    self: A,
    control,
    identity,
    peers: { setMembers: (members) => told.push(show(members)) },
    left: () => told.push('left'),
    say: (message) => told.push(message),
  });
  let index = 0;
  const apply = (change: ControlChange) => {
    raft.apply(encodeControlEntry({ stampMs: 1, ...change }));
    raft.become({ commit: ++index, applied: index });
  };
  return { raft, told, apply, identity, membership };
}

test('what is newer than what is known counts, and is kept', () => {
  const { told, apply, identity } = create({ at: 0, members: founding.members });
  apply(FOUNDED);
  apply(added('c'));
  apply({ brokerLeaving: { brokerId: 'b' } });
  apply({ brokerRemoved: { brokerId: 'b' } });
  assert.deepEqual(told, ['a=a:1 b=b:1', 'a=a:1 b=b:1 c=c:1', 'a=a:1 c=c:1']);
  assert.deepEqual(identity.identity.roster, { at: 4, members: { a: 'a:1', c: 'c:1' } });
});

test('a log that is applied again tells nothing new; addresses of now are kept until others are agreed on', () => {
  const { told, apply } = create({ at: 2, members: { a: 'a:9', b: 'b:9', c: 'c:1' } });
  apply(FOUNDED);
  apply(added('c'));
  assert.deepEqual(told, []);
  apply({ announced: { brokerId: 'a', incarnation: 'i', grpcAddress: 'a:9' } });
  assert.deepEqual(told, ['a=a:9 b=b:9 c=c:1'], 'b is not sought where it was');
  apply({ announced: { brokerId: 'b', incarnation: 'i', grpcAddress: 'b:8' } });
  assert.equal(told.at(-1), 'a=a:9 b=b:8 c=c:1');
});

test('it has left when it was on its way out, and what is committed is without it', () => {
  const { raft, told, apply, identity } = create({ at: 1, members: founding.members });
  const without = { voters: ['b' as BrokerId], outgoing: [], learners: [], joining: [] };
  apply(FOUNDED);
  raft.become({ role: 'removed', configuration: { index: 1, configuration: without } });
  assert.deepEqual(told, [], 'an old configuration, from before it was added');
  raft.become({ configuration: { index: 9, configuration: without } });
  apply({ brokerLeaving: { brokerId: 'a' } });
  assert.deepEqual(told, [], 'it is not committed');
  raft.become({ configuration: { index: 2, configuration: without } });
  assert.deepEqual(told.splice(0), ['left']);
  assert.ok(identity.identity.removed);
});

test('what the others say counts, too: it was away when it was removed', () => {
  const { told, identity, membership } = create({ at: 1, members: founding.members });
  membership.removed('b says so');
  assert.deepEqual(told, ['b says so', 'left']);
  assert.ok(identity.identity.removed);
});

test.run();
