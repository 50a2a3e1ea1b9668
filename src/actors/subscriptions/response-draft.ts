// A response while it is being put together.
import type { vedette } from '../../core/proto.ts';
import type { WaitingRow } from './conflation.ts';
import type { Parcel } from './feed.ts';
import type { RowEncoder } from './row-encoder.ts';

/** What a schema takes, per series: its name, labels and unit. */
const SERIES_BYTES = 80;
const REASONS_MAX = 3;

export class ResponseDraft {
  readonly #encoder: RowEncoder;
  readonly #frames: vedette.v1.IHostFrame[] = [];
  readonly #schemas: vedette.v1.ISchema[] = [];
  readonly #events: vedette.v1.IEvent[] = [];
  readonly #gaps: vedette.v1.IGap[] = [];
  #conflatedRows = 0;
  #bytes = 0;

  /** @param encoder of the stream: its schema ids go through all of its responses. */
  constructor(encoder: RowEncoder) {
    this.#encoder = encoder;
  }

  get empty(): boolean {
    return this.#frames.length + this.#events.length + this.#gaps.length + this.#conflatedRows === 0;
  }

  /** Roughly, as it will be on the wire. */
  get bytes(): number {
    return this.#bytes;
  }

  add(parcel: Parcel): void {
    for (const piece of parcel.pieces) this.#addFrame(piece);
    for (const event of parcel.events) this.#events.push(event);
    if (parcel.gap !== null) this.#gaps.push(parcel.gap);
    this.#conflatedRows += parcel.conflatedRows;
    this.#bytes += parcel.bytes;
  }

  addRow(row: WaitingRow): void {
    this.#addFrame(row);
    this.#bytes += row.packed.byteLength;
  }

  addEvent(event: vedette.v1.IEvent): void {
    this.#events.push(event);
  }

  addGap(gap: vedette.v1.IGap): void {
    this.#gaps.push(gap);
  }

  addLeftOut(rows: number): void {
    this.#conflatedRows += rows;
  }

  finish(cursor: string): vedette.v1.ISubscribeResponse {
    const response: vedette.v1.ISubscribeResponse = {
      cursor,
      frames: this.#frames,
      events: this.#events,
      schemas: this.#schemas,
      conflatedRows: this.#conflatedRows,
    };
    const gap = merge(this.#gaps);
    return gap === null ? response : { ...response, gap };
  }

  #addFrame(rows: Pick<WaitingRow, 'schema' | 'timestamps' | 'packed'>): void {
    const known = this.#schemas.length;
    this.#frames.push(this.#encoder.frame(rows, this.#schemas));
    if (this.#schemas.length > known) this.#bytes += SERIES_BYTES * rows.schema.series.length;
  }
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
