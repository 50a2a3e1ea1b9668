// The invariants of one group, checked after every turn of every member (Ongaro 2014, figure 3.2, and TigerBeetle's checkers): one
// history of committed entries is built, once, and every member may only step along it.
//
// Everything is incremental: a member's log is compared with the history only where it was not compared before, so that a turn
// which changed nothing costs a few comparisons of numbers.
import type { LogEntry, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { RaftStatus } from '../../../src/actors/raft-group.ts';
import type { BrokerId, GroupId, LogIndex, Term } from '../../../src/core/ids.ts';
import type { RaftMessage } from '../../../src/machines/raft/messages.ts';
import { type Configuration, foundedBy, inForce } from '../../../src/machines/raft/membership.ts';
import type { AskedRead } from './client-history.ts';
import { createHistory, type History } from './history.ts';
import { createLogMatching } from './log-matching.ts';
import { createLogShadow, fingerprint, foldEntry, type LogShadow, type ShadowEntry } from './log-shadow.ts';
import { isKeptBy, isQuorum } from './quorums.ts';
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

interface Member {
  readonly shadow: LogShadow;
  /** Its storage was damaged; what it says of it counts until it has found out. */
  suspect: boolean;
  /** Its snapshots were damaged: until its disk is another one, it may lose what has left its log. */
  frail: boolean;
  /** What it had, from when it knows that it may have lost some of that, until a leader has vouched for it. */
  lost: readonly ShadowEntry[] | null;
  life: number;
  /** This much of its log was compared with the history. */
  verified: LogIndex;
  term: Term;
  role: RaftStatus['role'];
  serving: boolean;
  commit: LogIndex;
  /** By the chart's account, and by the state machine's. */
  told: LogIndex;
  applied: LogIndex;
  /** What was checked after its last turn: its status, and how often its log had been written to by then. */
  checked: RaftStatus | null;
  checkedChanges: number;
}

export function createGroupChecker({ group, number, names, founders, trace, promises }: CheckerOptions): GroupChecker {
  const history = createHistory(group);
  const members: Member[] = names.map(() => ({
    shadow: createLogShadow(history.entry),
    suspect: false,
    frail: false,
    lost: null,
    life: 0,
    verified: 0,
    term: 0,
    role: 'follower',
    serving: false,
    commit: 0,
    told: 0,
    applied: 0,
    checked: null,
    checkedChanges: 0,
  }));
  /** The newest that is committed. */
  let committedMembers: Configuration = inForce(foundedBy(founders)).configuration;
  const matching = createLogMatching();
  const leaders = new Map<Term, number>();
  /** Who a member voted for, by term. */
  const votes = names.map(() => new Map<Term, BrokerId>());
  /** The states that committed entries lead to, one after each. */
  const folds = [0];

  const at = (member: number): Member => {
    const found = members[member];
    if (found === undefined) throw new RangeError(`no member ${member}`);
    return found;
  };
  const who = (member: number) => `${names[member]} in ${group}`;

  // ---------------------------------------------------------------- logs

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

  /** The member knows that everything up to `commit` is committed. */
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

  /** Who is behind may cut an entry that others have committed meanwhile, as long as a quorum keeps it. */
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

  /** What leaves a log is committed; and nothing that is known to be, or that a quorum needs, goes with it. */
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

  // ---------------------------------------------------------------- members

  function led(member: number, term: Term): void {
    const other = leaders.get(term);
    rule(
      'one leader per term',
      other === undefined || other === member,
      () => `${names[other ?? 0]} and ${names[member]} both lead ${group} in term ${term}`,
    );
    leaders.set(term, member);
    // Who was elected and slept through the next election knows nothing of what was committed since.
    verify(member, history.committedBy(term), 'leader completeness');
  }

  function noteVote(member: number, term: Term, candidate: BrokerId): void {
    const before = votes[member]?.get(term);
    rule(
      'one vote per term',
      before === undefined || before === candidate,
      () => `${who(member)} votes for ${candidate} in term ${term}, and for ${before} before`,
    );
    votes[member]?.set(term, candidate);
    if (!promises) return;
    const { hard } = at(member).shadow.durable;
    rule(
      'a vote is durable before it is said',
      hard.term >= term && (hard.term > term || hard.votedFor === candidate),
      () =>
        `${who(member)} votes for ${candidate} in term ${term}, but durable is ${hard.votedFor} in term ${hard.term}`,
    );
  }

  function noteAcknowledgement(member: number, index: LogIndex, term: Term): void {
    const { written, durable } = at(member).shadow;
    // An answer of an older term says what was so in that term; a leader since then may have cut it.
    if (term < written.hard.term) return;
    const holds = durable.entries.length >= index && sameEntry(durable.entries[index - 1], written.entries[index - 1]);
    rule(
      'an entry is durable before it is acknowledged',
      index === 0 || holds,
      () => `${who(member)} acknowledges entries up to ${index}, but durable are ${durable.entries.length}`,
    );
  }

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
      if (write.compactTo !== undefined) compacting(member, write.compactTo);
      if (truncateAfter !== undefined) cutting(member, truncateAfter);
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

    configurations() {
      // A crash takes back what is not durable, a cut among it.
      const tails = members.flatMap(({ shadow: { written, durable } }) => [written, durable]);
      return [committedMembers, ...tails.flatMap(({ entries }) => tailOf(entries))];
    },

    members: () => committedMembers,

    synced(member) {
      at(member).shadow.synced();
      trace.note('synced', member, number, at(member).shadow.durable.entries.length);
    },

    sent(member, message) {
      if (message.type === 'vote') noteVote(member, message.term, message.from);
      if (message.type === 'voteReply' && message.granted) noteVote(member, message.term, message.to);
      if (message.type === 'appendReply' && !message.rejected && promises)
        noteAcknowledgement(member, message.index, message.term);
    },

    applied(member, entries, status) {
      const known = at(member);
      const last = entries.at(-1);
      if (last === undefined) throw new Violation('apply', `${who(member)} applies nothing`);
      if (last.index > history.length) learn(member, status.commit, status.term);
      for (const entry of entries) {
        rule(
          'entries are applied in order, each once',
          entry.index === known.applied + 1,
          () => `${who(member)} applies ${entry.index} after ${known.applied}`,
        );
        const committed = history.entry(entry.index);
        const same = committed !== undefined && committed.term === entry.term && committed.print === fingerprint(entry);
        rule(
          'state machine safety',
          same,
          () =>
            `${who(member)} applies another entry ${entry.index} (term ${entry.term}) than the committed one (term ${committed?.term})`,
        );
        known.applied = entry.index;
      }
      trace.note('apply', member, number, entries[0]?.index, last.index);
    },

    restored(member, index, fold, position) {
      const known = at(member);
      rule(
        'a snapshot holds what was committed',
        foldAt(index) === fold && position <= index,
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
      if (role === 'leader' && (known.role !== 'leader' || known.term !== term)) led(member, term);
      if (commit > known.commit) learn(member, commit, term);
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

const said = (members: readonly BrokerId[]): string => (members.length === 0 ? 'nobody' : members.join(' '));

const votersSaid = ({ voters, outgoing }: Configuration): string =>
  outgoing.length === 0 ? said(voters) : `${said(voters)}, and before ${said(outgoing)}`;

function sameEntry(a: ShadowEntry | undefined, b: ShadowEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.term === b.term && a.print === b.print;
}
