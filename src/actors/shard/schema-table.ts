// A shard's schemas: ids are the leader's to give, from 1, never reused; entries announce them before their first use.
import { assert } from '../../core/assert.ts';
import type { HostSchema, SeriesDefinition } from '../../core/frame.ts';
import type { HostId } from '../../core/ids.ts';

export interface SchemaTable {
  get(id: number): HostSchema;
  /** A committed announcement. The same one may come again. */
  add(schema: HostSchema): void;
  /**
   * As the leader: the id of this host's very set of series, given now if it is new. `fresh` until it is committed: every entry that
   * uses it until then announces it, since the one before may fail.
   */
  propose(host: HostId, series: readonly SeriesDefinition[]): { readonly schema: HostSchema; readonly fresh: boolean };
  /** All that were announced. */
  all(): readonly HostSchema[];
  /** These, and no others, were announced. */
  replace(schemas: readonly HostSchema[]): void;
  /** Leadership changed: everything of earlier terms is settled, so ids that were given and not committed are free again. */
  forgetProposed(): void;
}

export function createSchemaTable(): SchemaTable {
  const byId = new Map<number, HostSchema>();
  const byText = new Map<string, HostSchema>();
  const proposed = new Map<string, HostSchema>();
  /** An agent's session keeps its arrays of series, and so makes the text once. */
  const texts = new WeakMap<readonly SeriesDefinition[], string>();
  let lastId = 0;
  let lastProposed = 0;

  function textOf(host: HostId, series: readonly SeriesDefinition[]): string {
    let text = texts.get(series);
    if (text === undefined) {
      text = JSON.stringify(series.map(({ metric, labels, unit, kind }) => [metric, labels, unit, kind]));
      texts.set(series, text);
    }
    return `${host}\n${text}`;
  }

  function add(schema: HostSchema): void {
    if (byId.has(schema.id)) return;
    const text = textOf(schema.host, schema.series);
    // The object that was proposed goes on, so that chunks of one schema stay together.
    const mine = proposed.get(text);
    const kept = mine?.id === schema.id ? mine : schema;
    proposed.delete(text);
    byId.set(schema.id, kept);
    byText.set(text, kept);
    // Not always ascending: an entry that was refused is proposed again behind others that announced later ids.
    lastId = Math.max(lastId, schema.id);
    lastProposed = Math.max(lastProposed, lastId);
  }

  return {
    get(id) {
      const schema = byId.get(id);
      assert(schema !== undefined, () => `schema ${id} was announced before its use`);
      return schema;
    },
    add,
    all: () => [...byId.values()],
    replace(schemas) {
      byId.clear();
      byText.clear();
      proposed.clear();
      lastId = 0;
      lastProposed = 0;
      for (const schema of schemas) add(schema);
    },
    propose(host, series) {
      const text = textOf(host, series);
      const known = byText.get(text);
      if (known !== undefined) return { schema: known, fresh: false };
      const waiting = proposed.get(text);
      if (waiting !== undefined) return { schema: waiting, fresh: true };
      const schema = { id: ++lastProposed, host, series };
      proposed.set(text, schema);
      return { schema, fresh: true };
    },
    forgetProposed() {
      proposed.clear();
      lastProposed = lastId;
    },
  };
}
