// What a group has agreed on, as far as anybody knows: the committed entries in order, and what clients were told. Built once, by
// whoever commits first; everybody else is held against it.
import type { ProposalOutcome } from '../../../src/actors/raft-group.ts';
import type { GroupId, LogIndex, Term } from '../../../src/core/ids.ts';
import { type AskedRead, createClientHistory } from './client-history.ts';
import type { ShadowEntry } from './log-shadow.ts';
import { rule } from './violation.ts';

export interface History {
  /** Committed entries. */
  readonly length: LogIndex;
  readonly acknowledged: number;
  entry(index: LogIndex): ShadowEntry | undefined;
  /** The next entry, committed by a leader of `term`. */
  push(entry: ShadowEntry, term: Term): void;
  /** How much was committed in terms up to this one. */
  committedBy(term: Term): LogIndex;
  proposed(proposal: number): void;
  settled(proposal: number, outcome: ProposalOutcome): void;
  /** A read begins. It must reach what was acknowledged or read by now. */
  asked(): AskedRead;
  /** It saw everything up to `index`. */
  answered(read: AskedRead, index: LogIndex): void;
  /** At the end of a run. @throws Violation when no order explains what the clients saw. */
  checkClients(): void;
}

export function createHistory(group: GroupId): History {
  const entries: ShadowEntry[] = [];
  const committedIn: Term[] = [];
  /** Of each committed proposal, where. */
  const places = new Map<number, LogIndex>();
  const clients = createClientHistory(group);
  const open = new Set<number>();
  const refused = new Set<number>();
  let readFloor: LogIndex = 0;

  function place(proposal: number, index: LogIndex): void {
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
    clients.committed(proposal, index);
  }

  // Fields, no accessors: V8 keeps an object that is written with one as a dictionary.
  const history: History & { length: LogIndex; acknowledged: number } = {
    length: 0,
    acknowledged: 0,
    entry: (index) => entries[index - 1],
    push(entry, term) {
      entries.push(entry);
      history.length = entries.length;
      committedIn.push(term);
      if (entry.proposal !== null) place(entry.proposal, entries.length);
    },
    committedBy(term) {
      let through = entries.length;
      while (through > 0 && (committedIn[through - 1] ?? 0) > term) through--;
      return through;
    },
    proposed(proposal) {
      open.add(proposal);
      clients.proposed(proposal);
    },
    settled(proposal, outcome) {
      rule(
        'one outcome',
        open.delete(proposal),
        () => `${group}: proposal ${proposal} has a second outcome, ${outcome.outcome}`,
      );
      const at = places.get(proposal);
      clients.settled(proposal, outcome.outcome);
      if (outcome.outcome === 'applied') {
        rule(
          'applied is true',
          at === outcome.index,
          () =>
            `${group}: proposal ${proposal} was acknowledged as entry ${outcome.index}, but the history has it at ${at}`,
        );
        history.acknowledged++;
        readFloor = Math.max(readFloor, outcome.index);
      }
      if (outcome.outcome === 'notApplied') {
        rule(
          'notApplied is true',
          at === undefined,
          () => `${group}: proposal ${proposal} was refused (${outcome.reason}), but is committed at ${at}`,
        );
        refused.add(proposal);
      }
    },
    asked: () => clients.asked(readFloor),
    answered(read, index) {
      readFloor = Math.max(readFloor, index);
      clients.answered(read, index);
    },
    checkClients: clients.check,
  };
  return history;
}
