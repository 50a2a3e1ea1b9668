// What one step of a member's chart asks for, until the step is over.
import type { LogIndex } from '../../core/ids.ts';
import type { RaftEffect } from '../../machines/raft/effects.ts';
import type { LogWrite } from '../stores/log.ts';

export type SendParams = Extract<RaftEffect, { type: 'send' }>['params'];

type Write = { -readonly [Key in keyof LogWrite]: LogWrite[Key] };

export interface Step {
  write: Write | null;
  readonly sends: SendParams[];
  committed: LogIndex | null;
}

export const newStep = (): Step => ({ write: null, sends: [], committed: null });
