// One member of a Raft group, `a`, in each part that it may have: how it comes there, event by event.
import type { RaftInput } from '../../src/machines/raft/context.ts';
import { foundedBy, type PlacedConfiguration } from '../../src/machines/raft/membership.ts';
import { DEFAULTS, id, type UntimedEvent } from './raft-charts.ts';

export interface Situation {
  /** Of its file. */
  readonly name: string;
  readonly what: string;
  /** Another one: only what differs from that is told. */
  readonly like?: string;
  /** Only these events are told; default: all. */
  readonly about?: readonly (UntimedEvent['type'] | 'timeout')[];
  readonly input?: Partial<RaftInput>;
  /** What has happened, all at one moment; `timeout`: its timer fires, however long that takes. */
  readonly way: readonly (UntimedEvent | 'timeout')[];
  /** So much later comes what happens next. */
  readonly waitMs?: number;
}

const A = id('a');
const B = id('b');
const C = id('c');
const TERM = 3;
const from = (name: string, term = TERM) => ({ from: id(name), to: A, term });

/** Entries 1 and 2 of term 1, 3 and 4 of term 3; 1 and 2 are applied. */
export const INPUT: RaftInput = {
  self: A,
  configurations: foundedBy([A, B, C]),
  options: { ...DEFAULTS, uncommittedBytesMax: 1_000 },
  term: TERM,
  votedFor: null,
  log: {
    firstIndex: 1,
    previousTerm: 0,
    runs: [
      { first: 1, term: 1 },
      { first: 3, term: 3 },
    ],
    lastIndex: 4,
  },
  applied: 2,
  seed: 7,
  at: 0,
};

const heardB: UntimedEvent = { type: 'heartbeat', ...from('b'), commit: 3, round: 0 };
/** Not durable yet. */
const brought: UntimedEvent = {
  type: 'append',
  ...from('b'),
  prevIndex: 4,
  prevTerm: 3,
  lastIndex: 5,
  runs: [{ first: 5, term: TERM }],
  commit: 3,
  bytes: 9,
};
const followed: Situation['way'] = [heardB, brought, { type: 'applied', index: 3 }];
const applied = (index: number): UntimedEvent => ({ type: 'applied', index });
const holds = (name: string, index: number, term = TERM + 1): UntimedEvent => ({
  type: 'appendReply',
  ...from(name, term),
  rejected: false,
  index,
  hintIndex: 0,
  hintTerm: 0,
});
const granted = { type: 'preVoteReply', ...from('b', TERM + 1), granted: true } as const;
const voted = { type: 'voteReply', ...from('b', TERM + 1), granted: true } as const;
const asked: Situation['way'] = ['timeout', granted];
/** Its no-op is entry 5. */
const elected: Situation['way'] = [...asked, voted, { type: 'log.synced', index: 5, term: TERM + 1 }];
const committed: Situation['way'] = [...elected, holds('b', 5)];
const serving: Situation['way'] = [...committed, applied(5)];
const proposed: UntimedEvent = { type: 'propose', ticket: 9, count: 1, bytes: 600 };

const placed = (index: number, voters: string[], learners: string[] = []): PlacedConfiguration => ({
  index,
  configuration: { voters: voters.map(id), outgoing: [], learners: learners.map(id), joining: [] },
});

/** b holds entry 6, which this leader's disk does not; entry 7 is on its way. */
const busy: Situation['way'] = [proposed, holds('b', 6), { ...proposed, bytes: 300 }, { type: 'read', read: 3 }];
const reading: Situation['way'] = [...serving, ...busy];
const LEARNER = { configurations: [placed(1, ['b', 'c', 'd'], ['a'])] };
const REMOVED = { configurations: [placed(1, ['b', 'c', 'd'])] };

export const situations: readonly Situation[] = [
  { name: 'follower', what: 'a follower that hears its leader, b', way: followed },
  {
    name: 'follower-unled',
    what: 'a follower whose leader has closed its connection',
    like: 'follower',
    about: ['preVote', 'vote', 'append', 'heartbeat', 'read'],
    way: [...followed, { type: 'peer.closed', peer: B }],
  },
  {
    name: 'follower-silence',
    what: 'a follower whose leader, b, has been silent for longer than any timeout',
    like: 'follower',
    way: followed,
    waitMs: DEFAULTS.electionMaxMs + 1,
  },
  {
    name: 'follower-left-out',
    what: 'a follower that holds a configuration without itself, committed and not applied',
    about: ['applied', 'timeoutNow', 'timeout', 'append'],
    input: { configurations: [...foundedBy([A, B, C]), placed(4, ['b', 'c'])] },
    way: [{ ...heardB, commit: 4 } as UntimedEvent],
  },
  { name: 'alone', what: 'the only voter', about: ['timeout'], input: { configurations: foundedBy([A]) }, way: [] },
  { name: 'pre-candidate', what: 'a member that asks for pre-votes', way: ['timeout'] },
  {
    name: 'pre-candidate-refused',
    what: 'a member that asks for pre-votes, one of which was refused',
    like: 'pre-candidate',
    way: ['timeout', { type: 'preVoteReply', ...from('c'), granted: false }],
  },
  { name: 'candidate', what: 'a member that asks for votes', way: asked },
  {
    name: 'candidate-refused',
    what: 'a member that asks for votes, one of which was refused',
    like: 'candidate',
    way: [...asked, { ...voted, from: C, granted: false }],
  },
  {
    name: 'leader-serving',
    what: 'a leader that has appended two proposals, and holds a read that waits for a round',
    way: reading,
  },
  {
    name: 'leader-settling',
    what: 'a leader whose own no-op is committed, and not applied',
    like: 'leader-serving',
    way: [...committed, ...busy],
  },
  {
    name: 'leader-unheard',
    what: 'a leader that nobody has answered for longer than any timeout',
    like: 'leader-serving',
    way: reading,
    waitMs: DEFAULTS.electionMaxMs + 1,
  },
  {
    name: 'leader-transferring',
    what: 'a leader that hands leadership over to b, which lacks an entry',
    like: 'leader-serving',
    way: [...reading, { type: 'transfer', to: B }],
  },
  {
    name: 'leader-doubting',
    what: 'a leader that doubts what b holds, and has its empty entry committed',
    about: ['appendReply', 'heartbeatReply', 'vouchReply', 'peer.opened', 'beat', 'transfer'],
    way: [
      ...serving,
      holds('c', 5),
      { ...holds('b', 5), uncertain: 9 } as UntimedEvent,
      { type: 'log.synced', index: 6, term: TERM + 1 },
      holds('c', 6),
      applied(6),
    ],
  },
  {
    name: 'leader-snapshotting',
    what: 'a leader that has asked for a snapshot to be brought to b',
    about: ['appendReply', 'heartbeatReply', 'snapshot.sent', 'peer.opened', 'beat', 'transfer'],
    way: [
      ...elected,
      holds('c', 5),
      applied(5),
      { type: 'compact', through: 5 },
      { ...holds('b', 0), rejected: true, index: 4 } as UntimedEvent,
    ],
  },
  { name: 'learner', what: 'a learner that hears its leader, b', input: LEARNER, way: followed },
  {
    name: 'learner-unled',
    what: 'a learner that knows no leader',
    about: ['preVote', 'vote', 'read'],
    input: LEARNER,
    way: [],
  },
  {
    name: 'removed',
    what: 'a member that was removed, and hears b',
    like: 'learner',
    input: REMOVED,
    way: followed,
  },
  {
    name: 'removed-unled',
    what: 'a member that was removed, and knows no leader',
    about: ['preVote', 'vote', 'read'],
    input: REMOVED,
    way: [],
  },
  {
    name: 'storage-uncertain',
    what: 'a member that may have lost what it acknowledged, and hears b',
    like: 'follower',
    input: { sound: false, applied: 3 },
    way: followed.slice(0, 2),
  },
];
