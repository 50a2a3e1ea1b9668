// Frames that carry log entries, written into one buffer of the right size: the generated encoder does not know a message's length
// before it has written it, and moves every payload once more for each message around it. Byte for byte the same as it.
//
//   frame { raft { message { group, term, append { previous, …, entry { term, kind, payload }, … } }, … } }
import { vedette } from '../../core/proto.ts';

type Message = vedette.v1.IRaftMessage;
type Append = vedette.v1.IAppendEntries;
type Entry = vedette.v1.IRaftEntry;

const { PeerFrame, RaftMessage } = vedette.v1;
/** Field numbers with their wire types, as proto/vedette/v1/peer.proto has them. */
const RAFT = (3 << 3) | 2;
const MESSAGE = (1 << 3) | 2;
const NUMBER = { first: 1 << 3, second: 2 << 3, third: 3 << 3 } as const;
const APPEND = (5 << 3) | 2;
const ENTRY = (4 << 3) | 2;
const PAYLOAD = (3 << 3) | 2;

/** What one message takes: an append by the sizes of its parts, any other as it was encoded. */
type Plan =
  | { readonly bytes: number; readonly encoded: Uint8Array }
  | {
      readonly bytes: number;
      readonly encoded: null;
      readonly message: Message;
      readonly append: Append;
      readonly appendBytes: number;
    };

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Zeros are not written. */
const numberBytes = (value: number | null | undefined): number => (value ? 1 + varintBytes(value) : 0);
const delimitedBytes = (bytes: number): number => 1 + varintBytes(bytes) + bytes;

function entryBytes({ term, kind, payload }: Entry): number {
  const length = payload?.length ?? 0;
  return numberBytes(term) + numberBytes(kind) + (length === 0 ? 0 : delimitedBytes(length));
}

function planOf(message: Message): Plan {
  const append = message.appendEntries;
  if (!append) {
    const encoded = RaftMessage.encode(message).finish(true);
    return { bytes: encoded.length, encoded };
  }
  let appendBytes = numberBytes(append.prevIndex) + numberBytes(append.prevTerm) + numberBytes(append.commit);
  for (const entry of append.entries ?? []) appendBytes += delimitedBytes(entryBytes(entry));
  const bytes = numberBytes(message.group) + numberBytes(message.term) + delimitedBytes(appendBytes);
  return { bytes, encoded: null, message, append, appendBytes };
}

export function encodePeerFrame(frame: vedette.v1.IPeerFrame): Buffer {
  const messages = frame.raft?.messages;
  if (!messages?.some(({ appendEntries }) => (appendEntries?.entries?.length ?? 0) > 0)) {
    const plain = PeerFrame.encode(frame).finish(true);
    return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  }
  const plans = messages.map(planOf);
  let raftBytes = 0;
  for (const { bytes } of plans) raftBytes += delimitedBytes(bytes);
  const buffer = Buffer.allocUnsafe(delimitedBytes(raftBytes));
  let at = writeHead(buffer, 0, RAFT, raftBytes);
  for (const plan of plans) {
    at = writeHead(buffer, at, MESSAGE, plan.bytes);
    if (plan.encoded === null) at = writeAppend(buffer, at, plan);
    else at = writeBytes(buffer, at, plan.encoded);
  }
  return buffer;
}

function writeAppend(buffer: Buffer, from: number, plan: Extract<Plan, { encoded: null }>): number {
  const { message, append, appendBytes } = plan;
  let at = writeNumber(buffer, from, NUMBER.first, message.group);
  at = writeNumber(buffer, at, NUMBER.second, message.term);
  at = writeHead(buffer, at, APPEND, appendBytes);
  at = writeNumber(buffer, at, NUMBER.first, append.prevIndex);
  at = writeNumber(buffer, at, NUMBER.second, append.prevTerm);
  at = writeNumber(buffer, at, NUMBER.third, append.commit);
  for (const entry of append.entries ?? []) {
    at = writeHead(buffer, at, ENTRY, entryBytes(entry));
    at = writeNumber(buffer, at, NUMBER.first, entry.term);
    at = writeNumber(buffer, at, NUMBER.second, entry.kind);
    const payload = entry.payload;
    if (payload && payload.length > 0) at = writeBytes(buffer, writeHead(buffer, at, PAYLOAD, payload.length), payload);
  }
  return at;
}

function writeVarint(buffer: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) buffer[at++] = (rest % 128) | 128;
  buffer[at++] = rest;
  return at;
}

function writeNumber(buffer: Buffer, at: number, field: number, value: number | null | undefined): number {
  if (!value) return at;
  buffer[at] = field;
  return writeVarint(buffer, at + 1, value);
}

function writeHead(buffer: Buffer, at: number, field: number, bytes: number): number {
  buffer[at] = field;
  return writeVarint(buffer, at + 1, bytes);
}

function writeBytes(buffer: Buffer, at: number, bytes: Uint8Array): number {
  buffer.set(bytes, at);
  return at + bytes.length;
}
