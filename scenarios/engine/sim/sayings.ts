// What the members of one group may be and say: one leader per term, one vote per term, and, of what they say, only what is durable.
import type { BrokerId, LogIndex, Term } from '../../../src/core/ids.ts';
import type { RaftMessage } from '../../../src/machines/raft/messages.ts';
import type { CheckedGroup } from './checked-member.ts';
import { type Committed, sameEntry } from './committed.ts';
import type { History } from './history.ts';
import { rule } from './violation.ts';

export interface Sayings {
  /** The member leads from now on. */
  led(member: number, term: Term): void;
  sent(member: number, message: RaftMessage): void;
}

export interface SayingsPorts {
  readonly group: CheckedGroup;
  readonly committed: Committed;
  readonly history: History;
  /** See CheckerOptions. */
  readonly promises: boolean;
}

export function createSayings({ group, committed, history, promises }: SayingsPorts): Sayings {
  const { names, at, who } = group;
  const leaders = new Map<Term, number>();
  /** Who a member voted for, by term. */
  const votes = names.map(() => new Map<Term, BrokerId>());

  function led(member: number, term: Term): void {
    const other = leaders.get(term);
    rule(
      'one leader per term',
      other === undefined || other === member,
      () => `${names[other ?? 0]} and ${names[member]} both lead ${group.id} in term ${term}`,
    );
    leaders.set(term, member);
    // Who was elected and slept through the next election knows nothing of what was committed since.
    committed.verify(member, history.committedBy(term), 'leader completeness');
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
    led,
    sent(member, message) {
      if (message.type === 'vote') noteVote(member, message.term, message.from);
      if (message.type === 'voteReply' && message.granted) noteVote(member, message.term, message.to);
      if (message.type === 'appendReply' && !message.rejected && promises)
        noteAcknowledgement(member, message.index, message.term);
    },
  };
}
