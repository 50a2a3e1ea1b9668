// The schemas that rows in the queue refer to. A row in the queue is numbers alone (400 bytes instead of 4,000); what they mean
// is kept here, on disk before the first row that needs it, since an agent that comes back after a day of outage must still
// know what it recorded then.
//
//   data/schemas   written beside as schemas.new, synced, renamed: whole or not at all
import type { SeriesDefinition } from '../../core/frame.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { vedette } from '../../core/proto.ts';
import { seriesFromProto, seriesToProto } from '../../core/series-codec.ts';
import type { Disk } from '../stores/disk.ts';

export interface SchemaTable {
  /** The id of this very set of series, new when it was never seen. */
  idOf(series: readonly SeriesDefinition[]): number;
  /** Is it on disk? If not, no row on disk may use it: after a restart the id may be another's. */
  isDurable(id: number): boolean;
  get(id: number): readonly SeriesDefinition[] | undefined;
}

const FORMAT = 1;

/** @throws VedetteError DATA_LOSS when the file is there and cannot be read as what it should be. */
export function openSchemaTable(disk: Disk, directory: string, warn: (message: string) => void): SchemaTable {
  const path = `${directory}/schemas`;
  const byId = new Map<number, readonly SeriesDefinition[]>();
  const idByText = new Map<string, number>();
  let nextId = 1;
  /** Ids below this are on disk. */
  let savedBelow = 1;
  let refused = false;
  let last: { series: readonly SeriesDefinition[]; id: number } | null = null;

  function remember(id: number, series: readonly SeriesDefinition[]): void {
    byId.set(id, series);
    idByText.set(textOf(series), id);
  }

  function load(): void {
    if (!disk.exists(path)) return;
    const file = disk.open(path, 'read');
    try {
      const stored = decode(file.readSync(0, file.size()), path);
      nextId = stored.nextId;
      savedBelow = nextId;
      for (const schema of stored.schemas) remember(schema.schemaId ?? 0, (schema.series ?? []).map(seriesFromProto));
    } finally {
      file.close();
    }
  }

  function save(): void {
    const schemas = [...byId].map(([schemaId, series]) => ({ schemaId, series: series.map(seriesToProto) }));
    const bytes = vedette.v1.QueueSchemas.encode({ version: FORMAT, nextId, schemas }).finish();
    const beside = `${path}.new`;
    if (disk.exists(beside)) disk.remove(beside);
    const file = disk.open(beside, 'create');
    try {
      file.writeSync(bytes, 0);
      file.syncSync();
    } finally {
      file.close();
    }
    disk.rename(beside, path);
    disk.syncDirectory(directory);
    savedBelow = nextId;
  }

  /** What the disk does not take now it may take at the next sample. */
  function trySave(): void {
    try {
      save();
      if (refused) warn(`${path} is saved again`);
      refused = false;
    } catch (error) {
      if (!refused) warn(`${path} cannot be saved (${describeError(error)}): rows that need it stay in memory`);
      refused = true;
    }
  }

  load();
  return {
    idOf(series) {
      if (savedBelow < nextId) trySave();
      if (last?.series === series) return last.id;
      let id = idByText.get(textOf(series));
      if (id === undefined) {
        id = nextId++;
        remember(id, series);
        // The oldest goes: rows that still refer to it are 24 hours old at the least, or their host changes its shape hourly.
        for (const oldest of byId.keys()) {
          if (byId.size <= limits.agent.schemasMax) break;
          idByText.delete(textOf(byId.get(oldest) ?? []));
          byId.delete(oldest);
        }
        trySave();
      }
      last = { series, id };
      return id;
    },
    isDurable: (id) => id < savedBelow,
    get: (id) => byId.get(id),
  };
}

function decode(bytes: Uint8Array, path: string): vedette.v1.QueueSchemas {
  try {
    const stored = vedette.v1.QueueSchemas.decode(bytes);
    if (stored.version === FORMAT) return stored;
    throw new VedetteError('FAILED_PRECONDITION', `${path} has format ${stored.version}; this version reads ${FORMAT}`);
  } catch (error) {
    if (error instanceof VedetteError) throw error;
    throw new VedetteError('DATA_LOSS', `${path} is damaged; remove it together with the agent's queue`, {
      cause: error,
    });
  }
}

function textOf(series: readonly SeriesDefinition[]): string {
  return JSON.stringify(series.map(({ metric, labels, unit, kind }) => [metric, labels, unit, kind]));
}
