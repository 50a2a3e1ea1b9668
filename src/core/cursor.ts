// A cursor says how far a subscriber has come: {cluster, per shard the applied log index, control index}. Never a broker's own
// counter, so it is good on every broker, and after shards have moved. With it the time up to which all was delivered: what a gap
// is told by, and where a shard begins of which nothing was delivered yet.
//
//   base64url of | version u8 | cluster's hash u32 | control varint | covered ms varint | shards varint | index + 1 varint, per shard | crc u32 |
import { crc32c } from './crc32c.ts';
import { invalidArgument } from './errors.ts';
import { hash32 } from './hash.ts';
import type { ClusterId, LogIndex, Millis } from './ids.ts';

export interface Cursor {
  readonly control: LogIndex;
  /** Everything stamped before this was delivered, of the shards that have begun; ms since 1970. */
  readonly coveredMs: Millis;
  /** By shard: everything up to this entry was delivered, or NOT_BEGUN. */
  readonly shards: readonly LogIndex[];
}

/** Of this shard nothing was delivered yet: it begins at `coveredMs`. */
export const NOT_BEGUN = -1;

const VERSION = 1;
const VARINT_BYTES_MAX = 8;
/** | version | hash | … | crc |: what is there beside the varints. */
const FRAME_BYTES = 9;

/** Grows with the largest cluster seen; never read beyond what was just written. */
let scratch = new Uint8Array(1024);

export function encodeCursor(cluster: ClusterId, { control, coveredMs, shards }: Cursor): string {
  const room = FRAME_BYTES + VARINT_BYTES_MAX * (shards.length + 3);
  if (scratch.length < room) scratch = new Uint8Array(room * 2);
  scratch[0] = VERSION;
  writeUint32(scratch, 1, hash32(cluster));
  let at = writeVarint(scratch, 5, control);
  at = writeVarint(scratch, at, coveredMs);
  at = writeVarint(scratch, at, shards.length);
  for (const index of shards) at = writeVarint(scratch, at, index + 1);
  writeUint32(scratch, at, crc32c(scratch.subarray(0, at)));
  return toBase64Url(scratch, at + 4);
}

/** @throws VedetteError INVALID_ARGUMENT, field `cursor`: malformed, of another cluster, or of another number of shards. */
export function decodeCursor(text: string, cluster: ClusterId, shardCount: number): Cursor {
  const bytes = fromBase64Url(text);
  if (bytes === null || bytes.length < FRAME_BYTES + 3) throw malformed();
  const body = bytes.subarray(0, -4);
  if (crc32c(body) !== readUint32(bytes, bytes.length - 4)) throw malformed();
  if (body[0] !== VERSION)
    throw invalidArgument('cursor', `the cursor has version ${body[0]}; this broker reads ${VERSION}`);
  if (readUint32(body, 1) !== hash32(cluster)) throw invalidArgument('cursor', 'the cursor is of another cluster');
  const reader = { at: 5 };
  const control = readVarint(body, reader);
  const coveredMs = readVarint(body, reader);
  const count = readVarint(body, reader);
  if (count !== shardCount)
    throw invalidArgument('cursor', `the cursor is of a cluster with ${count} shards; this one has ${shardCount}`);
  const shards = Array.from({ length: count }, () => readVarint(body, reader) - 1);
  if (reader.at !== body.length) throw malformed();
  return { control, coveredMs, shards };
}

const malformed = () =>
  invalidArgument('cursor', 'the cursor is malformed: give it back as it was received, or leave it empty');

/** Returns where to go on. */
function writeVarint(bytes: Uint8Array, from: number, value: number): number {
  let rest = value;
  let at = from;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[at++] = rest;
  return at;
}

function readVarint(bytes: Uint8Array, reader: { at: number }): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
    const byte = bytes[reader.at++];
    if (byte === undefined) throw malformed();
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) throw malformed();
      return value;
    }
  }
  throw malformed();
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  for (let byte = 0; byte < 4; byte++) bytes[at + byte] = value >>> (8 * byte);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const DIGITS = new Int8Array(128).fill(-1);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;

function toBase64Url(bytes: Uint8Array, length: number): string {
  let text = '';
  for (let at = 0; at < length; at += 3) {
    const second = at + 1 < length ? (bytes[at + 1] ?? 0) : 0;
    const third = at + 2 < length ? (bytes[at + 2] ?? 0) : 0;
    const word = ((bytes[at] ?? 0) << 16) | (second << 8) | third;
    text += ALPHABET.charAt(word >>> 18) + ALPHABET.charAt((word >>> 12) & 63);
    if (at + 1 < length) text += ALPHABET.charAt((word >>> 6) & 63);
    if (at + 2 < length) text += ALPHABET.charAt(word & 63);
  }
  return text;
}

/** Null for what toBase64Url cannot have made: another alphabet, a length that cannot be, bits left over that are not zero. */
function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (let from = 0; from < text.length; from++) {
    const value = DIGITS[text.charCodeAt(from)] ?? -1;
    if (value < 0) return null;
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >>> bits) & 0xff;
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : null;
}
