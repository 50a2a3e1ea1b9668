// Which hosts and series a subscriber wants. Subscribers that want the same share one selection, and so the work: an entry's rows are
// picked and packed once for all of them.
import type { AppliedEntry, HostSchema, RowBlock, SeriesDefinition } from '../../core/frame.ts';
import type { HostId } from '../../core/ids.ts';
import { matchNames, matchSeries } from '../../core/names.ts';
import type { vedette } from '../../core/proto.ts';
import { pack, seriesToProto, unpack } from '../../core/series-codec.ts';

/** The series of a host that are delivered, in the order of their columns. */
export interface PickedSchema {
  readonly host: HostId;
  readonly series: readonly vedette.v1.ISeries[];
}

/** Rows of one host as they are delivered: only the series asked for. */
export interface Piece {
  readonly schema: PickedSchema;
  readonly timestamps: number[];
  /** Series-major. */
  readonly values: Float64Array;
  /** The bytes of `values`. */
  readonly packed: Uint8Array;
}

export interface Picked {
  readonly pieces: readonly Piece[];
  readonly bytes: number;
}

export interface Selection {
  wantsHost(host: HostId): boolean;
  /** Of an entry, what was asked for. The same object for the same entry, whoever asks. */
  pick(entry: AppliedEntry): Picked;
}

export interface Selections {
  /**
   * The selection of these names and globs, shared with everybody who asked for the same and has not released it.
   * @throws VedetteError INVALID_ARGUMENT naming the field.
   */
  acquire(hosts: readonly string[], metrics: readonly string[]): { readonly selection: Selection; release(): void };
}

export function createSelections(): Selections {
  const open = new Map<string, { readonly selection: Selection; users: number }>();
  return {
    acquire(hosts, metrics) {
      const key = JSON.stringify([[...new Set(hosts)].sort(), [...new Set(metrics)].sort()]);
      const shared = open.get(key) ?? { selection: createSelection(hosts, metrics), users: 0 };
      shared.users++;
      open.set(key, shared);
      return {
        selection: shared.selection,
        release() {
          if (--shared.users === 0) open.delete(key);
        },
      };
    },
  };
}

interface Columns {
  readonly schema: PickedSchema;
  /** Which of the host's series; null: all of them. */
  readonly chosen: readonly number[] | null;
}

/** What a piece takes beside its values. */
const PIECE_BYTES = 64;
const NOTHING: Picked = { pieces: [], bytes: 0 };

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
function createSelection(hosts: readonly string[], metrics: readonly string[]): Selection {
  const wantsHost = matchNames(hosts);
  const wantsSeries = matchSeries(metrics);
  const known = new WeakMap<HostSchema, Columns | 'unwanted'>();
  const picked = new WeakMap<AppliedEntry, Picked>();

  function columnsOf(schema: HostSchema): Columns | 'unwanted' {
    let columns = known.get(schema);
    if (columns === undefined) {
      columns = wantsHost(schema.host) ? choose(schema, wantsSeries) : 'unwanted';
      known.set(schema, columns);
    }
    return columns;
  }

  function pick({ rows }: AppliedEntry): Picked {
    const pieces = rows.flatMap((block) => {
      const columns = columnsOf(block.schema);
      return columns === 'unwanted' ? [] : (pieceOf(block, columns) ?? []);
    });
    if (pieces.length === 0) return NOTHING;
    return { pieces, bytes: pieces.reduce((sum, piece) => sum + bytesOf(piece), 0) };
  }

  return {
    wantsHost,
    pick(entry) {
      let found = picked.get(entry);
      if (found === undefined) {
        found = pick(entry);
        picked.set(entry, found);
      }
      return found;
    },
  };
}

export const bytesOf = ({ packed, timestamps }: Piece): number =>
  PIECE_BYTES + packed.byteLength + 8 * timestamps.length;

function choose(schema: HostSchema, wanted: (series: SeriesDefinition) => boolean): Columns | 'unwanted' {
  const chosen = schema.series.flatMap((series, s) => (wanted(series) ? [s] : []));
  if (chosen.length === 0) return 'unwanted';
  const all = onTheWire(schema.series);
  const series = chosen.length === all.length ? all : chosen.flatMap((s) => all[s] ?? []);
  return { schema: { host: schema.host, series }, chosen: chosen.length === schema.series.length ? null : chosen };
}

const wireForms = new WeakMap<readonly SeriesDefinition[], readonly vedette.v1.ISeries[]>();

/** Once for all selections. */
function onTheWire(series: readonly SeriesDefinition[]): readonly vedette.v1.ISeries[] {
  let form = wireForms.get(series);
  if (form === undefined) {
    form = series.map(seriesToProto);
    wireForms.set(series, form);
  }
  return form;
}

/** Null when no row holds any of the series asked for. */
function pieceOf({ timestamps, values }: RowBlock, { schema, chosen }: Columns): Piece | null {
  if (chosen === null) return { schema, timestamps: Array.from(timestamps), values, packed: pack(values) };
  const rows = timestamps.length;
  const at = (s: number, r: number) => values[s * rows + r] ?? Number.NaN;
  const kept: number[] = [];
  for (let r = 0; r < rows; r++) if (chosen.some((s) => !Number.isNaN(at(s, r)))) kept.push(r);
  if (kept.length === 0) return null;
  const selected = new Float64Array(chosen.length * kept.length);
  chosen.forEach((s, column) => {
    kept.forEach((r, row) => {
      selected[column * kept.length + row] = at(s, r);
    });
  });
  return { schema, timestamps: kept.map((r) => timestamps[r] ?? 0), values: selected, packed: pack(selected) };
}

/** Rows that another broker has picked. */
export function pieceOfFrame({ timestampsMs, packed }: vedette.v1.IHostFrame, schema: PickedSchema): Piece {
  const bytes = packed ?? new Uint8Array(0);
  return { schema, timestamps: timestampsMs ?? [], values: unpack(bytes), packed: bytes };
}
