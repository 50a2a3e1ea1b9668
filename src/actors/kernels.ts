// What exists twice: in C++ when the addon was built, else in TypeScript. The same results, tested against each other.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { crc32c } from '../core/crc32c.ts';
import type { Crc32c } from '../core/log-format.ts';
import { packageRoot } from './package-root.ts';

export interface Kernels {
  readonly crc32c: Crc32c;
  readonly native: boolean;
}

/** See native/write_durably.cc. The list of chunks must not change until `done` is called, either. */
export type NativeWriteDurably = (
  descriptor: number,
  chunks: readonly Uint8Array[],
  position: number,
  done: (errno: number, step: number) => void,
) => void;

/** A call into the addon costs more than so few bytes. */
const NATIVE_FROM = 128;

interface Addon {
  crc32c(bytes: Uint8Array, seed: number): number;
  /** Not on every system. */
  writeDurably?: NativeWriteDurably;
}

function load(): Addon | null {
  if (process.env['VEDETTE_NATIVE'] === '0') return null;
  try {
    const path = fileURLToPath(new URL('dist/native/vedette.node', packageRoot));
    const addon: unknown = createRequire(import.meta.url)(path);
    return isAddon(addon) ? addon : null;
  } catch {
    // Set-up has said loudly that there is no compiler.
    return null;
  }
}

function dispatched(addon: Addon): Crc32c {
  return (bytes, seed = 0, from = 0, to = bytes.length) => {
    if (to - from < NATIVE_FROM) return crc32c(bytes, seed, from, to);
    return addon.crc32c(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), seed);
  };
}

function isAddon(value: unknown): value is Addon {
  return typeof value === 'object' && value !== null && 'crc32c' in value && typeof value.crc32c === 'function';
}

const addon = load();

export const kernels: Kernels =
  addon === null ? { crc32c, native: false } : { crc32c: dispatched(addon), native: true };

/** Null: two operations of the system do. */
export const nativeWriteDurably: NativeWriteDurably | null = addon?.writeDurably ?? null;
