// What `vedette cluster` shows to people.
import type { ClusterStatus, ConfigAnswer, NodeStatus } from '../actors/admin-service.ts';
import { configKeys } from '../actors/cluster/cluster-config.ts';
import { paintFor, type Style } from './paint.ts';

const paint = paintFor(process.stdout);

interface Cell {
  readonly text: string;
  readonly style?: Style;
  readonly right?: boolean;
}
export const cell = (text: string | number, style?: Style): Cell => ({
  text: String(text),
  right: typeof text === 'number',
  ...(style === undefined ? {} : { style }),
});

/** Columns as wide as they need to be; the head says what is in them. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.text.length ?? 0)));
  const line = (cells: readonly Cell[]) =>
    cells
      .map(({ text, style, right }, at) => {
        const width = at === cells.length - 1 && right !== true ? 0 : (widths[at] ?? 0);
        const padded = right === true ? text.padStart(width) : text.padEnd(width);
        return style === undefined ? padded : paint(style, padded);
      })
      .join('  ');
  const titles = head.map((title, at) => ({
    text: title,
    style: 'dim' as const,
    right: rows[0]?.[at]?.right === true,
  }));
  return `${[titles, ...rows].map(line).join('\n')}\n`;
}

const LINK_STYLES: Readonly<Record<string, Style>> = { up: 'green', suspect: 'yellow', down: 'red' };
const styleOf = (state: string): Style => LINK_STYLES[state] ?? 'yellow';

export function statusScreen(status: ClusterStatus): string {
  const { clusterId, term, leader, brokers, shards, storage, ringVersion } = status;
  const head = [
    `cluster ${paint('bold', clusterId ?? 'not founded yet')}`,
    `leader ${leader === null ? paint('red', 'none') : paint('bold', leader)}`,
    `term ${term}`,
    `storage ${storage.kind} ${storage.state === 'ready' ? storage.state : paint('yellow', storage.state)}`,
    `ring ${ringVersion}`,
  ].join('   ');
  const rows = brokers.map(({ id, state, role, membership, grpc, http, zone }) => [
    cell(id),
    cell(state, styleOf(state)),
    cell(role, role === 'leader' ? 'bold' : undefined),
    cell(membership, membership === 'member' ? undefined : 'yellow'),
    cell(shards.filter((shard) => shard.leader === id).length),
    cell(shards.filter(({ replicas }) => replicas.includes(id)).length),
    cell(grpc),
    cell(http || '–'),
    cell(zone || '–'),
  ]);
  const titles = ['broker', 'link', 'control', 'membership', 'leads', 'replicas', 'gRPC', 'HTTP', 'zone'];
  return `${head}\n\n${table(titles, rows)}\n${shardsLine(shards)}${movesLine(shards)}${doubtLines(brokers)}`;
}

/** Whose disk was lost or damaged, and where nobody has vouched for it yet. */
function doubtLines(brokers: ClusterStatus['brokers']): string {
  return brokers
    .filter(({ storageUncertain }) => storageUncertain.length > 0)
    .map(({ id, storageUncertain: groups }) => {
      const named = `${groups.slice(0, NAMED_MAX).join(', ')}${groups.length > NAMED_MAX ? ', …' : ''}`;
      return paint(
        'yellow',
        `${id} neither votes nor counts in ${groups.length} groups, until their leaders vouch for it: ${named}\n`,
      );
    })
    .join('');
}

const NAMED_MAX = 8;

function shardsLine(shards: ClusterStatus['shards']): string {
  const leaderless = shards.filter((shard) => shard.leader === null).map(({ id }) => id);
  if (leaderless.length === 0) return `${shards.length} shards, each with a leader\n`;
  const named = `${leaderless.slice(0, NAMED_MAX).join(', ')}${leaderless.length > NAMED_MAX ? ', …' : ''}`;
  return `${shards.length} shards, ${paint('red', `${leaderless.length} without a leader`)}: ${named}\n`;
}

function movesLine(shards: ClusterStatus['shards']): string {
  const moving = shards.filter((shard) => shard.moving !== undefined);
  if (moving.length === 0) return '';
  const fetching = moving.reduce((sum, shard) => sum + (shard.moving?.fetching.length ?? 0), 0);
  const named = moving
    .slice(0, NAMED_MAX)
    .map(({ id, moving: move }) => `${id} ${move?.from.join(' ')} → ${move?.to.join(' ')}`.trim());
  const more = moving.length > NAMED_MAX ? ', …' : '';
  return `${paint('yellow', `${moving.length} on their way`)}, of which ${fetching} fetch their data: ${named.join(', ')}${more}\n`;
}

export function nodesTable(nodes: readonly NodeStatus[]): string {
  const rows = nodes.map(({ id, state, role, membership, leads, replicas, grpc, http }) => [
    cell(id),
    cell(state, styleOf(state)),
    cell(role),
    cell(membership, membership === 'member' ? undefined : 'yellow'),
    cell(grpc),
    cell(http || '–'),
    cell(replicas.length),
    cell(leads.length === 0 ? '–' : leads.join(' ')),
  ]);
  return table(['broker', 'link', 'control', 'membership', 'gRPC', 'HTTP', 'replicas', 'leads shards'], rows);
}

/** @param keys only these; none: all. */
export function configTable({ version, config }: ConfigAnswer, keys: readonly string[]): string {
  const rows = configKeys
    .filter(({ key }) => keys.length === 0 || keys.includes(key))
    .map(({ key, about, preset }) => {
      const value = config[key] ?? preset;
      return [cell(key), cell(value, value === preset ? undefined : 'bold'), cell(preset, 'dim'), cell(about, 'dim')];
    });
  return `version ${version}\n\n${table(['key', 'value', 'default', 'what it is'], rows)}`;
}
