// Durations, sizes and addresses as people write them.
import { invalidArgument } from './errors.ts';
import type { Millis } from './ids.ts';

const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZES: Readonly<Record<string, number>> = { '': 1, B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** `500ms`, `1s`, `15m`, `2h`, `7d`. @throws VedetteError INVALID_ARGUMENT naming `field`. */
export function parseDuration(text: string, field: string): Millis {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const unit = DURATIONS[match?.[2] ?? ''];
  if (match === null || unit === undefined)
    throw invalidArgument(field, `--${field} ${JSON.stringify(text)} is no duration: write 500ms, 1s, 15m, 2h or 7d`);
  return Number(match[1]) * unit;
}

/** `512M`, `10G`, `4096`; powers of 1024. @throws VedetteError INVALID_ARGUMENT naming `field`. */
export function parseSize(text: string, field: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([BKMGT]?)(?:i?B)?$/.exec(text.trim());
  const unit = SIZES[match?.[2] ?? '-'];
  if (match === null || unit === undefined)
    throw invalidArgument(field, `--${field} ${JSON.stringify(text)} is no size: write 512M or 10G`);
  return Math.floor(Number(match[1]) * unit);
}

const SIZE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `12 bytes`, `1.5 KiB`, `256 MiB`. */
export function sizeText(bytes: number): string {
  let [scaled, unit] = [bytes, 0];
  while (scaled >= 1024 && unit < SIZE_UNITS.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${Number(scaled.toFixed(1))} ${SIZE_UNITS[unit]}`;
}

/** `host:port`, `[::1]:port`. @throws VedetteError INVALID_ARGUMENT naming `field`. */
export function parseAddress(text: string, field: string): string {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw invalidArgument(
      field,
      `--${field} ${JSON.stringify(text)} is no address: write host:port, for example 127.0.0.1:7411`,
    );
  return `${match[1]}:${port}`;
}

export function parseAddresses(text: string, field: string): string[] {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length === 0) throw invalidArgument(field, `--${field} names no address`);
  return parts.map((part) => parseAddress(part, field));
}

/** `a=host:port,b=host:port`. @throws VedetteError INVALID_ARGUMENT naming `field`. */
export function parsePeers(text: string, field: string): Record<string, string> {
  const peers: Record<string, string> = {};
  for (const part of text.split(',').filter((item) => item.trim() !== '')) {
    const equals = part.indexOf('=');
    if (equals <= 0) throw invalidArgument(field, `--${field}: ${JSON.stringify(part)} should be id=host:port`);
    const id = part.slice(0, equals).trim();
    if (Object.hasOwn(peers, id)) throw invalidArgument(field, `--${field} names ${id} twice`);
    peers[id] = parseAddress(part.slice(equals + 1), field);
  }
  const addresses = Object.values(peers);
  const twice = addresses.find((address, at) => addresses.indexOf(address) !== at);
  if (twice !== undefined) throw invalidArgument(field, `--${field} gives ${twice} to two brokers`);
  return peers;
}

export function parseCount(text: string, field: string, low: number, high: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < low || value > high)
    throw invalidArgument(field, `--${field} ${JSON.stringify(text)} must be a whole number from ${low} to ${high}`);
  return value;
}

/** @throws VedetteError INVALID_ARGUMENT naming `field`, and the nearest numbers that would do. */
export function parsePowerOfTwo(text: string, field: string, low: number, high: number): number {
  const value = parseCount(text, field, low, high);
  const below = 2 ** Math.floor(Math.log2(value));
  if (below === value) return value;
  throw invalidArgument(field, `--${field} ${value} is no power of two; the nearest are ${below} and ${below * 2}`);
}

/** The word of `known` that is fewest changes away (Levenshtein); undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
