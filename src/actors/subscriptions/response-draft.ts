// A response while it is being put together.
import type { vedette } from '../../core/proto.ts';
import type { WaitingRow } from './conflation.ts';
import type { Parcel } from './feed.ts';
import { createRowEncoder } from './row-encoder.ts';

export interface ResponseDraft {
  readonly empty: boolean;
  /** Roughly, as it will be on the wire. */
  readonly bytes: number;
  add(parcel: Parcel): void;
  addRow(row: WaitingRow): void;
  addEvent(event: vedette.v1.IEvent): void;
  addGap(gap: vedette.v1.IGap): void;
  addLeftOut(rows: number): void;
  finish(cursor: string): vedette.v1.ISubscribeResponse;
}

/** What a schema takes, per series: its name, labels and unit. */
const SERIES_BYTES = 80;
const REASONS_MAX = 3;

/** The drafts of one stream: its schema ids go through all of them. */
export function createDrafts(): { begin(): ResponseDraft } {
  const encoder = createRowEncoder();
  return {
    begin() {
      const frames: vedette.v1.IHostFrame[] = [];
      const schemas: vedette.v1.ISchema[] = [];
      const events: vedette.v1.IEvent[] = [];
      const gaps: vedette.v1.IGap[] = [];
      let conflatedRows = 0;
      let bytes = 0;

      function addFrame(rows: Pick<WaitingRow, 'schema' | 'timestamps' | 'packed'>): void {
        const known = schemas.length;
        frames.push(encoder.frame(rows, schemas));
        if (schemas.length > known) bytes += SERIES_BYTES * rows.schema.series.length;
      }

      return {
        get empty() {
          return frames.length + events.length + gaps.length + conflatedRows === 0;
        },
        get bytes() {
          return bytes;
        },
        add(parcel) {
          parcel.pieces.forEach(addFrame);
          events.push(...parcel.events);
          if (parcel.gap !== null) gaps.push(parcel.gap);
          conflatedRows += parcel.conflatedRows;
          bytes += parcel.bytes;
        },
        addRow(row) {
          addFrame(row);
          bytes += row.packed.byteLength;
        },
        addEvent(event) {
          events.push(event);
        },
        addGap(gap) {
          gaps.push(gap);
        },
        addLeftOut(rows) {
          conflatedRows += rows;
        },
        finish(cursor) {
          const gap = merge(gaps);
          return { cursor, frames, events, schemas, conflatedRows, ...(gap === null ? {} : { gap }) };
        },
      };
    },
  };
}

/** From the earliest to the latest moment of which anything is missing. */
function merge(gaps: readonly vedette.v1.IGap[]): vedette.v1.IGap | null {
  if (gaps.length === 0) return null;
  const reasons = gaps.map(({ reason }) => reason ?? '');
  const more = reasons.length > REASONS_MAX ? `; and ${reasons.length - REASONS_MAX} more` : '';
  return {
    fromMs: Math.min(...gaps.map(({ fromMs }) => fromMs ?? 0)),
    toMs: Math.max(...gaps.map(({ toMs }) => toMs ?? 0)),
    reason: reasons.slice(0, REASONS_MAX).join('; ') + more,
  };
}
