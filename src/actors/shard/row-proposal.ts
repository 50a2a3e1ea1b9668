// What is proposed to a shard: rows under their series, and what is known of hosts. Between brokers it travels as ShardProposal.
import { present } from '../../core/assert.ts';
import type { SeriesDefinition } from '../../core/frame.ts';
import type { HostId } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import { pack, seriesFromProto, seriesToProto, unpack } from '../../core/series-codec.ts';

export interface ProposedRows {
  readonly host: HostId;
  readonly series: readonly SeriesDefinition[];
  readonly timestamps: Float64Array;
  /** Series-major. */
  readonly values: Float64Array;
}

/** What an agent said of its host. */
export interface HostHint {
  readonly host: HostId;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RowProposal {
  readonly rows: readonly ProposedRows[];
  readonly hosts: readonly HostHint[];
}

export function encodeProposal({ rows, hosts }: RowProposal): Uint8Array {
  const numbers = new Map<readonly SeriesDefinition[], Map<HostId, number>>();
  const schemas: vedette.v1.ISchema[] = [];
  const numberOf = (host: HostId, series: readonly SeriesDefinition[]): number => {
    const perHost = numbers.get(series) ?? new Map<HostId, number>();
    numbers.set(series, perHost);
    let number = perHost.get(host);
    if (number === undefined) {
      number = schemas.length + 1;
      perHost.set(host, number);
      schemas.push({ schemaId: number, hostId: host, series: series.map(seriesToProto) });
    }
    return number;
  };
  return vedette.v1.ShardProposal.encode({
    rows: rows.map(({ host, series, timestamps, values }) => ({
      schemaId: numberOf(host, series),
      timestampsMs: Array.from(timestamps),
      packed: pack(values),
    })),
    schemas,
    hosts: hosts.map(({ host, labels }) => ({ hostId: host, labels: { ...labels } })),
  }).finish();
}

/** @throws Error on bytes that are no proposal: they come from a peer of the same version, so this is a bug or corruption. */
export function decodeProposal(bytes: Uint8Array): RowProposal {
  const { rows, schemas, hosts } = vedette.v1.ShardProposal.decode(bytes);
  const byId = new Map(
    schemas.map(({ schemaId, hostId, series }) => [
      schemaId ?? 0,
      { host: (hostId ?? '') as HostId, series: (series ?? []).map(seriesFromProto) },
    ]),
  );
  return {
    rows: rows.map(({ schemaId, timestampsMs, packed }) => {
      const { host, series } = present(byId.get(schemaId ?? 0), 'rows come with their schema');
      return {
        host,
        series,
        timestamps: Float64Array.from(timestampsMs ?? []),
        values: unpack(packed ?? new Uint8Array(0)),
      };
    }),
    hosts: hosts.map(({ hostId, labels }) => ({ host: (hostId ?? '') as HostId, labels: labels ?? {} })),
  };
}
