// What is committed in one group: one history, built once, which every member's log must agree with (Ongaro 2014, figure 3.2: leader
// completeness, log matching), which is durable on a quorum, and of which nothing is cut that a quorum needs.
import type { LogWrite } from '../../../src/actors/stores/log.ts';
import type { BrokerId, LogIndex, Term } from '../../../src/core/ids.ts';
import { type Configuration, foundedBy, inForce } from '../../../src/machines/raft/membership.ts';
import type { CheckedGroup } from './checked-member.ts';
import type { History } from './history.ts';
import { foldEntry, type ShadowEntry } from './log-shadow.ts';
import { isKeptBy, isQuorum } from './quorums.ts';
import type { Trace } from './trace.ts';
import { rule } from './violation.ts';

export interface Committed {
  /** The newest configuration that is committed. */
  readonly members: () => Configuration;
  /** The newest that is committed, and those that may come into force. */
  configurations(): readonly Configuration[];
  /** Compares the member's log with the history up to `through`. @param name of the rule that says so. */
  verify(member: number, through: LogIndex, name: string): void;
  /** The member knows that everything up to `commit` is committed. */
  learn(member: number, commit: LogIndex, term: Term): void;
  /** Who is behind may cut an entry that others have committed meanwhile, as long as a quorum keeps it. */
  cutting(member: number, after: LogIndex): void;
  /** What leaves a log is committed; and nothing that is known to be, or that a quorum needs, goes with it. */
  compacting(member: number, to: NonNullable<LogWrite['compactTo']>): void;
  /** The state that the entries up to `index` lead to; undefined: not all of them are committed. */
  foldAt(index: LogIndex): number | undefined;
}

export interface CommittedPorts {
  readonly group: CheckedGroup;
  readonly number: number;
  readonly founders: readonly BrokerId[];
  readonly history: History;
  readonly trace: Trace;
}

export function createCommitted({ group, number, founders, history, trace }: CommittedPorts): Committed {
  const { names, at, who } = group;
  let committedMembers: Configuration = inForce(foundedBy(founders)).configuration;
  /** The states that committed entries lead to, one after each. */
  const folds = [0];

  /** Compares the member's log with the history up to `through`. */
  function verify(member: number, through: LogIndex, name: string): void {
    const known = at(member);
    const { entries } = known.shadow.written;
    for (let index = known.verified + 1; index <= through; index++) {
      const entry = entries[index - 1];
      const committed = history.entry(index);
      rule(
        name,
        entry !== undefined,
        () => `${who(member)} lacks entry ${index}, which is committed; its log ends at ${entries.length}`,
      );
      rule(
        name,
        entry.term === committed?.term && entry.print === committed.print,
        () =>
          `${who(member)} holds another entry ${index} (term ${entry.term}) than the committed one (term ${committed?.term})`,
      );
    }
    known.verified = Math.max(known.verified, through);
  }

  function learn(member: number, commit: LogIndex, term: Term): void {
    if (commit > history.length) extend(member, commit, term);
    else verify(member, commit, 'log matching on what is committed');
  }

  function extend(member: number, commit: LogIndex, term: Term): void {
    const { entries } = at(member).shadow.written;
    verify(member, history.length, 'leader completeness');
    rule(
      'commit of the own term only',
      entries[commit - 1]?.term === term,
      () => `${who(member)} commits ${commit}, an entry of term ${entries[commit - 1]?.term}, in term ${term}`,
    );
    const configuration = tailOf(entries).at(-1) ?? committedMembers;
    for (let index = history.length + 1; index <= commit; index++) {
      const entry = entries[index - 1];
      rule(
        'commit within the log',
        entry !== undefined,
        () => `${who(member)} commits ${index}, but its log ends at ${entries.length}`,
      );
      const holders = durableOn(index, entry);
      rule(
        'commit on a durable quorum',
        isQuorum(configuration, (voter) => holders.includes(voter)),
        () =>
          `${who(member)} commits ${index}, which is durable on ${said(holders)}; voters are ${votersSaid(configuration)}`,
      );
      history.push(entry, term);
      committedMembers = entry.configuration ?? committedMembers;
    }
    at(member).verified = commit;
    trace.note('commit', member, number, commit, term);
  }

  /**
   * On which members this entry survives any crash. What one has said before its disk was lost may still count: until it is vouched
   * for, what it had does, and not what it has.
   */
  function durableOn(index: LogIndex, entry: ShadowEntry | undefined, except?: number): BrokerId[] {
    return names.filter((_, member) => {
      const { shadow, lost } = at(member);
      return member !== except && sameEntry((lost ?? shadow.durable.entries)[index - 1], entry);
    });
  }

  /** Configurations in a member's log that are not known to be committed. */
  function tailOf(entries: readonly ShadowEntry[]): Configuration[] {
    const tail: Configuration[] = [];
    for (let index = history.length + 1; index <= entries.length; index++) {
      const configuration = entries[index - 1]?.configuration;
      if (configuration !== undefined && configuration !== null) tail.push(configuration);
    }
    return tail;
  }

  function cutting(member: number, after: LogIndex): void {
    const known = at(member);
    // One in doubt is not counted with what it has, but with what it had.
    const counted = known.lost === null ? member : undefined;
    const kept = Math.min(known.verified, history.length);
    rule(
      'what is committed is never cut',
      after >= kept,
      () => `${who(member)} cuts its log after ${after}; it knows that ${kept} is committed`,
    );
    for (let index = after + 1; index <= history.length; index++) {
      const left = durableOn(index, history.entry(index), counted);
      rule(
        'what is committed stays on a quorum',
        isKeptBy(committedMembers, (voter) => left.includes(voter)),
        () => `${who(member)} cuts entry ${index}, which is committed; it stays durable on ${said(left)} only`,
      );
    }
    known.verified = Math.min(known.verified, after);
  }

  function compacting(member: number, { index, term }: NonNullable<LogWrite['compactTo']>): void {
    rule(
      'what leaves a log is committed',
      index <= history.length && history.entry(index)?.term === term,
      () => `${who(member)} begins its log behind ${index} (term ${term}); committed are ${history.length}`,
    );
    const { entries } = at(member).shadow.written;
    if (entries[index - 1]?.term !== term) cutting(member, index);
  }

  function foldAt(index: LogIndex): number | undefined {
    for (let next = folds.length; next <= Math.min(index, history.length); next++) {
      const entry = history.entry(next);
      if (entry !== undefined) folds.push(foldEntry(folds[next - 1] ?? 0, entry.term, entry.print));
    }
    return folds[index];
  }

  return {
    members: () => committedMembers,
    configurations() {
      // A crash takes back what is not durable, a cut among it.
      const tails = names.flatMap((_, member) => {
        const { written, durable } = at(member).shadow;
        return [written, durable];
      });
      return [committedMembers, ...tails.flatMap(({ entries }) => tailOf(entries))];
    },
    verify,
    learn,
    cutting,
    compacting,
    foldAt,
  };
}

const said = (members: readonly BrokerId[]): string => (members.length === 0 ? 'nobody' : members.join(' '));

const votersSaid = ({ voters, outgoing }: Configuration): string =>
  outgoing.length === 0 ? said(voters) : `${said(voters)}, and before ${said(outgoing)}`;

export function sameEntry(a: ShadowEntry | undefined, b: ShadowEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.term === b.term && a.print === b.print;
}
