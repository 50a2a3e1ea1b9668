// Looks at a snapshot's file at start: is it whole, and where is what? The chunks' own bytes are checked when they are read.
import { describeError, VedetteError } from '../../../core/errors.ts';
import type { Crc32c } from '../../../core/log-format.ts';
import {
  decodeFrame,
  decodePreamble,
  encodeFrame,
  END_BYTES,
  endsWell,
  FRAME_BYTES,
  headerBytes,
  PREAMBLE_BYTES,
} from '../../../core/snapshot-format.ts';
import type { Disk, DiskFile } from '../disk.ts';
import type { SnapshotMeta, StoredSnapshot } from '../snapshots.ts';
import { decodeHeader } from './header.ts';

type Loaded =
  | { readonly found: 'whole'; readonly snapshot: StoredSnapshot }
  | { readonly found: 'damaged'; readonly reason: string };

const damaged = (reason: string): Loaded => ({ found: 'damaged', reason });

/** @throws VedetteError FAILED_PRECONDITION for one that a newer version wrote. */
export function loadSnapshot(disk: Disk, path: string, crc32c: Crc32c): Loaded {
  const file = disk.open(path, 'read');
  try {
    return load(file, path, crc32c);
  } finally {
    file.close();
  }
}

function load(file: DiskFile, path: string, crc32c: Crc32c): Loaded {
  const length = headerBytes(file.readSync(0, PREAMBLE_BYTES));
  if (length === null) return damaged('it does not begin like one');
  const preamble = decodePreamble(file.readSync(0, PREAMBLE_BYTES + length), crc32c);
  if (preamble.verdict === 'newer')
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${path} was written by a newer version of vedette; start that version`,
      { field: 'data' },
    );
  if (preamble.verdict === 'damaged') return damaged('its header does not have its checksum');
  let meta: SnapshotMeta;
  try {
    meta = decodeHeader(preamble.header);
  } catch (error) {
    return damaged(`its header cannot be read: ${describeError(error)}`);
  }
  const size = file.size();
  const offsets: number[] = [];
  let framesCrc = 0;
  let at = preamble.end;
  for (;;) {
    const frame = decodeFrame(file.readSync(at, FRAME_BYTES));
    if (frame === null || at + FRAME_BYTES + frame.bytes > size) break;
    offsets.push(at);
    framesCrc = crc32c(encodeFrame(frame), framesCrc);
    at += FRAME_BYTES + frame.bytes;
  }
  if (!endsWell(file.readSync(at, END_BYTES), offsets.length, framesCrc, crc32c))
    return damaged(`what begins at byte ${at} is neither a chunk nor its end`);
  return { found: 'whole', snapshot: { meta, path, bytes: at + END_BYTES, offsets } };
}
