// What a snapshot says of itself, as bytes.
import { type BrokerId, type ClusterId, groupFromNumber, groupNumber } from '../../../core/ids.ts';
import { vedette } from '../../../core/proto.ts';
import type { SnapshotMeta } from '../snapshots.ts';

export function encodeHeader({ group, index, term, cluster, configuration }: SnapshotMeta): Uint8Array {
  const { voters, outgoing, learners } = configuration;
  return vedette.v1.SnapshotHeader.encode({
    group: groupNumber(group),
    index,
    term,
    clusterId: cluster,
    voters: [...voters],
    outgoing: [...outgoing],
    learners: [...learners],
  }).finish();
}

/** @throws Error on bytes that are no header: to be called behind a checksum, or where that is handled. */
export function decodeHeader(bytes: Uint8Array): SnapshotMeta {
  const { group, index, term, clusterId, voters, outgoing, learners } = vedette.v1.SnapshotHeader.decode(bytes);
  return {
    group: groupFromNumber(group),
    index,
    term,
    cluster: clusterId as ClusterId | '',
    configuration: {
      voters: voters as BrokerId[],
      outgoing: outgoing as BrokerId[],
      learners: learners as BrokerId[],
    },
  };
}
