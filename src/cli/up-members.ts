// Who of a local cluster's founders still belongs to it, by what the brokers' directories know.
import { join } from 'node:path';
import type { Disk } from '../actors/stores/disk.ts';
import { readIdentity } from '../actors/stores/identity.ts';

/**
 * Founders that have left: their own directory says so, or, where that was deleted, the newest list of members that another one has.
 * Started like a founder again, such a broker would be refused.
 */
export function foundersGone(disk: Disk, data: string, founders: readonly string[]): ReadonlySet<string> {
  const identities = new Map(founders.map((id) => [id, readIdentity(disk, join(data, id))]));
  const newest = [...identities.values()]
    .flatMap((identity) => (identity === null ? [] : [identity.roster]))
    .reduce((best, roster) => (roster.at > best.at ? roster : best), { at: 0, members: {} });
  const isGone = (id: string) =>
    identities.get(id)?.removed === true || (newest.at > 0 && !Object.hasOwn(newest.members, id));
  return new Set(founders.filter(isGone));
}
