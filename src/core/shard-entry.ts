// Entries of a shard's log: | format version (1 byte) | ShardEntry |.
import { assert } from './assert.ts';
import type { HostChange, HostState } from './frame.ts';
import type { HostId } from './ids.ts';
import { vedette } from './proto.ts';

const SHARD_ENTRY_FORMAT = 1;

export function encodeShardEntry(entry: vedette.v1.IShardEntry): Uint8Array {
  const message = vedette.v1.ShardEntry.encode(entry).finish();
  const bytes = new Uint8Array(1 + message.length);
  bytes[0] = SHARD_ENTRY_FORMAT;
  bytes.set(message, 1);
  return bytes;
}

/** @throws AssertionError on another format: a committed entry that cannot be read is corruption, or a newer version's. */
export function decodeShardEntry(payload: Uint8Array): vedette.v1.ShardEntry {
  assert(
    payload[0] === SHARD_ENTRY_FORMAT,
    () => `an entry of format ${payload[0]}; this version reads ${SHARD_ENTRY_FORMAT}`,
  );
  return vedette.v1.ShardEntry.decode(payload.subarray(1));
}

const STATES: ReadonlySet<string> = new Set<HostState>(['unseen', 'online', 'suspect', 'offline', 'stale', 'retired']);

function isHostState(text: string): text is HostState {
  return STATES.has(text);
}

export function hostFromProto(change: vedette.v1.IHostChange): HostChange {
  const state = change.state ?? '';
  assert(isHostState(state), () => `${JSON.stringify(state)} is no state of a host`);
  return {
    host: (change.hostId ?? '') as HostId,
    state,
    labels: change.labels ?? {},
    firstSeenMs: change.firstSeenMs ?? 0,
    lastSeenMs: change.lastSeenMs ?? 0,
    clockSkewMs: change.clockSkewMs ?? 0,
    ...(change.stateKept === true ? { stateKept: true } : {}),
  };
}

export function hostToProto(change: HostChange): vedette.v1.IHostChange {
  const { host, state, labels, firstSeenMs, lastSeenMs, clockSkewMs, stateKept = false } = change;
  return { hostId: host, state, labels: { ...labels }, firstSeenMs, lastSeenMs, clockSkewMs, stateKept };
}
