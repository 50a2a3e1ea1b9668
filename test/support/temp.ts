// Directories for tests, removed when the process ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];
process.on('exit', () => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function tempDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `vedette-${name}-`));
  made.push(path);
  return path;
}
