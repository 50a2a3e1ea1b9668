// The log's files: `00000001.log`, `00000002.log`, … in one directory, the last one growing, the first ones gone when no group needs them.
// `….log.damaged` are those that were damaged: nothing reads them.
import { VedetteError } from '../../../core/errors.ts';
import { decodeSegmentHeader, encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import { decideHeader } from '../../../core/log-opening.ts';
import type { Disk, DiskFile } from '../disk.ts';

export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
  /** A log may begin with it: its first batch, which is durable, tells where each group stands. */
  begins: boolean;
  /** It is kept when it is no longer needed. */
  damaged: boolean;
}

const SEGMENT_NAME = /^\d{8}\.log$/;

const segmentPath = (directory: string, number: number): string =>
  `${directory}/${String(number).padStart(8, '0')}.log`;

/** Is there a log in this directory? */
export function holdsLog(disk: Disk, directory: string): boolean {
  return disk.list(directory).some((name) => SEGMENT_NAME.test(name));
}

/** Creates a segment: its header is durable, and so is its name, when this returns. */
export function createSegment(disk: Disk, directory: string, number: number, storeId: Uint8Array): SegmentFile {
  const path = segmentPath(directory, number);
  const file = disk.open(path, 'create');
  file.writeSync(encodeSegmentHeader({ storeId, number }), 0);
  file.syncSync();
  disk.syncDirectory(directory);
  return segmentFile(number, path, file);
}

const segmentFile = (number: number, path: string, file: DiskFile): SegmentFile => ({
  number,
  path,
  file,
  begins: false,
  damaged: false,
});

/** Not needed any more. A damaged one stays, under another name, for whoever wants to look at it. */
export function discardSegment(disk: Disk, { path, damaged }: SegmentFile, done: (error: Error | null) => void): void {
  if (damaged) disk.publish(path, `${path}.damaged`, done);
  else disk.discard(path, done);
}

/** The same while the store is running: nobody waits for the disk. */
export function createSegmentLater(
  disk: Disk,
  directory: string,
  number: number,
  storeId: Uint8Array,
  done: (error: Error | null, segment: SegmentFile | null) => void,
): void {
  const path = segmentPath(directory, number);
  disk.create(path, encodeSegmentHeader({ storeId, number }), (error, file) =>
    done(error, file === null ? null : segmentFile(number, path, file)),
  );
}

export interface OpenedSegments {
  readonly segments: readonly SegmentFile[];
  /** Undefined when no segment tells it. */
  readonly storeId: Uint8Array | undefined;
}

/**
 * Opens all segments and checks their headers.
 * @throws VedetteError DATA_LOSS (of another log, renamed), FAILED_PRECONDITION (foreign or newer files); nothing is left open then.
 */
export function openSegments(disk: Disk, directory: string, warn: (message: string) => void): OpenedSegments {
  const names = disk.list(directory).filter((name) => {
    if (name.endsWith('.log') && !SEGMENT_NAME.test(name))
      warn(`${directory}/${name} is no segment of the log: it is left alone`);
    return SEGMENT_NAME.test(name);
  });
  const segments: SegmentFile[] = [];
  let storeId: Uint8Array | undefined;
  try {
    names.forEach((name, at) => {
      const opened = openSegment(disk, `${directory}/${name}`, at === names.length - 1, warn);
      if (opened === null) return;
      segments.push(opened.segment);
      if (opened.storeId === null) return;
      if (storeId !== undefined && !sameBytes(storeId, opened.storeId)) {
        throw new VedetteError(
          'DATA_LOSS',
          `${opened.segment.path} belongs to another log than the segments before it: was it copied here?`,
        );
      }
      storeId = opened.storeId;
    });
  } catch (error) {
    for (const { file } of segments) file.close();
    throw error;
  }
  return { segments, storeId };
}

interface OpenedSegment {
  readonly segment: SegmentFile;
  /** Null when its header is damaged. */
  readonly storeId: Uint8Array | null;
}

/** Null when it was removed. */
function openSegment(disk: Disk, path: string, last: boolean, warn: (message: string) => void): OpenedSegment | null {
  const file = disk.open(path, 'readWrite');
  const verdict = decodeSegmentHeader(file.readSync(0, SEGMENT_HEADER_BYTES), file.size());
  const decision = decideHeader(verdict.verdict, last ? 'last' : 'earlier');
  const named = Number.parseInt(path.slice(path.lastIndexOf('/') + 1), 10);
  const segment = segmentFile(named, path, file);
  if (decision === 'takeDamaged') {
    warn(`${path} is damaged: its header cannot be read. What is behind it is`);
    return { segment: { ...segment, damaged: true }, storeId: null };
  }
  if (verdict.verdict === 'good') {
    const { number, storeId } = verdict.header;
    if (number === named) return { segment, storeId };
    file.close();
    throw new VedetteError('DATA_LOSS', `${path} says that it is segment ${number}: it was renamed`);
  }
  file.close();
  if (decision === 'remove') {
    warn(`${path} was being created when the process ended: removed`);
    disk.remove(path);
    disk.syncDirectory(path.slice(0, path.lastIndexOf('/')));
    return null;
  }
  if (decision === 'refuseForeign')
    throw new VedetteError('FAILED_PRECONDITION', `${path} is not a segment of a vedette log; move it elsewhere`, {
      field: 'data',
    });
  throw new VedetteError(
    'FAILED_PRECONDITION',
    `${path} was written by a newer version of vedette; start that version`,
    { field: 'data' },
  );
}

/** Of a batch that does not belong behind the one before it. */
export function foreign(path: string, at: number): VedetteError {
  return new VedetteError(
    'DATA_LOSS',
    `${path}: the batch at byte ${at} belongs to another past of this log; were files of two directories mixed? Nothing was changed. While all other brokers are up, the data directory can be moved away and this broker started anew: it fetches its data from them`,
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
