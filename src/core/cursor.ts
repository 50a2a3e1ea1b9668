// A cursor says how far a subscriber has come: {cluster, per shard the applied log index, control index}. Never a broker's own
// counter, so it is good on every broker, and after shards have moved.
//
//   base64url of | version u8 | cluster's hash u32 | control varint | shards varint | index varint, per shard | crc u32 |
import { crc32c } from './crc32c.ts';
import { invalidArgument } from './errors.ts';
import { hash32 } from './hash.ts';
import type { ClusterId, LogIndex } from './ids.ts';

export interface Cursor {
  readonly control: LogIndex;
  /** By shard: everything up to this entry has been delivered. */
  readonly shards: readonly LogIndex[];
}

const VERSION = 1;

export function encodeCursor(cluster: ClusterId, { control, shards }: Cursor): string {
  const bytes: number[] = [VERSION];
  const hash = hash32(cluster);
  for (let shift = 0; shift < 32; shift += 8) bytes.push((hash >>> shift) & 0xff);
  pushVarint(bytes, control);
  pushVarint(bytes, shards.length);
  for (const index of shards) pushVarint(bytes, index);
  const crc = crc32c(Uint8Array.from(bytes));
  for (let shift = 0; shift < 32; shift += 8) bytes.push((crc >>> shift) & 0xff);
  return toBase64Url(Uint8Array.from(bytes));
}

/** @throws VedetteError INVALID_ARGUMENT, field `cursor`: malformed, of another cluster, or of another number of shards. */
export function decodeCursor(text: string, cluster: ClusterId, shardCount: number): Cursor {
  const bytes = fromBase64Url(text);
  if (bytes === null || bytes.length < 11) throw malformed();
  const body = bytes.subarray(0, -4);
  if (crc32c(body) !== readUint32(bytes, bytes.length - 4)) throw malformed();
  if (body[0] !== VERSION)
    throw invalidArgument('cursor', `the cursor has version ${body[0]}; this broker reads ${VERSION}`);
  if (readUint32(body, 1) !== hash32(cluster)) throw invalidArgument('cursor', 'the cursor is of another cluster');
  const reader = { at: 5 };
  const control = readVarint(body, reader);
  const count = readVarint(body, reader);
  if (count !== shardCount)
    throw invalidArgument('cursor', `the cursor is of a cluster with ${count} shards; this one has ${shardCount}`);
  const shards = Array.from({ length: count }, () => readVarint(body, reader));
  return { control, shards };
}

const malformed = () =>
  invalidArgument('cursor', 'the cursor is malformed: give it back as it was received, or leave it empty');

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

function readVarint(bytes: Uint8Array, reader: { at: number }): number {
  let value = 0;
  for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
    const byte = bytes[reader.at++];
    if (byte === undefined) throw malformed();
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  throw malformed();
}

function readUint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const word = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const digits = Math.min(4, bytes.length - at + 1);
    for (let digit = 0; digit < digits; digit++) text += ALPHABET[(word >>> (18 - 6 * digit)) & 63];
  }
  return text;
}

function fromBase64Url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >>> bits) & 0xff;
    }
  }
  return bytes;
}
