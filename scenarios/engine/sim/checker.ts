// The invariants of one group, checked after every turn of every member (Ongaro 2014, figure 3.2, and TigerBeetle's checkers): one
// history of committed entries is built, once, and every member may only step along it.
//
// Everything is incremental: a member's log is compared with the history only where it was not compared before, so that a turn
// which changed nothing costs a few comparisons of numbers.
import type { LogEntry, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { RaftStatus } from '../../../src/actors/raft-group.ts';
import type { BrokerId, GroupId, LogIndex, Term } from '../../../src/core/ids.ts';
import type { RaftMessage } from '../../../src/machines/raft/messages.ts';
import type { Configuration } from '../../../src/machines/raft/membership.ts';
import { type CheckedMember, createCheckedMember } from './checked-member.ts';
import type { AskedRead } from './client-history.ts';
import { createCommitted } from './committed.ts';
import { createHistory, type History } from './history.ts';
import { createLogMatching } from './log-matching.ts';
import { fingerprint } from './log-shadow.ts';
import { createSayings } from './sayings.ts';
import type { Trace } from './trace.ts';
import { rule, Violation } from './violation.ts';

export interface GroupChecker {
  /** A member (re)starts from this. */
  started(member: number, recovered: RecoveredGroup): void;
  /** Its disk is empty: it is to begin as a member that may have acknowledged anything. */
  wiped(member: number): void;
  /** Something in its log was changed. */
  spoiled(member: number): void;
  /** Something in its snapshots was changed: it may turn out at any later start that none of them can be read. */
  spoiledSnapshots(member: number): void;
  /** It holds durably that its storage is sound again. */
  vouchedFor(member: number): void;
  /** It may have lost what it acknowledged, whether it knows that or not. */
  isDoubtful(member: number): boolean;
  /** It knows that it may have lost something, and nobody has vouched for it yet. */
  isInDoubt(member: number): boolean;
  /** The newest that is committed, and those that may come into force. */
  configurations(): readonly Configuration[];
  /** Of the group, as is committed. */
  members(): Configuration;
  wrote(member: number, write: LogWrite): void;
  synced(member: number): void;
  sent(member: number, message: RaftMessage): void;
  applied(member: number, entries: readonly LogEntry[], status: RaftStatus): void;
  /** The state became that of a snapshot which reaches `index`; the entry after `position` comes next. */
  restored(member: number, index: LogIndex, fold: number, position: LogIndex): void;
  /** After each turn of a member. */
  turned(member: number, status: RaftStatus): void;
  readonly history: History;
  /** A read was answered by a member. */
  answered(member: number, read: AskedRead): void;
  pendingWrites(member: number): number;
  appliedBy(member: number): LogIndex;
}

export interface CheckerOptions {
  readonly group: GroupId;
  readonly number: number;
  readonly names: readonly BrokerId[];
  /** With whom the group began. */
  readonly founders: readonly BrokerId[];
  readonly trace: Trace;
  /**
   * Also check what a member may say and when (only what is durable): the driver's contract. Without it a broken promise shows only
   * when a crash makes it matter.
   */
  readonly promises: boolean;
}

export function createGroupChecker({ group, number, names, founders, trace, promises }: CheckerOptions): GroupChecker {
  const history = createHistory(group);
  const members = names.map(() => createCheckedMember(history.entry));
  const at = (member: number): CheckedMember => {
    const found = members[member];
    if (found === undefined) throw new RangeError(`no member ${member}`);
    return found;
  };
  const who = (member: number) => `${names[member]} in ${group}`;
  const checked = { id: group, names, at, who };
  const committed = createCommitted({ group: checked, number, founders, history, trace });
  const sayings = createSayings({ group: checked, committed, history, promises });
  const matching = createLogMatching();

  return {
    started(member, { sound, hard, firstIndex, lastIndex, runs }) {
      const known = at(member);
      const terms: Term[] = [];
      runs.forEach(({ first, term }, run) => {
        for (let index = first; index < (runs[run + 1]?.first ?? lastIndex + 1); index++) terms.push(term);
      });
      const pending = known.shadow.pending();
      const { durable } = known.shadow;
      if (known.suspect && !sound) known.lost ??= [...durable.entries];
      // One that was looked through and found whole has nothing to doubt.
      const damaged = known.suspect && !sound;
      known.suspect = false;
      rule(
        'only a damaged log is unsound',
        sound || known.lost !== null,
        () => `${who(member)} finds its log unsound, and nobody touched it`,
      );
      const { shadow } = known;
      const survived = damaged ? shadow.damaged(hard, firstIndex, terms) : shadow.recovered(hard, firstIndex, terms);
      rule(
        'what was synced survives',
        survived !== null,
        () =>
          `${who(member)} restarts with term ${hard.term}, vote ${hard.votedFor}, ${lastIndex} entries; durable were term ${durable.hard.term}, vote ${durable.hard.votedFor}, ${durable.entries.length} entries, and ${pending} writes pending`,
      );
      trace.note('start', member, number, ++known.life, survived);
      Object.assign(known, { verified: 0, term: 0, role: 'follower', serving: false, commit: 0, told: 0, applied: 0 });
      known.checked = null;
    },

    wrote(member, write) {
      const known = at(member);
      const { written } = known.shadow;
      const { truncateAfter } = write;
      if (write.forget === true) {
        rule(
          'only what was damaged is forgotten',
          known.frail || known.lost !== null,
          () => `${who(member)} forgets its log, and nobody touched it`,
        );
        known.lost ??= [...known.shadow.durable.entries];
      }
      if (write.compactTo !== undefined) committed.compacting(member, write.compactTo);
      if (truncateAfter !== undefined) committed.cutting(member, truncateAfter);
      rule(
        'terms do not fall',
        write.hard === undefined || write.hard.term >= written.hard.term,
        () => `${who(member)} writes term ${write.hard?.term} after ${written.hard.term}`,
      );
      const added = known.shadow.write(write);
      const first = written.entries.length - added.length + 1;
      added.forEach((entry, n) => {
        matching.note(() => who(member), first + n, entry, written.entries[first + n - 2]?.term ?? 0);
        rule(
          'terms do not fall along a log',
          entry.term >= (written.entries[first + n - 2]?.term ?? 0),
          () => `${who(member)} writes entry ${first + n} of term ${entry.term} behind a newer term`,
        );
      });
      trace.note(
        'write',
        member,
        number,
        written.hard.term,
        truncateAfter,
        added.length === 0 ? -1 : first,
        written.entries.length,
      );
    },

    wiped(member) {
      const known = at(member);
      known.lost ??= [...known.shadow.durable.entries];
      known.suspect = false;
      known.frail = false;
      known.shadow.damaged({ term: 0, votedFor: null }, 1, []);
    },

    spoiled(member) {
      at(member).suspect = true;
    },

    spoiledSnapshots(member) {
      at(member).frail = true;
    },

    vouchedFor(member) {
      at(member).lost = null;
    },

    isDoubtful: (member) => at(member).suspect || at(member).frail || at(member).lost !== null,

    isInDoubt: (member) => at(member).lost !== null,

    configurations: committed.configurations,

    members: committed.members,

    synced(member) {
      at(member).shadow.synced();
      trace.note('synced', member, number, at(member).shadow.durable.entries.length);
    },

    sent: sayings.sent,

    applied(member, entries, status) {
      const known = at(member);
      const last = entries.at(-1);
      if (last === undefined) throw new Violation('apply', `${who(member)} applies nothing`);
      if (last.index > history.length) committed.learn(member, status.commit, status.term);
      for (const entry of entries) {
        rule(
          'entries are applied in order, each once',
          entry.index === known.applied + 1,
          () => `${who(member)} applies ${entry.index} after ${known.applied}`,
        );
        const there = history.entry(entry.index);
        const same = there !== undefined && there.term === entry.term && there.print === fingerprint(entry);
        rule(
          'state machine safety',
          same,
          () =>
            `${who(member)} applies another entry ${entry.index} (term ${entry.term}) than the committed one (term ${there?.term})`,
        );
        known.applied = entry.index;
      }
      trace.note('apply', member, number, entries[0]?.index, last.index);
    },

    restored(member, index, fold, position) {
      const known = at(member);
      rule(
        'a snapshot holds what was committed',
        committed.foldAt(index) === fold && position <= index,
        () => `${who(member)} takes over a state that reaches ${index}, and is not what entries up to there make`,
      );
      rule(
        'applied never falls',
        position >= known.applied,
        () => `${who(member)} goes back to ${position} from ${known.applied}`,
      );
      known.applied = position;
      trace.note('restore', member, number, index, position);
    },

    turned(member, status) {
      const known = at(member);
      const { changes } = known.shadow;
      // All that follows is said of these two alone: they were found good before.
      if (status === known.checked && changes === known.checkedChanges) return;
      known.checked = status;
      known.checkedChanges = changes;
      const { term, role, commit, applied, lastIndex, serving } = status;
      rule('terms never fall', term >= known.term, () => `${who(member)}: term ${term} after ${known.term}`);
      rule(
        'commit never falls',
        commit >= known.commit,
        () => `${who(member)}: commit ${commit} after ${known.commit}`,
      );
      rule(
        'applied never falls',
        applied >= known.told,
        () => `${who(member)}: applied ${applied} after ${known.told}`,
      );
      rule(
        'applied ≤ committed ≤ last',
        applied <= commit && commit <= lastIndex,
        () => `${who(member)}: applied ${applied}, committed ${commit}, last ${lastIndex}`,
      );
      if (promises) {
        const { written } = known.shadow;
        rule(
          'the log is written as the chart sees it',
          written.entries.length === lastIndex && written.hard.term === term,
          () =>
            `${who(member)}: the chart is at term ${term} with ${lastIndex} entries, written are term ${written.hard.term} and ${written.entries.length} entries`,
        );
      }
      if (role === 'leader' && (known.role !== 'leader' || known.term !== term)) sayings.led(member, term);
      if (commit > known.commit) committed.learn(member, commit, term);
      if (role !== known.role || term !== known.term || serving !== known.serving) {
        trace.note('role', member, number, ROLES.indexOf(role), term, serving ? 1 : 0);
      }
      known.term = term;
      known.role = role;
      known.serving = serving;
      known.commit = commit;
      known.told = applied;
    },

    answered(member, read) {
      const { applied } = at(member);
      rule(
        'reads see what was acknowledged before',
        applied >= read.floor,
        () =>
          `${who(member)} answers a read at ${applied}; when the read began, ${read.floor} was acknowledged or read`,
      );
      history.answered(read, applied);
    },

    history,
    pendingWrites: (member) => at(member).shadow.pending(),
    appliedBy: (member) => at(member).applied,
  };
}

const ROLES: readonly RaftStatus['role'][] = [
  'follower',
  'preCandidate',
  'candidate',
  'leader',
  'learner',
  'removed',
  'storageUncertain',
];
