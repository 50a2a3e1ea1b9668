// Term runs against explicit lists of terms: tables for what must be readable, properties for the rest.
import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import type { Term } from '../../src/core/ids.ts';
import {
  cutAfter,
  emptyLog,
  extend,
  extendWith,
  firstConflict,
  isUpToDate,
  type LogView,
  lastNotAbove,
  lastTerm,
  runsBetween,
  termAt,
} from '../../src/machines/raft/log-view.ts';
import { runsOf } from '../support/raft-charts.ts';

/** A log as a plain list: the entries first … with these terms, behind `previousTerm`. */
interface Plain {
  readonly first: number;
  readonly previousTerm: Term;
  readonly terms: readonly Term[];
}
const view = ({ first, previousTerm, terms }: Plain): LogView => ({
  firstIndex: first,
  previousTerm,
  runs: runsOf(terms, first),
  lastIndex: first - 1 + terms.length,
});
const whole = (terms: readonly Term[]): LogView => view({ first: 1, previousTerm: 0, terms });
const at = (log: Plain, index: number): Term | undefined =>
  index === log.first - 1 ? log.previousTerm : log.terms[index - log.first];

const ascending = (from: Term, maxLength = 12) =>
  fc.array(fc.integer({ min: from, max: from + 6 }), { maxLength }).map((terms) => terms.toSorted((a, b) => a - b));
const plain = fc
  .record({ first: fc.integer({ min: 1, max: 5 }), previousTerm: fc.integer({ min: 1, max: 3 }) })
  .chain(({ first, previousTerm }) =>
    ascending(first === 1 ? 1 : previousTerm).map(
      (terms): Plain => ({ first, previousTerm: first === 1 ? 0 : previousTerm, terms }),
    ),
  );

/**
 * Two logs as Raft can make them: a common beginning, and then ends that share no term, except that one may go on with the last common
 * one (a term has one leader, whose entries stand at the same place in every log that has any of them).
 */
const pair = fc
  .record({
    common: ascending(1, 8),
    left: ascending(8, 8),
    right: ascending(8, 8),
    more: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ common, left, right, more }) => {
    const shared = common.at(-1);
    const going = shared === undefined ? [] : Array<Term>(more).fill(shared);
    return {
      common: common.length,
      left: [...common, ...going, ...left.map((term) => 2 * term)],
      right: [...common, ...right.map((term) => 2 * term + 1)],
    };
  });

test('the term at an index, by table', () => {
  const log = view({ first: 4, previousTerm: 2, terms: [2, 2, 5, 5, 7] });
  const expected: [number, Term | undefined][] = [
    [2, undefined],
    [3, 2],
    [4, 2],
    [5, 2],
    [6, 5],
    [7, 5],
    [8, 7],
    [9, undefined],
  ];
  for (const [index, term] of expected) assert.equal(termAt(log, index), term, `at ${index}`);
  assert.equal(lastTerm(log), 7);
  assert.equal(termAt(emptyLog, 0), 0);
  assert.equal(termAt(emptyLog, 1), undefined);
  assert.equal(lastTerm(emptyLog), 0);
});

test('the term at an index is the list’s', () => {
  fc.assert(
    fc.property(plain, fc.integer({ min: 0, max: 20 }), (log, index) => {
      assert.equal(termAt(view(log), index), at(log, index));
    }),
  );
});

test('growing, cutting and taking parts do what they do to a list', () => {
  fc.assert(
    fc.property(
      plain,
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 4 }),
      fc.nat(14),
      (log, rise, count, where) => {
        const term = (log.terms.at(-1) ?? log.previousTerm) + rise;
        assert.deepEqual(
          extend(view(log), term, count),
          view({ ...log, terms: [...log.terms, ...Array<Term>(count).fill(term)] }),
        );

        const after = log.first - 1 + Math.min(where, log.terms.length + 1);
        assert.deepEqual(
          cutAfter(view(log), after),
          view({ ...log, terms: log.terms.slice(0, after - log.first + 1) }),
        );

        const from = log.first + Math.min(where, log.terms.length);
        const through = log.first - 1 + log.terms.length;
        assert.deepEqual(runsBetween(view(log), from, through), runsOf(log.terms.slice(from - log.first), from));
        assert.deepEqual(
          runsBetween(view(log), log.first, from - 1),
          runsOf(log.terms.slice(0, from - log.first), log.first),
        );
      },
    ),
  );
});

test('what cannot be is refused: falling terms, cutting what was compacted', () => {
  assert.throws(() => extend(whole([3]), 2, 1), /terms never fall/);
  assert.throws(() => cutAfter(view({ first: 5, previousTerm: 1, terms: [1] }), 3), /compacted entries cannot be cut/);
});

test('a message’s entries go behind the log’s, whatever overlaps', () => {
  fc.assert(
    fc.property(ascending(1), ascending(7), fc.nat(12), (common, more, overlap) => {
      const first = Math.max(1, common.length + 1 - overlap);
      const carried = [...common.slice(first - 1), ...more];
      const last = first - 1 + carried.length;
      assert.deepEqual(extendWith(whole(common), runsOf(carried, first), last), whole([...common, ...more]));
    }),
  );
});

test('the first conflict is the first place where lists differ', () => {
  fc.assert(
    fc.property(pair, fc.nat(12), fc.nat(20), fc.boolean(), ({ left, right }, skip, length, compacted) => {
      const from = Math.min(skip, left.length) + 1;
      const carried = left.slice(from - 1, from - 1 + length);
      const last = from - 1 + carried.length;
      // Nothing that is compacted differs.
      const gone = compacted ? left.findIndex((term, position) => term !== right[position]) : 0;
      const first = Math.max(0, Math.min(gone, right.length)) + 1;
      const mine = view({
        first,
        previousTerm: first === 1 ? 0 : (right[first - 2] ?? 0),
        terms: right.slice(first - 1),
      });
      const differs = carried.findIndex((term, position) => right[from - 1 + position] !== term);
      assert.equal(firstConflict(mine, runsOf(carried, from), last), differs === -1 ? null : from + differs);
    }),
  );
});

test('the last index with a term not above another, against a search', () => {
  fc.assert(
    fc.property(plain, fc.nat(20), fc.nat(12), (log, index, term) => {
      let expected = Math.min(index, log.first - 1 + log.terms.length);
      while (expected >= log.first && (at(log, expected) ?? 0) > term) expected--;
      assert.equal(lastNotAbove(view(log), index, term), Math.max(expected, log.first - 1));
    }),
  );
});

test('hints never skip the place where logs agree, always come nearer to it, and take one message per term at most', () => {
  fc.assert(
    fc.property(pair, ({ common, left, right }) => {
      const leader = whole(left);
      const follower = whole(right);
      // How far they really agree: the common part, and what one goes on with.
      let agreed = common;
      while (agreed < Math.min(left.length, right.length) && left[agreed] === right[agreed]) agreed++;
      let prev = leader.lastIndex;
      let messages = 1;
      while (termAt(follower, prev) !== termAt(leader, prev)) {
        const hint = lastNotAbove(follower, prev - 1, termAt(leader, prev) ?? 0);
        const next = Math.min(prev - 1, lastNotAbove(leader, hint, termAt(follower, hint) ?? 0));
        assert.ok(next < prev && next >= agreed, `from ${prev} to ${next}; they agree up to ${agreed}`);
        prev = next;
        messages++;
      }
      assert.ok(prev <= agreed || prev === agreed);
      const terms = new Set([...left.slice(agreed), ...right.slice(agreed)]).size;
      assert.ok(messages <= terms + 2, `${messages} messages for ${terms} terms`);
    }),
  );
});

test('up to date: the last term decides, then the length', () => {
  fc.assert(
    fc.property(ascending(1), ascending(1), (mine, other) => {
      const [myTerm, otherTerm] = [mine.at(-1) ?? 0, other.at(-1) ?? 0];
      const expected = otherTerm !== myTerm ? otherTerm > myTerm : other.length >= mine.length;
      assert.equal(isUpToDate(whole(mine), other.length, otherTerm), expected);
    }),
  );
});

test.run();
