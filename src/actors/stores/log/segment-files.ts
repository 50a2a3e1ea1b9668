// The log's files: `00000001.log`, `00000002.log`, … in one directory, the last one growing.
import { decodeSegmentHeader, encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import { VedetteError } from '../../../core/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';

const segmentPath = (directory: string, number: number): string =>
  `${directory}/${String(number).padStart(8, '0')}.log`;

export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
}

/** Creates the next segment: its header is durable, and so is its name, when this returns. */
export function createSegment(disk: Disk, directory: string, number: number, storeId: Uint8Array): SegmentFile {
  const path = segmentPath(directory, number);
  const file = disk.open(path, 'create');
  file.writeSync(encodeSegmentHeader({ storeId, number }), 0);
  file.syncSync();
  disk.syncDirectory(directory);
  return { number, path, file };
}

export interface OpenedSegments {
  readonly segments: readonly SegmentFile[];
  /** Null when the directory holds no segment yet. */
  readonly storeId: Uint8Array | null;
}

/**
 * Opens all segments and checks their headers.
 *
 *   header      last segment                                   an earlier one
 *   good        taken                                          taken
 *   short       an unfinished creation: removed, said          DATA_LOSS
 *   damaged     DATA_LOSS                                      DATA_LOSS
 *   foreign     FAILED_PRECONDITION: not a file of this log    the same
 *   newer       FAILED_PRECONDITION: made by a later version   the same
 *   (a number is missing, or of another store)                 DATA_LOSS
 */
export function openSegments(disk: Disk, directory: string, warn: (message: string) => void): OpenedSegments {
  const names = disk.list(directory).filter((name) => /^\d{8}\.log$/.test(name));
  const segments: SegmentFile[] = [];
  let storeId: Uint8Array | null = null;
  names.forEach((name, at) => {
    const path = `${directory}/${name}`;
    const number = Number.parseInt(name, 10);
    const file = disk.open(path, 'readWrite');
    const verdict = decodeSegmentHeader(file.readSync(0, SEGMENT_HEADER_BYTES));
    if (verdict.verdict === 'short' && at === names.length - 1) {
      warn(`${path} was being created when the process ended: removed`);
      file.close();
      disk.remove(path);
      return;
    }
    if (verdict.verdict !== 'good') throw refusal(path, verdict.verdict);
    const { header } = verdict;
    const expected = segments.at(-1) === undefined ? header.number : (segments.at(-1)?.number ?? 0) + 1;
    if (header.number !== number || number !== expected) {
      throw new VedetteError(
        'DATA_LOSS',
        `${path}: segment ${expected} of the log should come here, not ${header.number}; a file is missing or was renamed`,
      );
    }
    if (storeId !== null && !sameBytes(storeId, header.storeId)) {
      throw new VedetteError('DATA_LOSS', `${path} belongs to another log than the segments before it`);
    }
    storeId = header.storeId;
    segments.push({ number, path, file });
  });
  return { segments, storeId };
}

function refusal(path: string, verdict: 'short' | 'damaged' | 'foreign' | 'newer'): VedetteError {
  switch (verdict) {
    case 'foreign':
      return new VedetteError(
        'FAILED_PRECONDITION',
        `${path} is not a segment of a vedette log; move it out of the data directory`,
      );
    case 'newer':
      return new VedetteError(
        'FAILED_PRECONDITION',
        `${path} was written by a newer version of vedette; start that version`,
      );
    default:
      return new VedetteError(
        'DATA_LOSS',
        `${path}: the header is damaged. Restore the directory, or remove it and let the broker fetch its data from its peers`,
      );
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
