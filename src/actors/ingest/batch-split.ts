// A batch as proposals: by shard, and each within what a leader takes at once. A frame that is larger is cut between rows; its parts
// may be applied apart, since a batch is acknowledged only when all of it was.
import { type HostId, type ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { seriesBytes } from '../../core/series-codec.ts';
import type { HostHint, ProposedRows, RowProposal } from '../shard/row-proposal.ts';

export interface BatchSplit {
  add(rows: ProposedRows): void;
  hint(hint: HostHint): void;
  finish(): { readonly shard: ShardId; readonly proposal: RowProposal }[];
}

interface Part {
  readonly shard: ShardId;
  readonly proposal: { readonly rows: ProposedRows[]; readonly hosts: HostHint[] };
  bytes: number;
}

const { proposalBytes } = limits.ingest;

export function createBatchSplit(shardOf: (host: HostId) => ShardId): BatchSplit {
  const parts: Part[] = [];
  const open = new Map<ShardId, Part>();

  function partFor(host: HostId, bytes: number): Part {
    const shard = shardOf(host);
    let part = open.get(shard);
    if (part === undefined || (part.bytes > 0 && part.bytes + bytes > proposalBytes)) {
      part = { shard, proposal: { rows: [], hosts: [] }, bytes: 0 };
      open.set(shard, part);
      parts.push(part);
    }
    part.bytes += bytes;
    return part;
  }

  return {
    add(rows) {
      const { host, series, timestamps } = rows;
      const rowBytes = 8 * (series.length + 1);
      const rowsMax = Math.max(1, Math.floor((proposalBytes - seriesBytes(series)) / rowBytes));
      for (let from = 0; from < timestamps.length; from += rowsMax) {
        const piece = sliceRows(rows, from, Math.min(timestamps.length, from + rowsMax));
        partFor(host, piece.timestamps.length * rowBytes + seriesBytes(series)).proposal.rows.push(piece);
      }
    },
    hint(hint) {
      partFor(hint.host, 0).proposal.hosts.push(hint);
    },
    finish: () => parts,
  };
}

function sliceRows(rows: ProposedRows, from: number, to: number): ProposedRows {
  const { host, series, timestamps, values } = rows;
  if (from === 0 && to === timestamps.length) return rows;
  const sliced = new Float64Array(series.length * (to - from));
  for (let s = 0; s < series.length; s++)
    sliced.set(values.subarray(s * timestamps.length + from, s * timestamps.length + to), s * (to - from));
  return { host, series, timestamps: timestamps.slice(from, to), values: sliced };
}
