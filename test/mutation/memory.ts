// Which test noticed which mutant last, which is asked first the next time, and how long each test took. A cache, outside git; when it
// is lost or wrong, a run takes longer, and comes to the same end.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Memory {
  noticedBy(mutant: string): string | undefined;
  remember(mutant: string, test: string): void;
  /** 0: it was never run. */
  msOf(test: string): number;
  took(test: string, ms: number): void;
  save(): void;
}

interface Known {
  readonly noticed: Record<string, string>;
  readonly ms: Record<string, number>;
}

export function openMemory(file: string): Memory {
  const { noticed, ms } = read(file);
  return {
    noticedBy: (mutant) => noticed[mutant],
    remember(mutant, test) {
      noticed[mutant] = test;
    },
    msOf: (test) => ms[test] ?? 0,
    took(test, duration) {
      ms[test] = duration;
    },
    save() {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify({ noticed, ms } satisfies Known, null, 1));
    },
  };
}

function read(file: string): Known {
  try {
    const { noticed = {}, ms = {} } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Known>;
    return { noticed, ms };
  } catch {
    return { noticed: {}, ms: {} };
  }
}
