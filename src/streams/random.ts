// Chance, from a seed. The only source of it outside the port adapters.
import { assert } from '../core/assert.ts';

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [low, high]. */
  integer(low: number, high: number): number;
  /** An independent source, derived from this one's seed and `name`: what one consumer draws never shifts what another gets. */
  fork(name: string): Random;
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded by xmur3's mixing of the seed's text. */
export function createRandom(seed: number | string): Random {
  const text = String(seed);
  const word = hashWords(text);
  let a = word();
  let b = word();
  let c = word();
  let d = 1;

  function next32(): number {
    const sum = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  }
  for (let warmUp = 0; warmUp < 12; warmUp++) next32();

  return {
    next: () => next32() / 4294967296,
    integer(low, high) {
      assert(Number.isInteger(low) && Number.isInteger(high) && low <= high, 'integer() takes low <= high');
      return low + Math.floor((next32() / 4294967296) * (high - low + 1));
    },
    fork: (name) => createRandom(`${text}/${name}`),
  };
}

function hashWords(text: string): () => number {
  let hash = 1779033703 ^ text.length;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 3432918353);
    hash = (hash << 13) | (hash >>> 19);
  }
  return () => {
    hash = Math.imul(hash ^ (hash >>> 16), 2246822507);
    hash = Math.imul(hash ^ (hash >>> 13), 3266489909);
    hash ^= hash >>> 16;
    return hash >>> 0;
  };
}
