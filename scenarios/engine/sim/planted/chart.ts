// The role chart with other decisions in it.
import type { Decision } from '../../../../src/machines/raft/context.ts';
import { raftMachine } from '../../../../src/machines/raft/raft-machine.ts';
import { decide } from '../../../../src/machines/raft/vocabulary.ts';
import type { Planted } from './planted.ts';

type Implementations = Parameters<typeof raftMachine.provide>[0];
type Name = keyof NonNullable<Implementations['actions']>;

export function chartWith(decisions: Partial<Record<Name, Decision>>): Planted {
  const actions = Object.fromEntries(Object.entries(decisions).map(([name, decision]) => [name, decide(decision)]));
  return { chart: raftMachine.provide({ actions: actions as NonNullable<Implementations['actions']> }) };
}
