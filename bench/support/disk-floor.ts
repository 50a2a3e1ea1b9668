// What the disk can do: one writer that appends to zeros written ahead and syncs each time.
import * as fs from 'node:fs';

/** Milliseconds of each write of `bytes` with its fdatasync, one after another, for `forMs`. */
export function syncFloor(directory: string, bytes: number, forMs: number): number[] {
  const path = `${directory}/floor`;
  const file = fs.openSync(path, 'w');
  const room = 64 * 1024 * 1024;
  fs.writeSync(file, Buffer.alloc(room));
  fs.fsyncSync(file);
  const content = Buffer.alloc(bytes, 'x');
  const taken: number[] = [];
  const began = performance.now();
  for (let at = 0, before = began; before - began < forMs; at = (at + bytes) % (room - bytes)) {
    fs.writeSync(file, content, 0, bytes, at);
    fs.fdatasyncSync(file);
    const now = performance.now();
    taken.push(now - before);
    before = now;
  }
  fs.closeSync(file);
  fs.unlinkSync(path);
  return taken;
}
