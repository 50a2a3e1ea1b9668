// Which test noticed which mutant last: it is asked first the next time. A cache, outside git; when it is lost or wrong, a run takes
// longer, and comes to the same end.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Memory {
  killerOf(mutant: string): string | undefined;
  remember(mutant: string, test: string): void;
  save(): void;
}

export function openMemory(file: string): Memory {
  const known = new Map<string, string>(Object.entries(read(file)));
  return {
    killerOf: (mutant) => known.get(mutant),
    remember: (mutant, test) => void known.set(mutant, test),
    save() {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify(Object.fromEntries(known), null, 1));
    },
  };
}

function read(file: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}
