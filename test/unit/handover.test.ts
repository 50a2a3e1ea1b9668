// Before a broker stops, others lead what it led.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { handOver, type HandOverPorts } from '../../src/actors/cluster/handover.ts';
import type { RaftGroup } from '../../src/actors/raft-group.ts';
import type { BrokerId, GroupId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft } from '../support/fake-raft.ts';
import { createNodes } from '../support/raft-nodes.ts';

const test = suite('handover');
const [A, B, C, D] = ['a', 'b', 'c', 'd'] as [BrokerId, BrokerId, BrokerId, BrokerId];

interface Settings {
  readonly wanted?: HandOverPorts['wanted'];
  readonly isLinked?: HandOverPorts['isLinked'];
}

function handedOver(nodes: ReturnType<typeof createNodes>, groups: readonly RaftGroup[], settings: Settings = {}) {
  let ends = 0;
  const began = nodes.clock.monotonic();
  const { wanted = () => [], isLinked = () => true } = settings;
  handOver({ groups, wanted, isLinked, clock: nodes.clock }, () => ends++);
  assert.is(ends, 0, 'never synchronously');
  nodes.until(() => ends > 0, 'it is over');
  const took = nodes.clock.monotonic() - began;
  nodes.clock.advance(10_000);
  assert.is(ends, 1);
  return took;
}

/** Groups that are led here, of which those in `able` keep up; to whom each goes. */
function heirs(ids: readonly GroupId[], able: readonly BrokerId[], settings: Settings = {}): BrokerId[] {
  const clock = createVirtualClock();
  const heirs: BrokerId[] = [];
  const groups = ids.map((id): RaftGroup => {
    const raft = createFakeRaft(id, [A, B, C, D], { apply() {} });
    raft.become({ role: 'leader' });
    return Object.assign(raft, {
      keepsUp: (peer: BrokerId) => able.includes(peer),
      transfer: (to: BrokerId, done: (error: Error | null) => void) => {
        heirs.push(to);
        clock.defer(() => done(null));
      },
    });
  });
  let ends = 0;
  const { wanted = () => [], isLinked = () => true } = settings;
  handOver({ groups, wanted, isLinked, clock }, () => ends++);
  clock.advance(limits.supervisor.handOverMs - 1);
  assert.is(ends, 1);
  assert.is(clock.pending, 0, 'nothing is left to wait for');
  return heirs;
}

test('each shard goes to the next of its layout that can take it', () => {
  const layout: Record<string, BrokerId[]> = { 'shard-0': [A, D, B], 'shard-1': [A, B, C], 'shard-2': [A, C, D] };
  const wanted = (group: GroupId) => layout[group] ?? [];
  assert.equal(heirs(['shard-0', 'shard-1', 'shard-2'], [B, C, D], { wanted }), [D, B, C]);
  assert.equal(heirs(['shard-0', 'shard-1', 'shard-2'], [B, C], { wanted }), [B, B, C], 'one does not keep up');
  const isLinked = (broker: BrokerId) => broker !== B;
  assert.equal(
    heirs(['shard-0', 'shard-1', 'shard-2'], [B, C, D], { wanted, isLinked }),
    [D, C, C],
    'b cannot be reached',
  );
});

test('where no layout names one that can, groups are spread by their numbers', () => {
  const ids: GroupId[] = ['control', 'shard-0', 'shard-1', 'shard-2', 'shard-3', 'shard-4'];
  assert.equal(heirs(ids, [B, C, D]), [B, C, D, B, C, D]);
  assert.equal(heirs(ids, [C]), [C, C, C, C, C, C]);
  assert.equal(heirs(ids, []), []);
});

test('it ends in time whatever the election timeouts are: who asked a broker to stop would kill it', () => {
  const options = { heartbeatMs: 1_000, electionMinMs: 5_000, electionMaxMs: 10_000, closedConnectionHint: true };
  const nodes = createNodes(['a', 'b', 'c'], { options });
  nodes.until(() => nodes.leader() !== undefined, 'a leader', 60_000);
  nodes.clock.advance(10_000);
  const leader = nodes.elected();
  nodes.isolate(leader.id as BrokerId);
  assert.is(handedOver(nodes, [leader.group]), limits.supervisor.handOverMs);
});

test('a leader hands over to one that keeps up, within a few messages; who leads nothing is done at once', () => {
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  nodes.clock.advance(1_000);
  const { term } = leader.group.status;
  const took = handedOver(nodes, [leader.group]);
  assert.ok(took < 100, `${took} ms`);
  const next = nodes.elected();
  assert.is.not(next.id, leader.id);
  assert.is(next.group.status.term, term + 1, 'by one election, which nobody had to wait for');
  assert.is(handedOver(nodes, [leader.group]), 0);
});

test('one that is alone, or whose followers are away, does not wait for ever', () => {
  const alone = createNodes(['a']);
  assert.is(handedOver(alone, [alone.elected().group]), 0);
  const nodes = createNodes(['a', 'b', 'c']);
  const leader = nodes.elected();
  nodes.clock.advance(1_000);
  nodes.isolate(leader.id as BrokerId);
  const took = handedOver(nodes, [leader.group]);
  assert.ok(took <= 2 * 500, `${took} ms`);
});

test.run();
