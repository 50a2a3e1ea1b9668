// Who may be added to a cluster, and who may leave it: what is refused before anything is agreed on.
import { invalidArgument, VedetteError } from '../../core/errors.ts';
import type { AgreedBroker } from '../../core/control-state.ts';
import { type BrokerId, parseBrokerId } from '../../core/ids.ts';
import { nearest, parseAddress } from '../../core/units.ts';
import type { NewBroker, NodeStatus } from '../admin-service.ts';

export function checkNewBroker({ id, grpc, http, zone }: NewBroker): NewBroker {
  return {
    id: parseBrokerId(id, 'id'),
    grpc: parseAddress(grpc, 'grpc'),
    http: http === '' ? '' : parseAddress(http, 'http'),
    zone,
  };
}

/** One of the cluster's brokers. @throws VedetteError NOT_FOUND naming the nearest one. */
export function parseMember(name: string, brokers: ReadonlyMap<BrokerId, unknown>, field: string): BrokerId {
  const known = [...brokers.keys()].sort();
  const found = known.find((id) => id === name);
  if (found !== undefined) return found;
  if (name === '') throw invalidArgument(field, `${field} is missing`);
  const near = nearest(name, known);
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
  throw new VedetteError('NOT_FOUND', `there is no broker ${JSON.stringify(name)}; ${hint}`, { field });
}

/**
 * Would those that stay be able to agree without it?
 * @throws VedetteError FAILED_PRECONDITION naming those that cannot be reached.
 */
export function checkRemoval(
  leaver: BrokerId,
  brokers: ReadonlyMap<BrokerId, AgreedBroker>,
  nodes: readonly Pick<NodeStatus, 'id' | 'state'>[],
): void {
  if (brokers.get(leaver)?.leaving === true) return;
  const staying = [...brokers.values()].filter(({ id, leaving }) => id !== leaver && !leaving).map(({ id }) => id);
  const reached = new Set(nodes.filter(({ state }) => state === 'up' || state === 'suspect').map(({ id }) => id));
  const missing = staying.filter((id) => !reached.has(id));
  if (missing.length === 0 || (staying.length - missing.length) * 2 > staying.length) return;
  throw new VedetteError(
    'FAILED_PRECONDITION',
    `without ${leaver} the cluster would be ${staying.join(', ')}, and ${missing.join(', ')} cannot be reached: too few to agree; bring ${missing.length === 1 ? 'it' : 'them'} back, or remove ${missing.length === 1 ? 'it' : 'them'} first`,
    { field: 'id' },
  );
}
