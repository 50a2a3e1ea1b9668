// The invariants of one group, checked after every turn of every member (Ongaro 2014, figure 3.2, and TigerBeetle's checkers): one
// history of committed entries is built, once, and every member may only step along it.
//
// Everything is incremental: a member's log is compared with the history only where it was not compared before, so that a turn
// which changed nothing costs a few comparisons of numbers.
import type { LogEntry, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { ProposalOutcome, RaftStatus } from '../../../src/actors/raft-group.ts';
import type { BrokerId, GroupId, LogIndex, Term } from '../../../src/core/ids.ts';
import type { RaftMessage } from '../../../src/machines/raft/messages.ts';
import { createLogShadow, fingerprint, type LogShadow, type ShadowEntry } from './log-shadow.ts';
import type { Trace } from './trace.ts';
import { rule, Violation } from './violation.ts';

export interface GroupChecker {
  /** A member (re)starts from this. */
  started(member: number, recovered: RecoveredGroup): void;
  wrote(member: number, write: LogWrite): void;
  synced(member: number): void;
  sent(member: number, message: RaftMessage): void;
  applied(member: number, entries: readonly LogEntry[], status: RaftStatus): void;
  /** After each turn of a member. */
  turned(member: number, status: RaftStatus): void;
  proposed(proposal: number): void;
  settled(proposal: number, outcome: ProposalOutcome): void;
  /** The index that a read which begins now must reach. */
  readonly readFloor: LogIndex;
  /** A read that began when the floor was `floor` was answered by a member. */
  answered(member: number, floor: LogIndex): void;
  readonly committed: LogIndex;
  readonly acknowledged: number;
  /** A proposal's place in the history; undefined when it was never committed. */
  placeOf(proposal: number): LogIndex | undefined;
  pendingWrites(member: number): number;
  appliedBy(member: number): LogIndex;
}

export interface CheckerOptions {
  readonly group: GroupId;
  readonly number: number;
  readonly names: readonly BrokerId[];
  readonly trace: Trace;
  /**
   * Also check what a member may say and when (only what is durable): the driver's contract. Without it a broken promise shows only
   * when a crash makes it matter.
   */
  readonly promises: boolean;
}

interface Member {
  readonly shadow: LogShadow;
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
}

export function createGroupChecker({ group, number, names, trace, promises }: CheckerOptions): GroupChecker {
  const members: Member[] = names.map(() => ({
    shadow: createLogShadow(),
    life: 0,
    verified: 0,
    term: 0,
    role: 'follower',
    serving: false,
    commit: 0,
    told: 0,
    applied: 0,
  }));
  const quorum = Math.floor(names.length / 2) + 1;
  /** The committed entries, each with the term in which it was committed. */
  const history: ShadowEntry[] = [];
  const committedIn: Term[] = [];
  const leaders = new Map<Term, number>();
  /** Who a member voted for, by term. */
  const votes = names.map(() => new Map<Term, BrokerId>());
  /** Every entry that was ever written, by term and index, with the term before it: logs that agree there agree before it. */
  const known = new Map<Term, Map<LogIndex, ShadowEntry & { readonly previous: Term }>>();
  const places = new Map<number, LogIndex>();
  const open = new Set<number>();
  const refused = new Set<number>();
  let acknowledged = 0;
  let readFloor: LogIndex = 0;

  const at = (member: number): Member => {
    const found = members[member];
    if (found === undefined) throw new RangeError(`no member ${member}`);
    return found;
  };
  const who = (member: number) => `${names[member]} in ${group}`;

  // ---------------------------------------------------------------- logs

  function noteEntry(member: number, index: LogIndex, entry: ShadowEntry, previous: Term): void {
    let ofTerm = known.get(entry.term);
    if (ofTerm === undefined) {
      ofTerm = new Map();
      known.set(entry.term, ofTerm);
    }
    const other = ofTerm.get(index);
    if (other === undefined) ofTerm.set(index, { ...entry, previous });
    else {
      rule(
        'log matching',
        other.print === entry.print && other.previous === previous,
        () => `${who(member)} writes another entry ${index} of term ${entry.term} than was written before`,
      );
    }
  }

  /** Compares the member's log with the history up to `through`. */
  function verify(member: number, through: LogIndex, name: string): void {
    const known_ = at(member);
    const { entries } = known_.shadow.written;
    for (let index = known_.verified + 1; index <= through; index++) {
      const entry = entries[index - 1];
      const committed = history[index - 1];
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
    known_.verified = Math.max(known_.verified, through);
  }

  /** The member knows that everything up to `commit` is committed. */
  function extend(member: number, commit: LogIndex, term: Term): void {
    if (commit > history.length) {
      const { entries } = at(member).shadow.written;
      verify(member, history.length, 'leader completeness');
      rule(
        'commit of the own term only',
        entries[commit - 1]?.term === term,
        () => `${who(member)} commits ${commit}, an entry of term ${entries[commit - 1]?.term}, in term ${term}`,
      );
      for (let index = history.length + 1; index <= commit; index++) {
        const entry = entries[index - 1];
        rule(
          'commit within the log',
          entry !== undefined,
          () => `${who(member)} commits ${index}, but its log ends at ${entries.length}`,
        );
        const holders = members.filter(({ shadow }) => sameEntry(shadow.durable.entries[index - 1], entry)).length;
        rule(
          'commit on a durable quorum',
          holders >= quorum,
          () => `${who(member)} commits ${index}, which is durable on ${holders} of ${names.length} members`,
        );
        history.push(entry);
        committedIn.push(term);
        place(entry, index);
      }
      at(member).verified = commit;
      trace.note('commit', member, number, commit, term);
      return;
    }
    verify(member, commit, 'log matching on what is committed');
  }

  function place(entry: ShadowEntry, index: LogIndex): void {
    const { proposal } = entry;
    if (proposal === null) return;
    const before = places.get(proposal);
    rule(
      'a proposal is applied once',
      before === undefined,
      () => `${group}: proposal ${proposal} is committed at ${index}, and at ${before} already`,
    );
    rule(
      'notApplied is final',
      !refused.has(proposal),
      () => `${group}: proposal ${proposal} is committed at ${index}, but its client was told that it is not`,
    );
    places.set(proposal, index);
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
    let through = history.length;
    while (through > 0 && (committedIn[through - 1] ?? 0) > term) through--;
    verify(member, through, 'leader completeness');
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
    started(member, { hard, firstIndex, lastIndex, runs }) {
      const known_ = at(member);
      const terms: Term[] = [];
      runs.forEach(({ first, term }, run) => {
        for (let index = first; index < (runs[run + 1]?.first ?? lastIndex + 1); index++) terms.push(term);
      });
      rule('nothing compacts yet', firstIndex === 1, () => `${who(member)} starts with a log from ${firstIndex}`);
      const { pending } = known_.shadow;
      const { durable } = known_.shadow;
      const survived = known_.shadow.recovered(hard, terms);
      rule(
        'what was synced survives',
        survived !== null,
        () =>
          `${who(member)} restarts with term ${hard.term}, vote ${hard.votedFor}, ${lastIndex} entries; durable were term ${durable.hard.term}, vote ${durable.hard.votedFor}, ${durable.entries.length} entries, and ${pending} writes pending`,
      );
      trace.note('start', member, number, ++known_.life, survived);
      Object.assign(known_, { verified: 0, term: 0, role: 'follower', serving: false, commit: 0, told: 0, applied: 0 });
    },

    wrote(member, write) {
      const known_ = at(member);
      const { written } = known_.shadow;
      const { truncateAfter } = write;
      if (truncateAfter !== undefined) {
        const kept = Math.min(known_.verified, history.length);
        rule(
          'what is committed is never cut',
          truncateAfter >= kept,
          () => `${who(member)} cuts its log after ${truncateAfter}; it holds committed entries up to ${kept}`,
        );
        known_.verified = Math.min(known_.verified, truncateAfter);
      }
      rule(
        'terms do not fall',
        write.hard === undefined || write.hard.term >= written.hard.term,
        () => `${who(member)} writes term ${write.hard?.term} after ${written.hard.term}`,
      );
      const added = known_.shadow.write(write);
      const first = written.entries.length - added.length + 1;
      added.forEach((entry, n) => {
        noteEntry(member, first + n, entry, written.entries[first + n - 2]?.term ?? 0);
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
      const known_ = at(member);
      const last = entries.at(-1);
      if (last === undefined) throw new Violation('apply', `${who(member)} applies nothing`);
      if (last.index > history.length) extend(member, status.commit, status.term);
      for (const entry of entries) {
        rule(
          'entries are applied in order, each once',
          entry.index === known_.applied + 1,
          () => `${who(member)} applies ${entry.index} after ${known_.applied}`,
        );
        const committed = history[entry.index - 1];
        const same = committed !== undefined && committed.term === entry.term && committed.print === fingerprint(entry);
        rule(
          'state machine safety',
          same,
          () =>
            `${who(member)} applies another entry ${entry.index} (term ${entry.term}) than the committed one (term ${committed?.term})`,
        );
        known_.applied = entry.index;
      }
      trace.note('apply', member, number, entries[0]?.index, last.index);
    },

    turned(member, status) {
      const known_ = at(member);
      const { term, role, commit, applied, lastIndex, serving } = status;
      rule('terms never fall', term >= known_.term, () => `${who(member)}: term ${term} after ${known_.term}`);
      rule(
        'commit never falls',
        commit >= known_.commit,
        () => `${who(member)}: commit ${commit} after ${known_.commit}`,
      );
      rule(
        'applied never falls',
        applied >= known_.told,
        () => `${who(member)}: applied ${applied} after ${known_.told}`,
      );
      rule(
        'applied ≤ committed ≤ last',
        applied <= commit && commit <= lastIndex,
        () => `${who(member)}: applied ${applied}, committed ${commit}, last ${lastIndex}`,
      );
      if (promises) {
        const { written } = known_.shadow;
        rule(
          'the log is written as the chart sees it',
          written.entries.length === lastIndex && written.hard.term === term,
          () =>
            `${who(member)}: the chart is at term ${term} with ${lastIndex} entries, written are term ${written.hard.term} and ${written.entries.length} entries`,
        );
      }
      if (role === 'leader' && (known_.role !== 'leader' || known_.term !== term)) led(member, term);
      if (commit > known_.commit) extend(member, commit, term);
      if (role !== known_.role || term !== known_.term || serving !== known_.serving) {
        trace.note('role', member, number, ROLES.indexOf(role), term, serving ? 1 : 0);
      }
      known_.term = term;
      known_.role = role;
      known_.serving = serving;
      known_.commit = commit;
      known_.told = applied;
    },

    proposed(proposal) {
      open.add(proposal);
    },

    settled(proposal, outcome) {
      rule(
        'one outcome',
        open.delete(proposal),
        () => `${group}: proposal ${proposal} has a second outcome, ${outcome.outcome}`,
      );
      const place_ = places.get(proposal);
      if (outcome.outcome === 'applied') {
        rule(
          'applied is true',
          place_ === outcome.index,
          () =>
            `${group}: proposal ${proposal} was acknowledged as entry ${outcome.index}, but the history has it at ${place_}`,
        );
        acknowledged++;
        readFloor = Math.max(readFloor, outcome.index);
      } else if (outcome.outcome === 'notApplied') {
        rule(
          'notApplied is true',
          place_ === undefined,
          () => `${group}: proposal ${proposal} was refused (${outcome.reason}), but is committed at ${place_}`,
        );
        refused.add(proposal);
      }
    },

    answered(member, floor) {
      const { applied } = at(member);
      rule(
        'reads see what was acknowledged before',
        applied >= floor,
        () => `${who(member)} answers a read at ${applied}; when the read began, ${floor} was acknowledged or read`,
      );
      readFloor = Math.max(readFloor, applied);
    },

    placeOf: (proposal) => places.get(proposal),
    pendingWrites: (member) => at(member).shadow.pending,
    appliedBy: (member) => at(member).applied,
    get readFloor() {
      return readFloor;
    },
    get committed() {
      return history.length;
    },
    get acknowledged() {
      return acknowledged;
    },
  };
}

const ROLES: readonly RaftStatus['role'][] = ['follower', 'preCandidate', 'candidate', 'leader', 'learner', 'removed'];

function sameEntry(a: ShadowEntry | undefined, b: ShadowEntry | undefined): boolean {
  return a !== undefined && b !== undefined && a.term === b.term && a.print === b.print;
}
