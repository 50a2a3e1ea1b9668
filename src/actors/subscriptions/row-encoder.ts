// Rows as one subscription's stream carries them: packed, under schema ids made for this stream and announced before their first use.
import type { vedette } from '../../core/proto.ts';
import type { PickedSchema } from './selection.ts';

export interface RowEncoder {
  /** @param announce takes the schema, when it is new to this stream. */
  frame(
    rows: { readonly schema: PickedSchema; readonly timestamps: number[]; readonly packed: Uint8Array },
    announce: vedette.v1.ISchema[],
  ): vedette.v1.IHostFrame;
}

export function createRowEncoder(): RowEncoder {
  const ids = new Map<PickedSchema, number>();
  return {
    frame({ schema, timestamps, packed }, announce) {
      let schemaId = ids.get(schema);
      if (schemaId === undefined) {
        schemaId = ids.size + 1;
        ids.set(schema, schemaId);
        announce.push({ schemaId, hostId: schema.host, series: [...schema.series] });
      }
      return { hostId: schema.host, schemaId, timestampsMs: timestamps, packed };
    },
  };
}
