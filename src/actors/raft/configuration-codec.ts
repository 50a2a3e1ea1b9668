// Who belongs to a group, as the payload of an entry: a byte for the format, then a RaftConfiguration.
import { assert } from '../../core/assert.ts';
import type { BrokerId } from '../../core/ids.ts';
import { vedette } from '../../core/proto.ts';
import type { Configuration } from '../../machines/raft/membership.ts';

const FORMAT = 1;

export function encodeConfiguration({ voters, outgoing, learners, joining }: Configuration): Uint8Array {
  const message = vedette.v1.RaftConfiguration.encode({
    voters: [...voters],
    outgoing: [...outgoing],
    learners: [...learners],
    joining: [...joining],
  }).finish();
  const bytes = new Uint8Array(1 + message.length);
  bytes[0] = FORMAT;
  bytes.set(message, 1);
  return bytes;
}

/** @throws AssertionError for another format: one that was agreed on and cannot be read is corruption, or a newer version's. */
export function decodeConfiguration(payload: Uint8Array): Configuration {
  assert(payload[0] === FORMAT, () => `a configuration of format ${payload[0]}; this version reads ${FORMAT}`);
  const { voters, outgoing, learners, joining } = vedette.v1.RaftConfiguration.decode(payload.subarray(1));
  return {
    voters: voters as BrokerId[],
    outgoing: outgoing as BrokerId[],
    learners: learners as BrokerId[],
    joining: joining as BrokerId[],
  };
}
