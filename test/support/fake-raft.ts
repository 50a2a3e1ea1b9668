// A Raft group whose status the test decides, and whose proposals wait for the test to settle them.
import { BehaviorSubject } from 'rxjs';
import type { ProposalOutcome, RaftGroup, RaftStatus, StateMachine } from '../../src/actors/raft-group.ts';
import type { BrokerId, GroupId, LogIndex } from '../../src/core/ids.ts';
import { foundedBy, inForce } from '../../src/machines/raft/membership.ts';

export interface FakeRaft extends RaftGroup {
  become(change: Partial<RaftStatus>): void;
  readonly proposed: { readonly payload: Uint8Array; readonly done: (outcome: ProposalOutcome) => void }[];
  /** The oldest open proposal is committed and applied. */
  commit(): void;
  /** Another leader's entry is applied. */
  apply(payload: Uint8Array): void;
}

export function createFakeRaft(id: GroupId, members: readonly BrokerId[], machine: StateMachine): FakeRaft {
  const changes = new BehaviorSubject<RaftStatus>({
    role: 'follower',
    term: 1,
    leader: null,
    serving: false,
    commit: 0,
    applied: 0,
    firstIndex: 1,
    lastIndex: 0,
    configuration: inForce(foundedBy(members)),
  });
  const proposed: { payload: Uint8Array; done: (outcome: ProposalOutcome) => void }[] = [];
  let index: LogIndex = 0;
  const apply = (payload: Uint8Array) => {
    index++;
    machine.apply([{ index, term: changes.value.term, kind: 'data', payload }]);
  };
  return {
    id,
    members,
    get status() {
      return changes.value;
    },
    statusChanges: changes,
    become: (change) => changes.next({ ...changes.value, ...change }),
    proposed,
    commit() {
      const next = proposed.shift();
      if (next === undefined) throw new Error('nothing is proposed');
      apply(next.payload);
      next.done({ outcome: 'applied', index });
    },
    apply,
    propose: (payload, _timeout, done) => void proposed.push({ payload, done }),
    read() {},
    receive() {},
    beat() {},
    keepsUp: () => false,
    claimTo: () => null,
    follows: () => false,
    linkSilent() {},
    peerClosed() {},
    peerOpened() {},
    snapshot() {},
    changeMembership() {},
    transfer() {},
    trust() {},
    stop() {
      for (const { done } of proposed.splice(0)) done({ outcome: 'unknown', reason: 'stopped' });
    },
  };
}
