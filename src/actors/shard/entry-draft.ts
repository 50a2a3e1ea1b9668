// An entry of a shard's log while the leader puts it together.
import type { HostChange } from '../../core/frame.ts';
import type { HostId } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import { pack, seriesBytes, seriesToProto } from '../../core/series-codec.ts';
import { hostToProto } from '../../core/shard-entry.ts';
import type { HostSchema } from '../../core/frame.ts';
import type { ProposedRows } from './row-proposal.ts';

export interface EntryDraft {
  /** About what it will take in the log. */
  readonly bytes: number;
  readonly empty: boolean;
  /** @param announce the schema is not known to be committed. */
  addRows(rows: ProposedRows, schema: HostSchema, announce: boolean): void;
  /** In place of an earlier record of the same host in this entry. */
  setHost(change: HostChange): void;
  finish(): Omit<vedette.v1.IShardEntry, 'stampMs'>;
}

const ROWS_BYTES = 16;

export function createEntryDraft(): EntryDraft {
  const rows: vedette.v1.IHostRows[] = [];
  const schemas = new Map<number, vedette.v1.IHostSchema>();
  const hosts = new Map<HostId, vedette.v1.IHostChange>();
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    get empty() {
      return rows.length + hosts.size === 0;
    },
    addRows({ host, series, timestamps, values }, schema, announce) {
      if (announce && !schemas.has(schema.id)) {
        schemas.set(schema.id, { schemaId: schema.id, hostId: host, series: series.map(seriesToProto) });
        bytes += seriesBytes(series);
      }
      rows.push({ schemaId: schema.id, timestampsMs: Array.from(timestamps), packed: pack(values) });
      bytes += values.byteLength + timestamps.byteLength + ROWS_BYTES;
    },
    setHost(change) {
      const record = hostToProto(change);
      hosts.set(change.host, record);
      bytes += vedette.v1.HostChange.encode(record).finish().length;
    },
    finish: () => ({ schemas: [...schemas.values()], rows, hosts: [...hosts.values()] }),
  };
}
