// Who must agree, as the simulator's faults see it before they damage somebody for long.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isQuorumThroughout } from '../../scenarios/engine/sim/quorums.ts';
import type { BrokerId } from '../../src/core/ids.ts';

const sound = (id: BrokerId) => id !== 'doubtful';
const of = (voters: string[], joining: string[] = [], outgoing: string[] = []) => ({
  voters: voters as BrokerId[],
  outgoing: outgoing as BrokerId[],
  learners: joining as BrokerId[],
  joining: joining as BrokerId[],
});

test('those in doubt may not be needed, now and while others join one by one', () => {
  assert.ok(isQuorumThroughout(of(['a', 'b', 'doubtful']), sound));
  assert.not(isQuorumThroughout(of(['a', 'doubtful']), sound));
  assert.not(isQuorumThroughout(of(['a', 'b', 'c'], [], ['a', 'doubtful']), sound));
  assert.ok(isQuorumThroughout(of(['a'], ['b']), sound));
  assert.not(isQuorumThroughout(of(['a'], ['doubtful']), sound));
  // The one in doubt may be made a voter before b is, and a needs it then (seed 19411).
  assert.not(isQuorumThroughout(of(['a'], ['b', 'doubtful']), sound));
  assert.ok(isQuorumThroughout(of(['a', 'b'], ['c', 'doubtful']), sound));
});

test.run();
