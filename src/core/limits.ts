// Everything has a limit (law 7). One place, so that related limits can be checked against each other at start; what happens
// at each limit is said beside it.
import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const limits = {
  /** Raft. */
  raft: {
    /** Payload of one entry. A larger proposal is refused with INVALID_ARGUMENT. */
    entryBytesMax: 1 * MIB,
    /** Payload bytes of one append message; a single larger entry still travels, alone. */
    appendBytesMax: 512 * KIB,
    /** Append messages under way to one peer. At the limit the leader waits for a reply. */
    inflightMax: 64,
    /** Payload bytes under way to one peer. */
    inflightBytesMax: 4 * MIB,
    /** Payload bytes appended by a leader but not committed. Further proposals are refused with RESOURCE_EXHAUSTED. */
    uncommittedBytesMax: 32 * MIB,
  },
} as const;

/** @throws AssertionError when limits contradict each other; called once at start. */
export function checkLimits(): void {
  const { raft } = limits;
  assert(raft.appendBytesMax <= raft.inflightBytesMax, 'an append message must fit into the in-flight window');
  assert(raft.entryBytesMax <= raft.uncommittedBytesMax, 'an entry must fit into the uncommitted limit');
}
