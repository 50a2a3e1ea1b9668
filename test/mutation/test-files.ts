// Which tests may notice a change of a module: those that import it, directly or by way of others. Those that bear its name come first,
// then the near and quick ones.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

/** What a run of the tests costs, from cheap to dear. */
const ROOMS = ['test/unit', 'test/contract', 'test/sim', 'test/integration'];
/** Imports of types alone load nothing. */
const IMPORTS =
  /^(?:import|export)\s+(?!type\b)[^;'"]*?from\s*'(\.[^']+)'|^import\s*'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/gm;
/** They take long, or need servers: what only they notice is noticed too late. */
const LONG = /^\/\/ (?:watchdog|needs): /m;

interface TestFile {
  readonly file: string;
  readonly room: number;
  /** By its name: `raft-election.test.ts` is about `raft-machine.ts`. */
  readonly bearsName: boolean;
  /** How many imports lie between it and the module. */
  readonly distance: number;
}

/** @param msOf how long a test took last, 0 when nobody knows. */
export function createTestFinder(root: string, msOf: (test: string) => number): (module: string) => string[] {
  const imports = new Map<string, readonly string[]>();

  function importsOf(file: string): readonly string[] {
    let found = imports.get(file);
    if (found === undefined) {
      const text = readFileSync(join(root, file), 'utf8');
      found = [...text.matchAll(IMPORTS)]
        .map((match) => relative(root, join(root, dirname(file), match[1] ?? match[2] ?? match[3] ?? '')))
        .filter((target) => target.endsWith('.ts') && existsSync(join(root, target)));
      imports.set(file, found);
    }
    return found;
  }

  /** Null: it does not import it. */
  function distanceBetween(test: string, module: string): number | null {
    const seen = new Set([test]);
    let layer = [test];
    for (let distance = 0; layer.length > 0; distance++) {
      if (layer.includes(module)) return distance;
      layer = layer.flatMap(importsOf).filter((file) => !seen.has(file) && seen.add(file));
    }
    return null;
  }

  const tests = ROOMS.flatMap((directory, room) =>
    readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => ({ file: join(directory, name), room })),
  ).filter(({ file }) => !LONG.test(readFileSync(join(root, file), 'utf8')));

  return (module) => {
    const found: TestFile[] = [];
    const [name = ''] = basename(module).split(/[-.]/);
    for (const { file, room } of tests) {
      const distance = distanceBetween(file, module);
      if (distance !== null) found.push({ file, room, bearsName: basename(file).startsWith(name), distance });
    }
    const rank = (a: TestFile, b: TestFile) =>
      a.room - b.room ||
      Number(b.bearsName) - Number(a.bearsName) ||
      a.distance - b.distance ||
      msOf(a.file) - msOf(b.file);
    return found.sort((a, b) => rank(a, b) || (a.file < b.file ? -1 : 1)).map(({ file }) => file);
  };
}
