// The log as the chart sees it: where it begins and ends, and which term each stretch has. Never the entries.
//
//   index   1   2   3   4   5   6   7
//   term    1   1   1   2   2   5   5        runs: {first 1, term 1} {first 4, term 2} {first 6, term 5}
//
// Invariants
//   1. Runs are ascending in `first` and in `term`; the first one begins at firstIndex; there are none when the log is empty.
//   2. lastIndex ≥ firstIndex − 1. `previousTerm` is the term of the entry before firstIndex.
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
  return runAt(log.runs, index)?.term;
}

/** The run that holds `index`: the last one that begins at or before it. Terms change rarely, so the newest is tried first. */
function runAt(runs: readonly TermRun[], index: LogIndex): TermRun | undefined {
  return runs.findLast((run) => run.first <= index);
}

/** `count` entries of `term` behind the last one. */
export function extend(log: LogView, term: Term, count: number): LogView {
  assert(term >= lastTerm(log), 'terms never fall along a log');
  if (count === 0) return log;
  const runs = lastTerm(log) === term && log.runs.length > 0 ? log.runs : [...log.runs, { first: log.lastIndex + 1, term }];
  return { ...log, runs, lastIndex: log.lastIndex + count };
}

/** The entries that a message carries, behind the last one: `runs` are their terms, up to `last`. */
export function extendWith(log: LogView, runs: readonly TermRun[], last: LogIndex): LogView {
  let extended = log;
  runs.forEach((run, at) => {
    const end = (runs[at + 1]?.first ?? last + 1) - 1;
    const from = Math.max(run.first, extended.lastIndex + 1);
    if (end >= from) extended = extend(extended, run.term, end - from + 1);
  });
  return extended;
}

/** Without every entry after `index`. */
export function cutAfter(log: LogView, index: LogIndex): LogView {
  assert(index >= log.firstIndex - 1, 'compacted entries cannot be cut');
  if (index >= log.lastIndex) return log;
  return { ...log, runs: log.runs.filter((run) => run.first <= index), lastIndex: index };
}

/** Runs of the entries from … through. */
export function runsBetween(log: LogView, from: LogIndex, through: LogIndex): TermRun[] {
  if (through < from) return [];
  const runs: TermRun[] = [];
  for (const run of log.runs) {
    if (run.first > through) break;
    if (run.first <= from) runs.length = 0;
    runs.push(run.first < from ? { first: from, term: run.term } : run);
  }
  return runs;
}

/**
 * The first index at which a message's entries differ from the log: a different term, or behind its end. Null when the log holds
 * all of them (§3.5: entries with the same index and term are the same).
 */
export function firstConflict(log: LogView, runs: readonly TermRun[], last: LogIndex): LogIndex | null {
  for (let at = 0; at < runs.length; at++) {
    const run = runs[at];
    if (run === undefined) break;
    const end = (runs[at + 1]?.first ?? last + 1) - 1;
    for (let index = run.first; index <= end; ) {
      if (index > log.lastIndex) return index;
      const mine = runAt(log.runs, index);
      if (index >= log.firstIndex && mine?.term !== run.term) return index;
      // Everything up to the end of my run has this term, too.
      const next = log.runs.find((candidate) => candidate.first > index)?.first ?? log.lastIndex + 1;
      index = Math.max(next, log.firstIndex);
    }
  }
  return null;
}

/** The last index at or before `index` whose term is at most `term`: what is behind it cannot match (conflict hints, §3.5). */
export function lastIndexOfTerm(log: LogView, index: LogIndex, term: Term): LogIndex {
  let at = Math.min(index, log.lastIndex);
  for (let r = log.runs.length - 1; r >= 0; r--) {
    const run = log.runs[r];
    if (run === undefined || run.first > at) continue;
    if (run.term <= term) return at;
    at = run.first - 1;
  }
  return Math.max(at, log.firstIndex - 1);
}

/** §3.6.1: is a log that ends at (index, term) at least as up to date as this one? */
export function isUpToDate(log: LogView, index: LogIndex, term: Term): boolean {
  const mine = lastTerm(log);
  return term > mine || (term === mine && index >= log.lastIndex);
}
