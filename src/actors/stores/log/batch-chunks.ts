// The bytes of a batch as they are handed to the disk: payloads that are small are copied side by side; large ones are not.
import type { LogEntry } from '../log.ts';

/** Of one batch: fewer than what one writev takes. */
const CHUNKS_MAX = 1000;

/** To copy up to so many bytes costs less than one more chunk. */
const SMALL_BYTES = 1024;

let zeros = new Uint8Array(0);

/** The same ones for all: nobody writes to them. */
export function zeroBytes(length: number): Uint8Array {
  if (zeros.length < length) zeros = new Uint8Array(length);
  return zeros.subarray(0, length);
}

/** How many of them go into one batch, which may have so many bytes of payload: one in any case. */
export function fitting(
  writes: readonly { readonly entries: readonly LogEntry[]; readonly payloadBytes: number }[],
  bytesMax: number,
): { readonly count: number; readonly payloadBytes: number } {
  let count = 0;
  let payloadBytes = 0;
  let chunks = 0;
  for (const write of writes) {
    const fits = payloadBytes + write.payloadBytes <= bytesMax && chunks + write.entries.length <= CHUNKS_MAX;
    if (count > 0 && !fits) break;
    payloadBytes += write.payloadBytes;
    chunks += write.entries.length;
    count++;
  }
  return { count, payloadBytes };
}

/** The bytes of a batch in few chunks. */
export function sideBySide(
  head: Uint8Array,
  writes: readonly { readonly entries: readonly LogEntry[] }[],
): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let small: Uint8Array[] = [head];
  const flush = () => {
    const [first] = small;
    if (first === undefined) return;
    chunks.push(small.length === 1 ? first : concatenated(small));
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
