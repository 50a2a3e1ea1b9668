// Where a process's output goes: a file that does not grow for ever. What the disk does not take is left out, and counted in the file
// itself as soon as it takes something again; the process that writes is not held up by it.
//
//   NAME.log      grows up to the limit, then becomes
//   NAME.log.1    in place of the one before it
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { sizeText } from '../../core/units.ts';

export interface LogFile {
  write(chunk: Uint8Array): void;
  close(): void;
}

/** Goes on where an earlier run ended. @param bytesMax of one file; there are at most two. */
export function openLogFile(path: string, bytesMax: number): LogFile {
  let descriptor: number | null = null;
  let size = 0;
  let lost = 0;

  function append(chunk: Uint8Array): void {
    if (descriptor === null) {
      descriptor = openSync(path, 'a', 0o644);
      size = fstatSync(descriptor).size;
    }
    if (size > 0 && size + chunk.length > bytesMax) {
      close();
      renameSync(path, `${path}.1`);
      append(chunk);
      return;
    }
    size += writeSync(descriptor, chunk);
  }

  function close(): void {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  }

  return {
    write(chunk) {
      try {
        if (lost > 0) append(new TextEncoder().encode(`… ${sizeText(lost)} could not be written …\n`));
        lost = 0;
        append(chunk);
      } catch {
        lost += chunk.length;
      }
    },
    close,
  };
}
