// The log matching property (§3.5): two logs that hold an entry of the same index and term are equal up to there. By induction it is
// enough that every such entry has the same content, and the same term before it, whoever writes it.
import type { LogIndex, Term } from '../../../src/core/ids.ts';
import type { ShadowEntry } from './log-shadow.ts';
import { rule } from './violation.ts';

export interface LogMatching {
  /** @param who writes it, for the message. @param previous the term of the entry before it. */
  note(who: () => string, index: LogIndex, entry: ShadowEntry, previous: Term): void;
}

export function createLogMatching(): LogMatching {
  const known = new Map<Term, Map<LogIndex, { readonly print: number; readonly previous: Term }>>();
  return {
    note(who, index, { term, print }, previous) {
      let ofTerm = known.get(term);
      if (ofTerm === undefined) {
        ofTerm = new Map();
        known.set(term, ofTerm);
      }
      const other = ofTerm.get(index);
      if (other === undefined) ofTerm.set(index, { print, previous });
      else {
        rule(
          'log matching',
          other.print === print && other.previous === previous,
          () => `${who()} writes another entry ${index} of term ${term} than was written before`,
        );
      }
    },
  };
}
