// What a snapshot says of itself, as bytes.
import { type BrokerId, type ClusterId, groupFromNumber, groupNumber } from '../../../core/ids.ts';
import { vedette } from '../../../core/proto.ts';
import type { SnapshotMeta } from '../snapshots.ts';

export function encodeHeader({ group, index, term, cluster, configuration: placed }: SnapshotMeta): Uint8Array {
  const { voters, outgoing, learners, joining } = placed.configuration;
  return vedette.v1.SnapshotHeader.encode({
    group: groupNumber(group),
    index,
    term,
    clusterId: cluster,
    voters: [...voters],
    outgoing: [...outgoing],
    learners: [...learners],
    joining: [...joining],
    configurationIndex: placed.index,
  }).finish();
}

/**
 * @throws Error on bytes that are no header, or that name no voters, which would leave a member that begins from there with a group that can never decide
 * anything, nor be told apart from one that it waits to be added to: to be called behind a checksum, or where that is handled.
 */
export function decodeHeader(bytes: Uint8Array): SnapshotMeta {
  const header = vedette.v1.SnapshotHeader.decode(bytes);
  if (header.voters.length === 0) throw new Error('its configuration has no voters');
  const { group, index, term, clusterId, configurationIndex } = header;
  return {
    group: groupFromNumber(group),
    index,
    term,
    cluster: clusterId as ClusterId | '',
    configuration: {
      index: configurationIndex,
      configuration: {
        voters: header.voters as BrokerId[],
        outgoing: header.outgoing as BrokerId[],
        learners: header.learners as BrokerId[],
        joining: header.joining as BrokerId[],
      },
    },
  };
}
