// What one member's log of one group must hold, followed from the outside: what was written, and what of it is durable. It is the
// checker's own account; it never asks the store, except after a restart, to compare.
import type { LogEntry, LogWrite } from '../../../src/actors/stores/log.ts';
import type { BrokerId, LogIndex, Term } from '../../../src/core/ids.ts';
import { decodeConfiguration } from '../../../src/actors/raft/configuration-codec.ts';
import type { Configuration } from '../../../src/machines/raft/membership.ts';
import { proposalIn } from './payload.ts';

/** An entry, by its term and a fingerprint of kind and payload. */
export interface ShadowEntry {
  readonly term: Term;
  readonly print: number;
  /** The number of the proposal that it carries. */
  readonly proposal: number | null;
  /** The configuration that it carries. */
  readonly configuration: Configuration | null;
}

export interface ShadowHard {
  readonly term: Term;
  readonly votedFor: BrokerId | null;
}

export interface LogImage {
  hard: ShadowHard;
  /** From entry 1 on: what has left the log, and is in a snapshot instead, counts as held. */
  readonly entries: ShadowEntry[];
  /** So many have left the log. */
  base: LogIndex;
}

interface Change {
  readonly forget: boolean;
  readonly hard: ShadowHard | undefined;
  readonly compactTo: LogWrite['compactTo'];
  readonly truncateAfter: LogIndex | undefined;
  readonly entries: readonly ShadowEntry[];
}

export interface LogShadow {
  /** Everything written. */
  readonly written: LogImage;
  /** Counts up whenever `written` changes. */
  readonly changes: number;
  /** What a crash cannot take. */
  readonly durable: LogImage;
  /** Writes that are not durable. */
  pending(): number;
  /** Returns the entries that it adds. */
  write(write: LogWrite): readonly ShadowEntry[];
  /** The oldest write that is pending became durable. */
  synced(): void;
  /**
   * The process died, and the store gave back `hard`, and entries from `firstIndex` on with these terms: it must be what was durable and a beginning of
   * what was pending. Returns how many pending writes survived, or null when it is something else.
   */
  recovered(hard: ShadowHard, firstIndex: LogIndex, terms: readonly Term[]): number | null;
  /**
   * The same of a log that was damaged, or is gone: any beginning of what was written may be left, and how it was at any time: what
   * was cut off since may stand there again, when the record of the cut is what was damaged. Null when it is not even that.
   */
  damaged(hard: ShadowHard, firstIndex: LogIndex, terms: readonly Term[]): number | null;
}

const prints = new WeakMap<Uint8Array, number>();

/** Of a large payload not every byte is looked at. */
const LOOKED_AT = 512;

/** FNV-1a of the payload, and the kind. Payloads are shared and never change: computed once for each. */
export function fingerprint({ kind, payload }: Pick<LogEntry, 'kind' | 'payload'>): number {
  let hash = prints.get(payload);
  if (hash === undefined) {
    hash = Math.imul(0x811c9dc5 ^ payload.length, 0x01000193);
    const stride = Math.ceil(payload.length / LOOKED_AT);
    for (let at = 0; at < payload.length; at += stride) hash = Math.imul(hash ^ (payload[at] ?? 0), 0x01000193);
    prints.set(payload, hash);
  }
  return kind === 'data' ? hash : hash ^ kind.length;
}

function shadowOf(entry: LogEntry): ShadowEntry {
  return {
    term: entry.term,
    print: fingerprint(entry),
    proposal: entry.kind === 'data' ? proposalIn(entry.payload) : null,
    configuration: entry.kind === 'configuration' ? decodeConfiguration(entry.payload) : null,
  };
}

/** A state as a number: everything that was applied, in its order. */
export const foldEntry = (fold: number, term: Term, print: number): number =>
  Math.imul(Math.imul(fold ^ print, 0x01000193) ^ term, 0x01000193);

type Committed = (index: LogIndex) => ShadowEntry | undefined;

function change(
  image: LogImage,
  { forget, hard, compactTo, truncateAfter, entries }: Change,
  committed: Committed,
): void {
  if (forget) {
    image.entries.length = 0;
    image.base = 0;
  }
  if (hard !== undefined) image.hard = hard;
  if (compactTo !== undefined && compactTo.index > image.base) {
    const { index, term } = compactTo;
    if (image.entries[index - 1]?.term !== term) {
      image.entries.length = 0;
      for (let at = 1; at <= index; at++) {
        const entry = committed(at);
        if (entry !== undefined) image.entries.push(entry);
      }
    }
    image.base = index;
  }
  if (truncateAfter !== undefined) image.entries.length = Math.min(image.entries.length, truncateAfter);
  image.entries.push(...entries);
}

const copyOf = ({ hard, entries, base }: LogImage): LogImage => ({ hard, entries: [...entries], base });

/** @param committed what a snapshot that reaches beyond a log stands for. */
export function createLogShadow(committed: Committed): LogShadow {
  const nothing: LogImage = { hard: { term: 0, votedFor: null }, entries: [], base: 0 };
  let pending: Change[] = [];
  /** What was written and cut off again, by index. */
  const cut = new Map<LogIndex, ShadowEntry[]>();

  function noteCut(after: LogIndex): void {
    for (let index = after + 1; index <= shadow.written.entries.length; index++) {
      const entry = shadow.written.entries[index - 1];
      if (entry !== undefined) cut.set(index, [...(cut.get(index) ?? []), entry]);
    }
  }

  /** An entry of this term that was at this place at some time. */
  function everAt(index: LogIndex, term: Term | undefined): ShadowEntry | undefined {
    const now = shadow.written.entries[index - 1];
    return now?.term === term ? now : cut.get(index)?.find((entry) => entry.term === term);
  }

  function holds({ hard: mine, entries, base }: LogImage, hard: ShadowHard, first: LogIndex, terms: readonly Term[]) {
    const same = mine.term === hard.term && mine.votedFor === hard.votedFor && base === first - 1;
    return (
      same && entries.length - base === terms.length && terms.every((term, at) => entries[base + at]?.term === term)
    );
  }

  function begin(image: LogImage): void {
    shadow.durable = image;
    shadow.written = copyOf(image);
    shadow.changes++;
    pending = [];
  }

  // Fields, no accessors: V8 keeps an object that is written with one as a dictionary.
  const shadow: LogShadow & { written: LogImage; durable: LogImage; changes: number } = {
    written: nothing,
    durable: copyOf(nothing),
    changes: 0,
    pending: () => pending.length,
    write({ forget = false, hard, compactTo, truncateAfter, entries = [] }) {
      const added = entries.map(shadowOf);
      const next = { forget, hard, compactTo, truncateAfter, entries: added };
      if (forget) noteCut(0);
      else if (truncateAfter !== undefined) noteCut(truncateAfter);
      change(shadow.written, next, committed);
      shadow.changes++;
      pending.push(next);
      return added;
    },
    synced() {
      const next = pending.shift();
      if (next === undefined) throw new RangeError('more syncs than writes');
      change(shadow.durable, next, committed);
    },
    recovered(hard, firstIndex, terms) {
      const image = copyOf(shadow.durable);
      for (let survived = 0; survived <= pending.length; survived++) {
        if (holds(image, hard, firstIndex, terms)) {
          begin(image);
          return survived;
        }
        const next = pending[survived];
        if (next !== undefined) change(image, next, committed);
      }
      return null;
    },
    damaged(hard, firstIndex, terms) {
      const base = firstIndex - 1;
      const entries: ShadowEntry[] = [];
      for (let index = 1; index <= base + terms.length; index++) {
        const entry =
          index > base
            ? everAt(index, terms[index - firstIndex])
            : (shadow.written.entries[index - 1] ?? committed(index));
        if (entry === undefined) return null;
        entries.push(entry);
      }
      begin({ hard, entries, base });
      return 0;
    },
  };
  return shadow;
}
