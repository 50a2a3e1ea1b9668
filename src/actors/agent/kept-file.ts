// A file of /proc, opened once and read again and again: each read of such a file makes its text anew, and keeping the
// descriptor saves the path walk (6 µs instead of 20).
import { closeSync, openSync, readSync } from 'node:fs';

export interface KeptFile {
  /** The file's text now; '' when it is not there or cannot be read. */
  read(): string;
  close(): void;
}

const INITIAL_BYTES = 16 * 1024;
const BYTES_MAX = 4 * 1024 * 1024;

export function keepFile(path: string): KeptFile {
  let descriptor = open(path);
  let buffer = Buffer.allocUnsafe(INITIAL_BYTES);

  function readOnce(from: number): string {
    let length = 0;
    for (;;) {
      const read = readSync(from, buffer, length, buffer.length - length, length);
      if (read === 0) return buffer.toString('utf8', 0, length);
      length += read;
      if (length < buffer.length) continue;
      if (buffer.length >= BYTES_MAX) return buffer.toString('utf8', 0, length);
      const larger = Buffer.allocUnsafe(buffer.length * 2);
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
  }

  return {
    read() {
      if (descriptor === null) descriptor = open(path);
      if (descriptor === null) return '';
      try {
        return readOnce(descriptor);
      } catch {
        // The file went away under us (a hidden /proc, a namespace that ended): try to open it afresh next time.
        closeSync(descriptor);
        descriptor = null;
        return '';
      }
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}

function open(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch {
    return null;
  }
}
