// Where the entries of one group lie in a segment of the log: to damage these, and nothing of the other groups.
import { kernels } from '../../../src/actors/kernels.ts';
import { type GroupId, groupNumber } from '../../../src/core/ids.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/core/log-format.ts';
import { type ReadBatch, readBatch } from '../../../src/core/log-tail.ts';
import type { Extent } from './sim-disk.ts';

function payloadsIn({ header, records, end }: ReadBatch, group: number): Extent[] {
  const extents: Extent[] = [];
  let from = end - header.payloadBytes;
  for (const record of records) {
    if (record.type !== 'entries' && record.type !== 'copied') continue;
    for (const { bytes } of record.entries) {
      if (record.group === group && bytes > 0) extents.push({ from, to: from + bytes });
      from += bytes;
    }
  }
  return extents;
}

/** Of the batches up to the first one that is not whole. */
export function payloadsOfGroup(segment: Uint8Array, id: GroupId): Extent[] {
  const group = groupNumber(id);
  const read = (at: number, length: number) => segment.subarray(at, at + length);
  const extents: Extent[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < segment.length; ) {
    const batch = readBatch(read, at, segment.length, kernels.crc32c);
    if (batch.found !== 'whole') break;
    extents.push(...payloadsIn(batch, group));
    at = batch.end;
  }
  return extents;
}
