// The file of a snapshot: a header, the state in chunks, and an end that vouches for all of it. Little-endian.
//
//   | "VSNP" | format u32 | header bytes u32 | crc u32 | header (a SnapshotHeader) |
//   | bytes u32 | crc u32 | chunk |   …
//   | 0xFFFFFFFF | chunks u32 | crc of all frames u32 | crc of these 12 bytes u32 |
//
// Invariants
//   1. No byte is taken that a checksum does not cover: the header's covers its frame, a chunk's its bytes, the end's the frames of
//      all chunks in their order, and so their number, lengths and checksums.
//   2. A file without its end was not finished, whatever is in it.
import type { Crc32c } from './log-format.ts';

const MAGIC = 0x504e5356;
const FORMAT = 1;
export const PREAMBLE_BYTES = 16;
export const FRAME_BYTES = 8;
export const END_BYTES = 16;
const END_MARK = 0xffff_ffff;
/** A header longer than this is none. */
const HEADER_BYTES_MAX = 64 * 1024;

export interface ChunkFrame {
  readonly bytes: number;
  readonly crc: number;
}

export function encodePreamble(header: Uint8Array, crc32c: Crc32c): Uint8Array {
  const bytes = new Uint8Array(PREAMBLE_BYTES + header.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, FORMAT, true);
  view.setUint32(8, header.length, true);
  bytes.set(header, PREAMBLE_BYTES);
  view.setUint32(12, crc32c(header, crc32c(bytes.subarray(0, 12))), true);
  return bytes;
}

export type Preamble =
  | { readonly verdict: 'good'; readonly header: Uint8Array; readonly end: number }
  | { readonly verdict: 'damaged' }
  | { readonly verdict: 'newer'; readonly format: number };

/** @param bytes the beginning of a file: as much as PREAMBLE_BYTES and the header, or all there is. */
export function decodePreamble(bytes: Uint8Array, crc32c: Crc32c): Preamble {
  const length = headerBytes(bytes);
  if (length === null || bytes.length < PREAMBLE_BYTES + length) return { verdict: 'damaged' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = bytes.slice(PREAMBLE_BYTES, PREAMBLE_BYTES + length);
  if (crc32c(header, crc32c(bytes.subarray(0, 12))) !== view.getUint32(12, true)) return { verdict: 'damaged' };
  const format = view.getUint32(4, true);
  if (format > FORMAT) return { verdict: 'newer', format };
  return { verdict: 'good', header, end: PREAMBLE_BYTES + length };
}

/** How long the header is; null when this is no beginning of a snapshot. */
export function headerBytes(bytes: Uint8Array): number | null {
  if (bytes.length < PREAMBLE_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(8, true);
  return view.getUint32(0, true) === MAGIC && length <= HEADER_BYTES_MAX ? length : null;
}

export function encodeFrame({ bytes, crc }: ChunkFrame): Uint8Array {
  const encoded = new Uint8Array(FRAME_BYTES);
  const view = new DataView(encoded.buffer);
  view.setUint32(0, bytes, true);
  view.setUint32(4, crc, true);
  return encoded;
}

/** Null: these bytes are not a chunk's; the end, or damage. */
export function decodeFrame(encoded: Uint8Array): ChunkFrame | null {
  if (encoded.length < FRAME_BYTES) return null;
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const bytes = view.getUint32(0, true);
  return bytes === END_MARK ? null : { bytes, crc: view.getUint32(4, true) };
}

/** @param framesCrc over the frames of all chunks, in their order. */
export function encodeEnd(chunks: number, framesCrc: number, crc32c: Crc32c): Uint8Array {
  const bytes = new Uint8Array(END_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, END_MARK, true);
  view.setUint32(4, chunks, true);
  view.setUint32(8, framesCrc, true);
  view.setUint32(12, crc32c(bytes.subarray(0, 12)), true);
  return bytes;
}

/** Does this end vouch for the frames that came before it? */
export function endsWell(bytes: Uint8Array, chunks: number, framesCrc: number, crc32c: Crc32c): boolean {
  const expected = encodeEnd(chunks, framesCrc, crc32c);
  return bytes.length === END_BYTES && bytes.every((byte, at) => byte === expected[at]);
}
