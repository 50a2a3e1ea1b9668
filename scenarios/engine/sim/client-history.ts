// What the clients of one group asked for and were told, as operations on registers: a proposal writes its own number to one of a few
// keys, a read sees the newest one there that was applied where it was answered. When the run is over it must be linearizable: that
// rests on nothing that a member says of itself but its answers.
import type { ProposalOutcome } from '../../../src/actors/raft-group.ts';
import type { GroupId, LogIndex } from '../../../src/core/ids.ts';
import { describeContradiction, findContradiction, type Operation } from './linearizable.ts';
import { rule } from './violation.ts';

const KEYS = 3;
const keyOf = (number: number): number => number % KEYS;

export interface AskedRead {
  readonly key: number;
  readonly call: number;
  /** What had been acknowledged or read by then. */
  readonly floor: LogIndex;
}

export interface ClientHistory {
  proposed(proposal: number): void;
  settled(proposal: number, outcome: ProposalOutcome['outcome']): void;
  asked(floor: LogIndex): AskedRead;
  /** @param index how far the state reached that answered. */
  answered(read: AskedRead, index: LogIndex): void;
  /** This proposal is committed at this index. */
  committed(proposal: number, index: LogIndex): void;
  /** @throws Violation when no order explains it. */
  check(): void;
}

export function createClientHistory(group: GroupId): ClientHistory {
  const writes = new Map<number, Operation>();
  const reads: Operation[] = [];
  /** By key: the writes that are committed, in order. */
  const registers: { readonly index: LogIndex; readonly value: number }[][] = Array.from({ length: KEYS }, () => []);
  let moment = 0;
  let nextRead = 0;

  return {
    proposed(proposal) {
      const unknown = Number.POSITIVE_INFINITY;
      writes.set(proposal, { key: keyOf(proposal), type: 'write', value: proposal, call: ++moment, end: unknown });
    },
    settled(proposal, outcome) {
      const write = writes.get(proposal);
      if (write === undefined || outcome === 'unknown') return;
      if (outcome === 'applied') writes.set(proposal, { ...write, end: ++moment });
      else writes.delete(proposal);
    },
    asked: (floor) => ({ key: keyOf(nextRead++), call: ++moment, floor }),
    answered({ key, call }, index) {
      const value = registers[key]?.findLast((write) => write.index <= index)?.value ?? 0;
      reads.push({ key, type: 'read', value, call, end: ++moment });
    },
    committed(proposal, index) {
      registers[keyOf(proposal)]?.push({ index, value: proposal });
    },
    check() {
      const contradiction = findContradiction([...writes.values(), ...reads]);
      rule('clients saw one order', contradiction === null, () =>
        contradiction === null ? '' : `${group}: ${describeContradiction(contradiction)}`,
      );
    },
  };
}
