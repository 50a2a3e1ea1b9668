// Keeps the newest row of each host, and counts what it leaves out: for subscribers that cannot keep up, or ask for less.
import type { RowBlock } from '../../core/frame.ts';
import type { HostId } from '../../core/ids.ts';
import { newestRow } from './row-encoder.ts';

export interface Conflated {
  readonly blocks: readonly RowBlock[];
  readonly leftOut: number;
}

export function conflate(blocks: readonly RowBlock[]): Conflated {
  const newest = new Map<HostId, RowBlock[]>();
  let rows = 0;
  for (const block of blocks) {
    rows += block.timestamps.length;
    const row = newestRow(block);
    const time = row.timestamps[0] ?? 0;
    const kept = newest.get(block.schema.host);
    const keptTime = kept?.[0]?.timestamps[0] ?? Number.NEGATIVE_INFINITY;
    if (kept === undefined || time > keptTime) newest.set(block.schema.host, [row]);
    // More columns of the same instant belong to the newest row, too.
    else if (time === keptTime) kept.push(row);
  }
  const left = [...newest.values()].flat();
  return { blocks: left, leftOut: rows - left.length };
}
