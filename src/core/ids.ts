// Names of things. A branded string cannot be passed where another kind is wanted; the parsers are the only way to make one
// from outside input, so whatever carries the brand has been checked.
import { invalidArgument } from './errors.ts';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** A broker's name, unique in its cluster. */
export type BrokerId = Branded<'BrokerId'>;
/** A host's name, unique in its cluster. */
export type HostId = Branded<'HostId'>;
/** One start of an agent process. */
export type AgentId = Branded<'AgentId'>;
/** Minted once, by the first leader of the control group. */
export type ClusterId = Branded<'ClusterId'>;

/** A Raft group: the control group, or a shard's (shards count from 0). */
export type GroupId = 'control' | `shard-${number}`;
/** A shard's number, from 0. */
export type ShardId = number;

/** Raft's logical time, from 1; 0 is before the first election. */
export type Term = number;
/** A position in a group's log, from 1; 0 is before the first entry. */
export type LogIndex = number;
/** Milliseconds. Whether since 1970 or by a monotonic clock is the name's or the comment's to say. */
export type Millis = number;

const NAME = /^[A-Za-z0-9._:\-@/]+$/;
const NAME_BYTES_MAX = 128;

function parseName(text: string, field: string, what: string): string {
  if (text.length === 0) throw invalidArgument(field, `${what} is empty`);
  if (text.length > NAME_BYTES_MAX) {
    throw invalidArgument(field, `${what} has ${text.length} characters; at most ${NAME_BYTES_MAX} are allowed`);
  }
  if (!NAME.test(text)) {
    throw invalidArgument(field, `${what} ${JSON.stringify(text)} may hold only letters, digits and . _ : - @ /`);
  }
  return text;
}

/** @throws VedetteError INVALID_ARGUMENT, naming `field`. */
export function parseHostId(text: string, field = 'host_id'): HostId {
  return parseName(text, field, 'host id') as HostId;
}

/** @throws VedetteError INVALID_ARGUMENT, naming `field`. */
export function parseBrokerId(text: string, field = 'broker_id'): BrokerId {
  return parseName(text, field, 'broker id') as BrokerId;
}

/** The group that holds a shard's log. */
export function shardGroup(shard: ShardId): GroupId {
  return `shard-${shard}`;
}

/** A group's number on the wire and on disk: 0 is control, n is shard n - 1. */
export function groupNumber(group: GroupId): number {
  return group === 'control' ? 0 : Number(group.slice('shard-'.length)) + 1;
}

/** The inverse of {@link groupNumber}. */
export function groupFromNumber(number: number): GroupId {
  return number === 0 ? 'control' : `shard-${number - 1}`;
}
