// The charts of src/machines: whatever a module there exports that is one.
import { readdirSync, readFileSync } from 'node:fs';
import { join, parse } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AnyStateMachine, StateMachine } from 'xstate';
import type { Mutant, StateConfig } from './mutants.ts';

/** Where a chart is found: what a process needs to know in order to load it. */
export interface ChartPlace {
  /** From the root of the repository. */
  readonly file: string;
  readonly exported: string;
}

export interface Chart extends ChartPlace {
  readonly name: string;
  readonly config: StateConfig;
}

const DIRECTORY = 'src/machines';

export async function findCharts(root: string): Promise<Chart[]> {
  const files = readdirSync(join(root, DIRECTORY), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(DIRECTORY, name))
    .sort();
  const charts: Chart[] = [];
  for (const file of files) {
    const exports = (await import(pathToFileURL(join(root, file)).href)) as Readonly<Record<string, unknown>>;
    for (const [exported, machine] of Object.entries(exports))
      if (machine instanceof StateMachine)
        charts.push({ file, exported, name: parse(file).name, config: configOf(machine) });
  }
  return charts;
}

export const configOf = (machine: AnyStateMachine): StateConfig => machine.config as StateConfig;

/** The line of a mutant's place, or the nearest above it that is written out: keys are found by their names and indentation. */
export function lineOf(root: string, { file }: ChartPlace, { path, slot, key }: Mutant): number {
  const lines = readFileSync(join(root, file), 'utf8').split('\n');
  let at = lines.findIndex((line) => line.includes('createMachine('));
  const keys = [...path.flatMap((state) => ['states', state]), slot, ...(key === null ? [] : [key])];
  for (const name of keys) {
    const found = keyWithin(lines, at, name);
    if (found === null) break;
    at = found;
  }
  return at + 1;
}

const indentation = (line: string): number => line.length - line.trimStart().length;

/** The line of a key in the object that begins on line `from`. */
function keyWithin(lines: readonly string[], from: number, name: string): number | null {
  const outer = indentation(lines[from] ?? '');
  for (let at = from + 1; at < lines.length; at++) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    const depth = indentation(line);
    if (depth <= outer) return null;
    const text = line.trimStart();
    if (depth === outer + 2 && [`${name}:`, `'${name}':`].some((start) => text.startsWith(start))) return at;
  }
  return null;
}
