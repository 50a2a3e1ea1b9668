// The configurations that a member's chart is told of: from the founding, a snapshot, the log, and messages.
import type { BrokerId } from '../../core/ids.ts';
import type { Append } from '../../machines/raft/messages.ts';
import {
  type ConfigurationHistory,
  foundedBy,
  type PlacedConfiguration,
  withEntries,
} from '../../machines/raft/membership.ts';
import type { CarriedEntry } from '../../streams/envelope.ts';
import type { ConfigurationEntry } from '../stores/log.ts';
import { decodeConfiguration } from './configuration-codec.ts';

/** At start: a snapshot's stands in for all before it. */
export function configurationsFrom(
  founders: readonly BrokerId[],
  snapshot: PlacedConfiguration | null,
  entries: readonly ConfigurationEntry[],
): ConfigurationHistory {
  const first = snapshot === null ? foundedBy(founders) : [snapshot];
  const placed = entries.map(({ index, payload }) => ({ index, configuration: decodeConfiguration(payload) }));
  return withEntries(first, placed, Number.MAX_SAFE_INTEGER);
}

/** Those among a message's entries. */
export function configurationsIn(
  { prevIndex }: Append,
  entries: readonly CarriedEntry[],
): readonly PlacedConfiguration[] {
  const placed: PlacedConfiguration[] = [];
  entries.forEach(({ kind, payload }, at) => {
    if (kind === 'configuration')
      placed.push({ index: prevIndex + 1 + at, configuration: decodeConfiguration(payload) });
  });
  return placed;
}
