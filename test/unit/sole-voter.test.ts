// What is written to make a broker the only voter of a group, for everything that may be found of it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeConfiguration, encodeConfiguration } from '../../src/actors/raft/configuration-codec.ts';
import { type Doubt, type GroupHeld, soleVoter } from '../../src/actors/raft/sole-voter.ts';
import type { RecoveredGroup } from '../../src/actors/stores/log.ts';
import { type BrokerId, shardGroup } from '../../src/core/ids.ts';
import type { Configuration } from '../../src/machines/raft/membership.ts';

const test = suite('sole voter');

const ids = (names: string) => (names === '' ? [] : names.split(' ')) as BrokerId[];
const of = (voters: string, outgoing = '', learners = '', joining = ''): Configuration => ({
  voters: ids(voters),
  outgoing: ids(outgoing),
  learners: ids(learners),
  joining: ids(joining),
});
const [A] = ids('a');
const NOTHING: RecoveredGroup = {
  isNew: false,
  sound: true,
  hard: { term: 0, votedFor: null },
  firstIndex: 1,
  previousTerm: 0,
  lastIndex: 0,
  runs: [],
  configurations: [],
};
const TEN: Partial<RecoveredGroup> = {
  hard: { term: 4, votedFor: null },
  lastIndex: 10,
  runs: [{ first: 1, term: 2 }],
};
const placed = (index: number, configuration: Configuration) => ({
  index,
  payload: encodeConfiguration(configuration),
});
const snapshot = (index: number, term: number, configuration = of('a b c')) => ({
  index,
  term,
  configuration: { index: 1, configuration },
});

interface Case {
  readonly what: string;
  readonly log: Partial<RecoveredGroup>;
  readonly snapshot?: GroupHeld['snapshot'];
  readonly founders?: string;
  /** Behind which entry, of which term, it goes on; in which term. */
  readonly end: readonly [index: number, term: number, next: number];
  readonly before?: string;
  readonly doubt?: Doubt;
  readonly isAlone?: true;
  readonly compacts?: true;
  readonly trusts?: true;
}

const CASES: readonly Case[] = [
  { what: 'a voter of three', log: TEN, end: [10, 2, 5] },
  {
    what: 'a log of a later term than the hard state',
    log: { ...TEN, runs: [{ first: 1, term: 7 }] },
    end: [10, 7, 8],
  },
  {
    what: 'amid a joint change',
    log: { ...TEN, configurations: [placed(9, of('a d e', 'a b c'))] },
    end: [10, 2, 5],
    before: 'a d e/a b c',
  },
  {
    what: 'only the outgoing half has it',
    log: { ...TEN, configurations: [placed(9, of('d e f', 'a b c'))] },
    end: [10, 2, 5],
    before: 'd e f/a b c',
  },
  {
    what: 'a compacted log that goes on from its snapshot',
    log: { ...TEN, firstIndex: 6, previousTerm: 2, runs: [{ first: 6, term: 2 }] },
    snapshot: snapshot(8, 2, of('a b')),
    end: [10, 2, 5],
    before: 'a b',
  },
  {
    what: 'a snapshot that was installed, and a log that had not heard of it',
    log: { ...TEN, configurations: [placed(9, of('a'))] },
    snapshot: snapshot(20, 3),
    end: [20, 3, 5],
    compacts: true,
  },
  {
    what: 'a log that contradicts the snapshot',
    log: { ...TEN, runs: [{ first: 1, term: 6 }] },
    snapshot: snapshot(9, 3),
    end: [9, 3, 7],
    compacts: true,
  },
  {
    what: 'the only one already',
    log: { ...TEN, configurations: [placed(3, of('a'))] },
    end: [10, 2, 5],
    before: 'a',
    isAlone: true,
  },
  {
    what: 'alone but for a learner',
    log: { ...TEN, configurations: [placed(3, of('a', '', 'b'))] },
    end: [10, 2, 5],
    before: 'a',
  },
  {
    what: 'leaving others behind',
    log: { ...TEN, configurations: [placed(3, of('a', 'a b c'))] },
    end: [10, 2, 5],
    before: 'a/a b c',
  },
  { what: 'unsound', log: { ...TEN, sound: false }, end: [10, 2, 5], doubt: 'unsound', trusts: true },
  {
    what: 'unsound, and alone',
    log: { ...TEN, sound: false, configurations: [placed(3, of('a'))] },
    end: [10, 2, 5],
    before: 'a',
    doubt: 'unsound',
    trusts: true,
  },
  {
    what: 'a learner',
    log: { ...TEN, configurations: [placed(3, of('b c', '', 'a'))] },
    end: [10, 2, 5],
    before: 'b c',
    doubt: 'learner',
  },
  {
    what: 'left out',
    log: { ...TEN, configurations: [placed(3, of('b c'))] },
    end: [10, 2, 5],
    before: 'b c',
    doubt: 'outsider',
  },
  { what: 'nothing', log: { isNew: true }, end: [0, 0, 1], doubt: 'nothing' },
  {
    what: 'nothing, and never a founder',
    log: { isNew: true },
    founders: '',
    end: [0, 0, 1],
    before: '',
    doubt: 'nothing',
  },
  {
    what: 'a replica that was dropped: its vote stays',
    log: { sound: false, hard: { term: 9, votedFor: A ?? null } },
    end: [0, 0, 10],
    doubt: 'nothing',
    trusts: true,
  },
];

for (const { what, log, founders = 'a b c', end, before = 'a b c', ...expected } of CASES) {
  test(what, () => {
    assert.ok(A);
    const recovered = { ...NOTHING, ...log };
    const found = soleVoter({
      self: A,
      group: 'shard-0',
      founders: ids(founders),
      recovered,
      snapshot: expected.snapshot ?? null,
    });
    assert.ok(typeof found !== 'string');
    const [index, term, next] = end;
    assert.equal([found.index, found.term], [index, term]);
    assert.is(
      [found.before.voters, found.before.outgoing]
        .map((half) => half.join(' '))
        .filter((half, at) => at === 0 || half !== '')
        .join('/'),
      before,
    );
    assert.is(found.doubt, expected.doubt ?? null);
    assert.is(found.isAlone, expected.isAlone === true);
    assert.is(found.certain, expected.snapshot?.index ?? 0);
    const told = Uint8Array.of(7);
    const { entries, ...write } = found.write([told]);
    assert.equal(write, {
      group: 'shard-0',
      hard: { term: next, votedFor: A },
      ...(expected.trusts === true ? { sound: true } : {}),
      ...(expected.compacts === true ? { compactTo: { index, term } } : {}),
    });
    const [configuration, more] = entries;
    assert.equal(
      entries.map((entry) => [entry.index, entry.term, entry.kind]),
      [
        [index + 1, next, 'configuration'],
        [index + 2, next, 'data'],
      ],
    );
    assert.equal(decodeConfiguration(configuration?.payload ?? told), of('a'));
    assert.is(more?.payload, told);
  });
}

test('without its beginning a log is of no use: a shard goes on from an older snapshot, or empty', () => {
  assert.ok(A);
  const recovered = { ...NOTHING, ...TEN, firstIndex: 6, previousTerm: 2 };
  const older = { index: 3, term: 1, configuration: { index: 1, configuration: of('a b c') } };
  for (const snapshot of [null, older]) {
    assert.is(
      soleVoter({ self: A, group: 'control', founders: [], recovered, snapshot }),
      'its log begins at entry 6, and no snapshot that is whole holds what was before',
    );
    const found = soleVoter({ self: A, group: shardGroup(0), founders: [], recovered, snapshot });
    if (typeof found === 'string') return assert.unreachable(found);
    const { doubt, isAlone, isForgotten, index } = found;
    assert.equal(
      { doubt, isAlone, isForgotten, index },
      { doubt: 'broken', isAlone: false, isForgotten: true, index: snapshot?.index ?? 0 },
    );
    const { sound, compactTo, entries } = found.write([]);
    assert.is(sound, true);
    assert.equal(compactTo, snapshot === null ? undefined : { index: 3, term: 1 });
    assert.equal(
      entries.map((entry) => entry.index),
      [(snapshot?.index ?? 0) + 1],
    );
  }
});

test.run();
