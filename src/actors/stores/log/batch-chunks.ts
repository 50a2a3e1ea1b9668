// The bytes of a batch as they are handed to the disk: payloads that are small are copied side by side; large ones are not.
import type { LogEntry } from '../log.ts';

/** To copy up to so many bytes costs less than one more chunk. */
const SMALL_BYTES = 1024;

let zeros = new Uint8Array(0);

/** The same ones for all: nobody writes to them. */
export function zeroBytes(length: number): Uint8Array {
  if (zeros.length < length) zeros = new Uint8Array(length);
  return zeros.subarray(0, length);
}

/** The bytes of a batch in few chunks. */
export function sideBySide(
  head: Uint8Array,
  writes: readonly { readonly entries: readonly LogEntry[] }[],
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let small: Uint8Array[] = [head];
  const flush = () => {
    if (small.length === 1) chunks.push(...small);
    else if (small.length > 1) chunks.push(concatenated(small));
    small = [];
  };
  for (const { entries } of writes) {
    for (const { payload } of entries) {
      if (payload.length <= SMALL_BYTES) small.push(payload);
      else {
        flush();
        chunks.push(payload);
      }
    }
  }
  flush();
  return chunks;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
