// Flags as data: each has a line of help, an environment variable, and a place in the configuration file. A flag wins over the
// variable, the variable over the file, the file over the default.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import type { parse } from 'yaml';
import { describeError, invalidArgument } from '../core/errors.ts';
import { nearest } from '../core/units.ts';

export interface Flag {
  readonly help: string;
  /** What it takes, for the help: ADDR, N, DIR … Absent: a switch. */
  readonly value?: string;
  readonly default?: string;
  readonly required?: boolean;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Words after the command, for the help. */
  readonly words?: string;
  readonly flags: Flags;
  /** Returns the exit code, or never while it runs. */
  readonly run: (values: Values) => Promise<number>;
}

export interface Values {
  readonly words: readonly string[];
  /** The flag's text. @throws VedetteError when it was declared neither required nor with a default, and was not given. */
  text(name: string): string;
  optional(name: string): string | undefined;
  switch(name: string): boolean;
}

const COMMON: Flags = {
  config: { value: 'FILE', help: 'YAML with the same names as the flags' },
  help: { help: 'show this' },
};

const environmentName = (flag: string): string => `VEDETTE_${flag.toUpperCase().replaceAll('-', '_')}`;

/** @throws VedetteError INVALID_ARGUMENT: an unknown flag (with the nearest right one), a missing value, a bad file. */
export function parseFlags(command: Command, args: readonly string[], environment: NodeJS.ProcessEnv): Values {
  const flags: Flags = { ...command.flags, ...COMMON };
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { value }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(name === 'help' ? { short: 'h' } : {}),
      },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, string>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (flag === undefined) throw unknownFlag(token.rawName, Object.keys(flags), command.name);
    // `--id --grpc ADDR` is a value forgotten; one that does begin with dashes is written --id=--x.
    const isNextFlag = token.inlineValue !== true && token.value?.startsWith('--') === true;
    if (flag.value !== undefined && (token.value === undefined || token.value === '' || isNextFlag)) {
      throw invalidArgument(token.name, `--${token.name} needs a value: --${token.name} ${flag.value}`);
    }
    if (flag.value === undefined && token.value !== undefined)
      throw invalidArgument(token.name, `--${token.name} takes no value`);
    given.set(token.name, token.value ?? 'true');
  }
  if (words.length > 0 && command.words === undefined)
    throw invalidArgument('words', `vedette ${command.name} takes no ${JSON.stringify(words[0])}; flags begin with --`);
  const file = readConfig(given.get('config') ?? environment[environmentName('config')], flags);

  function find(name: string): string | undefined {
    return given.get(name) ?? fromEnvironment(name, environment) ?? file.get(name) ?? flags[name]?.default;
  }
  if (!given.has('help')) {
    for (const [name, flag] of Object.entries(flags)) {
      if (flag.required === true && find(name) === undefined) {
        throw invalidArgument(name, `vedette ${command.name} needs --${name} ${flag.value ?? ''}`.trim());
      }
    }
  }
  return {
    words,
    text(name) {
      const value = find(name);
      if (value === undefined) throw invalidArgument(name, `--${name} is missing`);
      return value;
    },
    optional: find,
    switch(name) {
      const value = find(name) ?? 'false';
      const at = ['false', '0', 'no', 'true', '1', 'yes'].indexOf(value.toLowerCase());
      if (at < 0)
        throw invalidArgument(name, `--${name} is a switch: ${JSON.stringify(value)} is neither true nor false`);
      return at >= 3;
    },
  };
}

function unknownFlag(raw: string, known: readonly string[], command: string) {
  const near = nearest(raw.replace(/^-+/, ''), known);
  const hint = near === undefined ? `vedette ${command} --help lists them` : `did you mean --${near}?`;
  return invalidArgument(raw, `unknown flag ${raw}; ${hint}`);
}

/** `VEDETTE_X`, or the content of the file that `VEDETTE_X_FILE` names. */
function fromEnvironment(flag: string, environment: NodeJS.ProcessEnv): string | undefined {
  const name = environmentName(flag);
  const direct = environment[name];
  if (direct !== undefined && direct !== '') return direct;
  const path = environment[`${name}_FILE`];
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw invalidArgument(flag, `${name}_FILE: ${describeError(error)}`);
  }
}

/** Few are started with a file, and the package takes a tenth of the processor time of a start. */
function readYaml(text: string): unknown {
  const { parse: parseYaml } = createRequire(import.meta.url)('yaml') as { parse: typeof parse };
  return parseYaml(text);
}

function readConfig(path: string | undefined, flags: Flags): Map<string, string> {
  const values = new Map<string, string>();
  if (path === undefined) return values;
  let parsed: unknown;
  try {
    parsed = readYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalidArgument('config', `--config ${path}: ${describeError(error)}`);
  }
  if (parsed === null) return values;
  if (typeof parsed !== 'object' || Array.isArray(parsed))
    throw invalidArgument('config', `--config ${path}: names and values are expected`);
  for (const [name, value] of Object.entries(parsed)) {
    if (!Object.hasOwn(flags, name)) {
      const near = nearest(name, Object.keys(flags));
      throw invalidArgument(
        'config',
        `--config ${path}: unknown name ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${near}?`}`,
      );
    }
    if (value !== null) values.set(name, textOf(value, `--config ${path}: ${name}`));
  }
  return values;
}

/** Lists and maps are written as on the command line: `a,b` and `id=address,…`. */
function textOf(value: unknown, where: string): string {
  const isPlain = (item: unknown) => ['string', 'number', 'boolean'].includes(typeof item);
  if (isPlain(value)) return String(value);
  if (Array.isArray(value) && value.every(isPlain)) return value.join(',');
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isPlain))
    return Object.entries(value)
      .map(([key, item]) => `${key}=${item}`)
      .join(',');
  throw invalidArgument('config', `${where}: a value, a list or a map of values is expected`);
}

export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.flags, ...COMMON }).map(
    ([name, { value, help, default: preset, required }]) => {
      const left = `  --${name}${value === undefined ? '' : ` ${value}`}`;
      const right = `${help}${preset === undefined ? '' : ` (default ${preset})`}${required === true ? ' (required)' : ''}`;
      return `${left.padEnd(30)} ${right}`;
    },
  );
  const usage = `vedette ${command.name}${command.words === undefined ? '' : ` ${command.words}`} [flags]`;
  return `${command.summary}\n\nUsage: ${usage}\n\n${rows.join('\n')}\n\nEvery flag may also be set as ${environmentName('name')}, or in the file of --config.\n`;
}
