// Load: so many at once, each asking again when its last was answered.
import { now } from './figures.ts';

/** @returns milliseconds of each that succeeded. @throws when one fails. */
export async function inFlight(count: number, forMs: number, ask: () => Promise<boolean>): Promise<number[]> {
  const taken: number[] = [];
  const began = now();
  const one = async (): Promise<void> => {
    for (let before = now(); before - began < forMs; before = now()) {
      if (!(await ask())) throw new Error('a proposal was not applied');
      taken.push(now() - before);
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return taken;
}
