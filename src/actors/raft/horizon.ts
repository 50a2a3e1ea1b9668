// How much of the log behind what is applied stays for those who follow it: subscribers that resume, members that were away.
//
//   first ──────────── may leave ───────────┤── stays: younger than the horizon, but at most tailBytesMax, at least tailBytesMin ── applied
//
// Marks along the log remember how many bytes were applied by then, and when. An entry's age is taken from when it was applied here,
// which is never before its leader stamped it (but for the brokers' clocks): what is younger than the horizon by its stamp stays.
import type { LogIndex, Millis } from '../../core/ids.ts';
import type { LogEntry } from '../stores/log.ts';

export interface Horizon {
  /** Payload bytes applied since the start. */
  bytes(): number;
  note(entries: readonly LogEntry[], at: Millis): void;
  /** Everything up to this entry may leave, as far as followers are concerned. */
  mayLeave(at: Millis): LogIndex;
  /** The state was replaced: what was before `index` is not in the log any more. */
  beginAfter(index: LogIndex, at: Millis): void;
}

export interface HorizonOptions {
  readonly horizonMs: Millis;
  readonly tailBytesMax: number;
  readonly tailBytesMin: number;
}

interface Mark {
  readonly index: LogIndex;
  readonly bytes: number;
  readonly at: Millis;
}

/** How finely the log is marked: this many marks to the horizon, and to its bytes. */
const MARKS = 64;
/** What an entry costs beside its payload, roughly. */
const ENTRY_BYTES = 32;

export function createHorizon(options: HorizonOptions, from: LogIndex, at: Millis): Horizon {
  const { horizonMs, tailBytesMax, tailBytesMin } = options;
  let marks: Mark[] = [{ index: from, bytes: 0, at }];
  let left: LogIndex = from;
  let bytes = 0;

  return {
    bytes: () => bytes,
    note(entries, now) {
      for (const { payload } of entries) bytes += payload.length + ENTRY_BYTES;
      const index = entries.at(-1)?.index;
      const last = marks.at(-1);
      if (index === undefined) return;
      const isNear =
        last !== undefined && bytes - last.bytes < tailBytesMax / MARKS && now - last.at < horizonMs / MARKS;
      if (!isNear) marks.push({ index, bytes, at: now });
    },
    mayLeave(now) {
      const leaves = (mark: Mark) => {
        const behind = bytes - mark.bytes;
        return behind >= tailBytesMin && (now - mark.at >= horizonMs || behind >= tailBytesMax);
      };
      const first = marks.findIndex((mark) => !leaves(mark));
      const gone = first === -1 ? marks : marks.slice(0, first);
      left = gone.at(-1)?.index ?? left;
      if (gone.length > 0) marks = marks.slice(gone.length);
      return left;
    },
    beginAfter(index, now) {
      left = index;
      marks = [{ index, bytes, at: now }];
    },
  };
}
