// Where in the log a time is: the leader's stamp of every so many entries; the longer the log, the more coarsely.
import type { LogIndex, Millis } from '../../core/ids.ts';

export interface StampIndex {
  /** Stamps never go back. */
  note(index: LogIndex, stampMs: Millis): void;
  /** An entry before which everything was stamped before `stampMs`, and close to the first that was not. */
  atOrBefore(stampMs: Millis): LogIndex;
  readonly marks: readonly Stamp[];
  replace(marks: readonly Stamp[]): void;
}

export interface Stamp {
  readonly index: LogIndex;
  readonly stampMs: Millis;
}

/** @param marksMax at this many every other one is forgotten, and only half as many are noted from then on. */
export function createStampIndex(finest: number, marksMax: number): StampIndex {
  let marks: Stamp[] = [];
  let every = finest;
  let since = 0;
  return {
    note(index, stampMs) {
      if (marks.length > 0 && ++since < every) return;
      since = 0;
      marks.push({ index, stampMs });
      if (marks.length < marksMax) return;
      marks = marks.filter((_, at) => at % 2 === 0);
      every *= 2;
    },
    get marks() {
      return marks;
    },
    replace(others) {
      marks = [...others];
      since = 0;
    },
    atOrBefore(stampMs) {
      let low = 0;
      let high = marks.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((marks[middle]?.stampMs ?? 0) < stampMs) low = middle + 1;
        else high = middle;
      }
      return marks[low - 1]?.index ?? marks[0]?.index ?? 1;
    },
  };
}
