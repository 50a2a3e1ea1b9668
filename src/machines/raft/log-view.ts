// The log as the chart sees it: where it begins and ends, and which term each stretch has. Never the entries.
//
//   index   1   2   3   4   5   6   7
//   term    1   1   1   2   2   5   5        runs: {first 1, term 1} {first 4, term 2} {first 6, term 5}
//
// Invariants
//   1. Runs are ascending in `first` and in `term`; the first one begins at firstIndex; there are none when the log is empty.
//   2. lastIndex ≥ firstIndex − 1. `previousTerm` is the term of the entry before firstIndex.
//
// Terms change rarely and questions are about the newest entries, so every search goes from the end.
import { assert } from '../../core/assert.ts';
import type { LogIndex, Term } from '../../core/ids.ts';
import type { TermRun } from './messages.ts';

export interface LogView {
  readonly firstIndex: LogIndex;
  readonly previousTerm: Term;
  readonly runs: readonly TermRun[];
  readonly lastIndex: LogIndex;
}

export const emptyLog: LogView = { firstIndex: 1, previousTerm: 0, runs: [], lastIndex: 0 };

export function lastTerm(log: LogView): Term {
  return log.runs.at(-1)?.term ?? log.previousTerm;
}

/** The term of the entry at `index`; undefined when the log does not hold it (any more). */
export function termAt(log: LogView, index: LogIndex): Term | undefined {
  if (index === log.firstIndex - 1) return log.previousTerm;
  if (index < log.firstIndex || index > log.lastIndex) return undefined;
  return log.runs.findLast((run) => run.first <= index)?.term;
}

/** The last index of the run at `position` in `runs`, which end at `last`. */
function endOf(runs: readonly TermRun[], position: number, last: LogIndex): LogIndex {
  return (runs[position + 1]?.first ?? last + 1) - 1;
}

/** With `count` more entries of `term` behind the last one. */
export function extend(log: LogView, term: Term, count: number): LogView {
  if (count === 0) return log;
  assert(term >= lastTerm(log), () => `terms never fall along a log: ${term} after ${lastTerm(log)}`);
  const goesOn = log.runs.length > 0 && lastTerm(log) === term;
  return {
    firstIndex: log.firstIndex,
    previousTerm: log.previousTerm,
    runs: goesOn ? log.runs : [...log.runs, { first: log.lastIndex + 1, term }],
    lastIndex: log.lastIndex + count,
  };
}

/** With those entries of a message that come behind the last one here: `runs` are their terms, `last` is where they end. */
export function extendWith(log: LogView, runs: readonly TermRun[], last: LogIndex): LogView {
  let extended = log;
  runs.forEach((run, position) => {
    const count = endOf(runs, position, last) - Math.max(run.first - 1, extended.lastIndex);
    if (count > 0) extended = extend(extended, run.term, count);
  });
  return extended;
}

/** Without every entry after `index`. */
export function cutAfter(log: LogView, index: LogIndex): LogView {
  assert(index >= log.firstIndex - 1, 'compacted entries cannot be cut');
  if (index >= log.lastIndex) return log;
  return { ...log, runs: log.runs.filter((run) => run.first <= index), lastIndex: index };
}

/**
 * Without every entry up to `index`, which is of `term`. When the log does not hold that very entry, nothing of it is kept, and it
 * goes on behind it; what was compacted already stays so.
 */
export function compactThrough(log: LogView, index: LogIndex, term: Term): LogView {
  if (index < log.firstIndex) return log;
  if (termAt(log, index) !== term) return { firstIndex: index + 1, previousTerm: term, runs: [], lastIndex: index };
  return {
    firstIndex: index + 1,
    previousTerm: term,
    runs: runsBetween(log, index + 1, log.lastIndex),
    lastIndex: log.lastIndex,
  };
}

/** The terms of the entries from … through, as a message carries them. */
export function runsBetween(log: LogView, from: LogIndex, through: LogIndex): readonly TermRun[] {
  if (through < from) return [];
  const newest = log.runs.at(-1);
  if (newest !== undefined && newest.first <= from) return [{ first: from, term: newest.term }];
  const begin = Math.max(
    0,
    log.runs.findLastIndex((run) => run.first <= from),
  );
  const end = log.runs.findLastIndex((run) => run.first <= through);
  const runs = log.runs.slice(begin, end + 1);
  const first = runs[0];
  if (first !== undefined && first.first < from) runs[0] = { first: from, term: first.term };
  return runs;
}

/**
 * The first index at which a message's entries differ from the log: another term there, or the log has ended. Null when the log
 * holds them all (§3.5: entries with the same index and term are the same, and so is all before them). What was compacted was
 * committed, and is equal everywhere.
 */
export function firstConflict(log: LogView, runs: readonly TermRun[], last: LogIndex): LogIndex | null {
  for (let position = 0; position < runs.length; position++) {
    const run = runs[position];
    if (run === undefined) break;
    const end = endOf(runs, position, last);
    let index = Math.max(run.first, log.firstIndex);
    while (index <= end) {
      if (index > log.lastIndex) return index;
      const mine = log.runs.findLastIndex((candidate) => candidate.first <= index);
      if (log.runs[mine]?.term !== run.term) return index;
      index = endOf(log.runs, mine, log.lastIndex) + 1;
    }
  }
  return null;
}

/**
 * The last index at or before `index` whose term is at most `term`: what is behind it cannot equal a log that has `term` at `index`
 * or later. Each side of a refused append applies it to the other's hint, so that whole terms are skipped (§3.5, and etcd/raft's
 * findConflictByTerm).
 */
export function lastNotAbove(log: LogView, index: LogIndex, term: Term): LogIndex {
  const within = Math.min(index, log.lastIndex);
  for (let position = log.runs.length - 1; position >= 0; position--) {
    const run = log.runs[position];
    if (run !== undefined && run.term <= term && run.first <= within)
      return Math.min(within, endOf(log.runs, position, log.lastIndex));
  }
  return log.firstIndex - 1;
}

/** §3.6.1: is a log that ends at (index, term) at least as up to date as this one? */
export function isUpToDate(log: LogView, index: LogIndex, term: Term): boolean {
  const mine = lastTerm(log);
  return term > mine || (term === mine && index >= log.lastIndex);
}
