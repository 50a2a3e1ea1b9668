// Reads entries back from disk, those that lie side by side with one read; each has the checksum that it was written with.
import { present } from '../../../core/assert.ts';
import { VedetteError } from '../../../core/errors.ts';
import type { LogIndex } from '../../../core/ids.ts';
import type { Crc32c } from '../../../core/log-format.ts';
import type { LogEntry } from '../log.ts';
import type { EntryPlace } from './entry-places.ts';
import { type GroupIndex, KINDS } from './group-index.ts';
import type { SegmentFile } from './segment-files.ts';

type Answer = (error: Error | null, entries: readonly LogEntry[]) => void;

export interface EntryReader {
  /** One entry at least, more as long as they are neighbours and about `maxBytes`. */
  read(group: GroupIndex, from: LogIndex, through: LogIndex, maxBytes: number, done: Answer): void;
  /** Calls `done` when no read is under way. */
  whenIdle(done: () => void): void;
}

interface Wanted {
  readonly index: LogIndex;
  readonly term: number;
  readonly place: EntryPlace;
}

export function createEntryReader(segments: ReadonlyMap<number, SegmentFile>, crc32c: Crc32c): EntryReader {
  let underWay = 0;
  let idle: (() => void) | null = null;

  function neighbours(group: GroupIndex, from: LogIndex, through: LogIndex, maxBytes: number): Wanted[] {
    const wanted: Wanted[] = [];
    let bytes = 0;
    for (let index = from; index <= through && group.isSettled(index); index++) {
      const place = group.place(index);
      const first = wanted[0]?.place ?? place;
      if (place.segment !== first.segment || place.offset !== first.offset + bytes) break;
      if (wanted.length > 0 && bytes + place.bytes > maxBytes) break;
      wanted.push({ index, term: group.term(index), place });
      bytes += place.bytes;
    }
    return wanted;
  }

  /** @throws VedetteError DATA_LOSS */
  function cutUp(path: string, bytes: Uint8Array, wanted: readonly Wanted[]): LogEntry[] {
    const start = wanted[0]?.place.offset ?? 0;
    return wanted.map(({ index, term, place }) => {
      const payload = bytes.slice(place.offset - start, place.offset - start + place.bytes);
      if (payload.length !== place.bytes || crc32c(payload) !== place.crc) {
        throw new VedetteError(
          'DATA_LOSS',
          `${path} is damaged at byte ${place.offset}: entry ${index} does not have its checksum`,
        );
      }
      return { index, term, kind: KINDS[place.kind] ?? 'data', payload };
    });
  }

  return {
    read(group, from, through, maxBytes, done) {
      const wanted = neighbours(group, from, through, maxBytes);
      const first = present(wanted[0], `entry ${from} is on disk`).place;
      const { path, file } = present(segments.get(first.segment), `segment ${first.segment} is there`);
      const length = wanted.reduce((total, { place }) => total + place.bytes, 0);
      underWay++;
      file.read(first.offset, length, (error, bytes) => {
        underWay--;
        answer(path, bytes, wanted, error, done);
        if (underWay === 0) idle?.();
      });
    },
    whenIdle(done) {
      if (underWay === 0) done();
      else idle = done;
    },
  };

  function answer(path: string, bytes: Uint8Array, wanted: readonly Wanted[], error: Error | null, done: Answer): void {
    if (error !== null) return done(error, []);
    let entries: LogEntry[];
    try {
      entries = cutUp(path, bytes, wanted);
    } catch (damaged) {
      return done(damaged instanceof Error ? damaged : new Error(String(damaged)), []);
    }
    done(null, entries);
  }
}
