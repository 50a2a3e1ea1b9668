// A file in memory: where a store keeps what the disk does not take just now.
import type { DiskFile } from './disk.ts';

export function createMemoryFile(): Pick<DiskFile, 'readSync' | 'writeSync'> {
  let bytes = new Uint8Array(0);
  let length = 0;
  return {
    readSync: (position, most) => bytes.slice(position, Math.min(length, position + most)),
    writeSync(chunk, position) {
      const end = position + chunk.length;
      if (end > bytes.length) {
        const larger = new Uint8Array(Math.max(end, 2 * bytes.length));
        larger.set(bytes.subarray(0, length));
        bytes = larger;
      }
      bytes.set(chunk, position);
      length = Math.max(length, end);
    },
  };
}
