// Opens what is there of a log, and makes sure that it can be written on: with its first segment, or, when groups were found unsound,
// with a new one that says so before anything else is written.
import { encodeBatch, SEGMENT_HEADER_BYTES } from '../../../core/log-format.ts';
import type { Disk } from '../disk.ts';
import { type BatchWriterStart, type GroupStates, stateRecords } from './batch-writer.ts';
import { stateOf } from './group-index.ts';
import { recover, type RecoveredLog, type RecoveryPorts } from './recovery.ts';
import { createSegment, openSegments, type SegmentFile } from './segment-files.ts';

export interface OpenedLog {
  /** In order. */
  readonly segments: Map<number, SegmentFile>;
  readonly storeId: Uint8Array;
  readonly start: BatchWriterStart;
}

/**
 * Batches that nobody can read had numbers, too: behind damage they are counted from so far ahead that none of them can be taken for a
 * later one, whatever can be read of it another day.
 */
const NUMBERS_LEFT_OUT = 2 ** 24;

/** @throws VedetteError as openLog says; nothing is left open then. */
export function openFiles(disk: Disk, directory: string, newId: () => Uint8Array, ports: RecoveryPorts): OpenedLog {
  const { segments: found, storeId = newId() } = openSegments(disk, directory, ports.warn);
  const segments = new Map(found.map((segment) => [segment.number, segment]));
  const add = (number: number): SegmentFile => {
    const segment = createSegment(disk, directory, number, storeId);
    segments.set(number, segment);
    return segment;
  };
  try {
    const recovered = recover(found, ports);
    const states: GroupStates = new Map([...ports.groups].map(([group, index]) => [group, stateOf(index)]));
    let segment = found.at(-1) ?? add(1);
    let { last, end } = recovered;
    if (recovered.needsVerdict) {
      segment = add(segment.number + 1);
      ({ last, end } = pronounce(segment, recovered, states, ports));
    }
    const bytes = [...segments.values()].reduce((sum, { file }) => sum + file.size(), 0) - segment.file.size() + end;
    return { segments, storeId, start: { segment, last, end, bytes, states } };
  } catch (error) {
    for (const { file } of segments.values()) file.close();
    throw error;
  }
}

/** Writes the state of every group as the first batch of a new segment: durable when it returns. */
function pronounce(segment: SegmentFile, recovered: RecoveredLog, states: GroupStates, ports: RecoveryPorts) {
  const number = (recovered.last.number + NUMBERS_LEFT_OUT) >>> 0;
  const { head, crc, groups, chains } = encodeBatch(
    stateRecords(states),
    { number, previousCrc: recovered.last.crc, payloadBytes: 0 },
    (group) => ports.groups.get(group)?.chain ?? 0,
    ports.crc32c,
  );
  segment.file.writeSync(head, SEGMENT_HEADER_BYTES);
  segment.file.syncSync();
  segment.begins = true;
  groups.forEach((group, g) => {
    const index = ports.groups.get(group);
    if (index !== undefined) index.chain = chains[g] ?? 0;
  });
  return { last: { number, crc }, end: SEGMENT_HEADER_BYTES + head.length };
}
