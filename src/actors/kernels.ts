// The inner loops that exist twice: in C++ when the addon was built, else in TypeScript. The same results, tested against each other.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { crc32c } from '../core/crc32c.ts';

export interface Kernels {
  /** @param seed the checksum of what comes before. */
  readonly crc32c: (bytes: Uint8Array, seed?: number) => number;
  readonly native: boolean;
}

const portable: Kernels = { crc32c, native: false };

function load(): Kernels {
  if (process.env['VEDETTE_NATIVE'] === '0') return portable;
  try {
    // From src/actors and from dist/actors alike.
    const path = fileURLToPath(new URL('../../dist/native/vedette.node', import.meta.url));
    const addon: unknown = createRequire(import.meta.url)(path);
    return isAddon(addon) ? { crc32c: (bytes, seed = 0) => addon.crc32c(bytes, seed), native: true } : portable;
  } catch {
    // Set-up has said loudly that there is no compiler.
    return portable;
  }
}

function isAddon(value: unknown): value is { crc32c(bytes: Uint8Array, seed: number): number } {
  return typeof value === 'object' && value !== null && 'crc32c' in value && typeof value.crc32c === 'function';
}

export const kernels: Kernels = load();
