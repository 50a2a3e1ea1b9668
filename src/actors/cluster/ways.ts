// Which other brokers can be spoken to now, and who may pass something on to one that cannot: two hops at most.
import type { BrokerId } from '../../core/ids.ts';
import type { PeerView } from './peer-interface.ts';

export function isLinked(views: readonly PeerView[], id: BrokerId): boolean {
  const state = views.find((view) => view.id === id)?.state;
  return state === 'up' || state === 'suspect';
}

/** Null: nobody. @param turn another one each time, so that one that has no way there either is not asked for ever. */
export function relayTo(views: readonly PeerView[], to: BrokerId | null, turn: number): BrokerId | null {
  const up = views.filter(({ id, state }) => id !== to && state === 'up');
  return up[turn % up.length]?.id ?? null;
}
