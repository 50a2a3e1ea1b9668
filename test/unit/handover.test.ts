// Before a broker stops, others lead what it led.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { handOver } from '../../src/actors/cluster/handover.ts';
import type { RaftGroup } from '../../src/actors/raft-group.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createNodes } from '../support/raft-nodes.ts';

const test = suite('handover');

function handedOver(nodes: ReturnType<typeof createNodes>, groups: readonly RaftGroup[]) {
  let ends = 0;
  const began = nodes.clock.monotonic();
  handOver(groups, nodes.clock, () => ends++);
  assert.is(ends, 0, 'never synchronously');
  nodes.until(() => ends > 0, 'it is over');
  assert.is(ends, 1);
  return nodes.clock.monotonic() - began;
}

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
