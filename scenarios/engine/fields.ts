// How a scenario file's fields are read and written: each shape is described once, and serves both ways.
//
//   file ─▶ plain values ─▶ read ─▶ typed, whole, checked        typed ─▶ write ─▶ plain values, defaults left out
//
// What is wrong names its place (steps[2].target) and the nearest right word.
import type { Millis } from '../../src/core/ids.ts';
import { nearest, parseDuration } from '../../src/core/units.ts';

type Path = readonly (string | number)[];

/** Something in a file is not as it must be. */
export class FieldError extends Error {
  override readonly name = 'FieldError';
  readonly path: Path;

  constructor(path: Path, message: string) {
    super(message);
    this.path = path;
  }
}

/** `steps[2].target` */
export const pathText = (path: Path): string =>
  path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('');

export interface Codec<T> {
  /** @throws FieldError */
  read(value: unknown, path: Path): T;
  write(value: T): unknown;
}

export interface Field<T> {
  /** In the file. */
  readonly name: string;
  readonly codec: Codec<T>;
  /** Without it the field must be there. */
  readonly preset?: T;
}

export const field = <T>(name: string, codec: Codec<T>, preset?: T): Field<T> =>
  preset === undefined ? { name, codec } : { name, codec, preset };

const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);

/** A hint, when one of the words is meant. */
function didYouMean(word: string, words: readonly string[]): string {
  const near = nearest(word, words);
  return near === undefined ? `; there are ${words.join(', ')}` : `; did you mean ${near}?`;
}

function objectAt(value: unknown, path: Path): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FieldError(path, `names and values are expected, not ${shown(value)}`);
  return value as Readonly<Record<string, unknown>>;
}

/** @param others names that may be there besides. */
export function record<T extends object>(
  fields: { readonly [K in keyof T]-?: Field<T[K]> },
  others: readonly string[] = [],
): Codec<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<T[keyof T & string]>][];
  const names = [...entries.map(([, { name }]) => name), ...others];
  return {
    read(value, path) {
      const object = objectAt(value, path);
      for (const name of Object.keys(object))
        if (!names.includes(name)) throw new FieldError([...path, name], `unknown name${didYouMean(name, names)}`);
      const read: Partial<T> = {};
      for (const [key, { name, codec, preset }] of entries) {
        const given = object[name];
        if (given === undefined && preset === undefined) throw new FieldError([...path, name], 'is missing');
        read[key] = given === undefined ? preset : codec.read(given, [...path, name]);
      }
      return read as T;
    },
    write(value) {
      const plain: Record<string, unknown> = {};
      for (const [key, { name, codec, preset }] of entries) {
        const written = codec.write(value[key]);
        const isPreset = preset !== undefined && JSON.stringify(written) === JSON.stringify(codec.write(preset));
        if (!isPreset) plain[name] = written;
      }
      return plain;
    },
  };
}

export const number = (low: number, high: number): Codec<number> => ({
  read(value, path) {
    if (typeof value !== 'number' || !(value >= low && value <= high))
      throw new FieldError(path, `a number from ${low} to ${high} is expected, not ${shown(value)}`);
    return value;
  },
  write: (value) => value,
});

export const whole = (low: number, high: number): Codec<number> => ({
  read(value, path) {
    if (!Number.isInteger(value)) throw new FieldError(path, `a whole number is expected, not ${shown(value)}`);
    return number(low, high).read(value, path);
  },
  write: (value) => value,
});

/** Of something that happens or not. */
export const chance = number(0, 1);

export const flag: Codec<boolean> = {
  read(value, path) {
    if (typeof value !== 'boolean') throw new FieldError(path, `true or false is expected, not ${shown(value)}`);
    return value;
  },
  write: (value) => value,
};

/** `1.5s`, `20ms`. */
export const duration: Codec<Millis> = {
  read(value, path) {
    if (typeof value !== 'string')
      throw new FieldError(path, `a duration such as 500ms or 2s is expected, not ${shown(value)}`);
    try {
      return parseDuration(value, '');
    } catch {
      throw new FieldError(path, `${shown(value)} is no duration: write 500ms, 1s, 15m, 2h or 7d`);
    }
  },
  write: (value) => (value !== 0 && value % 1000 === 0 ? `${value / 1000}s` : `${value}ms`),
};

/** The same, forward or back: `-30s`. */
export const signedDuration: Codec<Millis> = {
  read(value, path) {
    const isBack = typeof value === 'string' && value.startsWith('-');
    const length = duration.read(isBack ? value.slice(1) : value, path);
    return isBack && length > 0 ? -length : length;
  },
  write: (value) => `${value < 0 ? '-' : ''}${String(duration.write(Math.abs(value)))}`,
};

/** Text that means something: `parse` answers undefined when it means nothing, `format` turns it back. */
export const text = <T>(
  what: string,
  parse: (text: string) => T | undefined,
  format: (value: T) => string,
  words: readonly string[] = [],
): Codec<T> => ({
  read(value, path) {
    const given = typeof value === 'number' ? String(value) : value;
    const parsed = typeof given === 'string' ? parse(given) : undefined;
    if (parsed === undefined) {
      const hint = words.length > 0 && typeof given === 'string' ? didYouMean(given, words) : '';
      throw new FieldError(path, `${shown(value)} is no ${what}${hint}`);
    }
    return parsed;
  },
  write: format,
});

export const oneOf = <T extends string>(what: string, words: readonly T[]): Codec<T> =>
  text(
    what,
    (given) => words.find((word) => word === given),
    (word) => word,
    words,
  );

export const list = <T>(item: Codec<T>): Codec<readonly T[]> => ({
  read(value, path) {
    if (!Array.isArray(value)) throw new FieldError(path, `a list is expected, not ${shown(value)}`);
    return value.map((each: unknown, at) => item.read(each, [...path, at]));
  },
  write: (values) => values.map((value) => item.write(value)),
});

/** One, or a list of several. */
export const oneOrMore = <T>(item: Codec<T>): Codec<readonly T[]> => ({
  read: (value, path) => (Array.isArray(value) ? list(item).read(value, path) : [item.read(value, path)]),
  write: (values) =>
    values.length === 1 && values[0] !== undefined ? item.write(values[0]) : list(item).write(values),
});

export const orNull = <T>(codec: Codec<T>): Codec<T | null> => ({
  read: (value, path) => (value === null ? null : codec.read(value, path)),
  write: (value) => (value === null ? null : codec.write(value)),
});
