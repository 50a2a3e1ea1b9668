// Reads a snapshot's chunks, each with its checksum. While it is open its bytes stay, also when the file is removed or set aside.
import { assert } from '../../../core/assert.ts';
import { VedetteError } from '../../../core/errors.ts';
import type { Crc32c } from '../../../core/log-format.ts';
import { decodeFrame, END_BYTES, FRAME_BYTES } from '../../../core/snapshot-format.ts';
import type { Disk } from '../disk.ts';
import type { StoredSnapshot } from '../snapshots.ts';

export interface Chunk {
  readonly payload: Uint8Array;
  readonly crc: number;
}

export interface SnapshotReader {
  /** A chunk by its number, from 0. Errors with DATA_LOSS when it is damaged. */
  read(number: number, done: (error: VedetteError | null, chunk: Chunk | null) => void): void;
  /** The same for the start, when nothing else happens. @throws VedetteError DATA_LOSS. */
  readSync(number: number): Chunk;
  /** Nobody is called back any more. */
  close(): void;
}

/** @throws VedetteError FAILED_PRECONDITION when the file is not there any more. */
export function createSnapshotReader(disk: Disk, snapshot: StoredSnapshot, crc32c: Crc32c): SnapshotReader {
  const { path, offsets, bytes } = snapshot;
  const file = disk.open(path, 'read');
  let reading = 0;
  let closed = false;

  function extentOf(number: number): { readonly from: number; readonly length: number } {
    const from = offsets[number];
    assert(from !== undefined, () => `${path} has ${offsets.length} chunks, and no chunk ${number}`);
    return { from, length: (offsets[number + 1] ?? bytes - END_BYTES) - from };
  }

  function check(number: number, found: Uint8Array): Chunk | VedetteError {
    const frame = decodeFrame(found);
    const payload = found.subarray(FRAME_BYTES);
    if (frame?.bytes === payload.length && crc32c(payload) === frame.crc) return { payload, crc: frame.crc };
    return new VedetteError('DATA_LOSS', `${path}: chunk ${number} does not have its checksum`);
  }

  return {
    read(number, done) {
      const { from, length } = extentOf(number);
      reading++;
      file.read(from, length, (error, found) => {
        reading--;
        if (closed) {
          if (reading === 0) file.close();
          return;
        }
        const chunk = error === null ? check(number, found) : dataLoss(path, number, error);
        if (chunk instanceof VedetteError) done(chunk, null);
        else done(null, chunk);
      });
    },
    readSync(number) {
      const { from, length } = extentOf(number);
      const chunk = check(number, file.readSync(from, length));
      if (chunk instanceof VedetteError) throw chunk;
      return chunk;
    },
    close() {
      if (closed) return;
      closed = true;
      if (reading === 0) file.close();
    },
  };
}

function dataLoss(path: string, number: number, cause: Error): VedetteError {
  return new VedetteError('DATA_LOSS', `${path}: chunk ${number} cannot be read: ${cause.message}`, { cause });
}
