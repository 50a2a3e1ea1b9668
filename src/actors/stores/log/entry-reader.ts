// Reads entries back from disk, those that lie side by side with one read; each has the checksum that it was written with.
import { present } from '../../../core/assert.ts';
import { describeError, VedetteError } from '../../../core/errors.ts';
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
  /** Calls `done` when no read is under way, of this segment or of any. */
  whenUnread(segment: number | 'any', done: () => void): void;
}

interface Wanted {
  readonly index: LogIndex;
  readonly term: number;
  readonly place: EntryPlace;
}

export function createEntryReader(segments: ReadonlyMap<number, SegmentFile>, crc32c: Crc32c): EntryReader {
  /** The segments of which reads are under way, once for each. */
  const underWay: number[] = [];
  let waiting: { readonly segment: number | 'any'; readonly done: () => void }[] = [];

  const isRead = (segment: number | 'any') => (segment === 'any' ? underWay.length > 0 : underWay.includes(segment));

  function ended(segment: number): void {
    underWay.splice(underWay.indexOf(segment), 1);
    const free = waiting.filter((one) => !isRead(one.segment));
    waiting = waiting.filter((one) => isRead(one.segment));
    for (const { done } of free) done();
  }

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
      const first = present(wanted[0], () => `entry ${from} is on disk`).place;
      const { path, file } = present(segments.get(first.segment), () => `segment ${first.segment} is there`);
      const length = wanted.reduce((total, { place }) => total + place.bytes, 0);
      underWay.push(first.segment);
      file.read(first.offset, length, (error, bytes) => {
        answer(path, bytes, wanted, error, done);
        ended(first.segment);
      });
    },
    whenUnread(segment, done) {
      if (isRead(segment)) waiting.push({ segment, done });
      else done();
    },
  };

  function answer(path: string, bytes: Uint8Array, wanted: readonly Wanted[], error: Error | null, done: Answer): void {
    if (error !== null) {
      const at = wanted[0]?.place.offset ?? 0;
      const message = `${path} cannot be read at byte ${at}: ${describeError(error)}`;
      return done(new VedetteError('DATA_LOSS', message, { cause: error }), []);
    }
    let entries: LogEntry[];
    try {
      entries = cutUp(path, bytes, wanted);
    } catch (damaged) {
      return done(damaged instanceof Error ? damaged : new Error(String(damaged)), []);
    }
    done(null, entries);
  }
}
