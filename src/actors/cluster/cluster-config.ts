// The configuration that the whole cluster shares: its keys, what each means, its bounds and its default. Every broker follows a change
// as soon as it has applied it; nothing is started again.
//
// A key is a number. What is agreed on are the keys that differ from their defaults; a key that this version does not know (a newer
// version's) is kept as it is, and not shown.
import { invalidArgument } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { nearest } from '../../core/units.ts';

interface Bounds {
  readonly low: number;
  readonly high: number;
  readonly preset: number;
  readonly about: string;
}

const whole = (low: number, high: number, preset: number, about: string): Bounds => ({ low, high, preset, about });

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const BOUNDS = {
  'agents.heartbeatMs': whole(
    SECOND,
    60 * SECOND,
    limits.ingest.heartbeatMs,
    'How often agents say that they live; a host is offline after three that are missing.',
  ),
  'frames.futureMaxMs': whole(
    0,
    24 * HOUR,
    limits.frames.futureMaxMs,
    "Rows further ahead of the broker's clock are rejected.",
  ),
  'frames.pastMaxMs': whole(
    60 * SECOND,
    366 * 24 * HOUR,
    limits.frames.pastMaxMs,
    'Rows older than this are rejected.',
  ),
  'subscriptions.perBrokerMax': whole(
    1,
    100_000,
    limits.subscriptions.perBrokerMax,
    'Subscriptions that a broker serves at once.',
  ),
  'subscriptions.backfillMaxMs': whole(
    0,
    24 * HOUR,
    limits.subscriptions.horizonMs,
    'How far back a subscription without a cursor may begin; before that a gap is told.',
  ),
  'memory.windowBytes': whole(
    0,
    2 ** 40,
    0,
    'Bytes of rows that each broker keeps in memory; 0: what its --memory says.',
  ),
};

type Key = keyof typeof BOUNDS;
export type ClusterConfig = Readonly<Record<Key, number>>;

const NAMES = Object.keys(BOUNDS) as Key[];
const valuesOf = (value: (key: Key) => number): ClusterConfig =>
  Object.fromEntries(NAMES.map((key) => [key, value(key)])) as Record<Key, number>;

export const defaultConfig: ClusterConfig = valuesOf((key) => BOUNDS[key].preset);

export interface ConfigKey {
  readonly key: string;
  readonly about: string;
  readonly preset: number;
}
/** All keys, for people. */
export const configKeys: readonly ConfigKey[] = NAMES.map((key) => ({ key, ...BOUNDS[key] }));

const isKey = (key: string): key is Key => Object.hasOwn(BOUNDS, key);

function isTaken(key: Key, value: unknown): value is number {
  const { low, high } = BOUNDS[key];
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
}

/** What was agreed on, whole: with defaults for what is missing, and without what this version does not know or cannot take. */
export function configFrom(values: Readonly<Record<string, number>>): ClusterConfig {
  return valuesOf((key) => (isTaken(key, values[key]) ? values[key] : BOUNDS[key].preset));
}

/**
 * What is to be agreed on, from what somebody wrote: the keys that differ from their defaults.
 * @throws VedetteError INVALID_ARGUMENT naming the field, and the nearest right key.
 */
export function checkConfig(written: unknown): Record<string, number> {
  if (typeof written !== 'object' || written === null || Array.isArray(written))
    throw invalidArgument('config', 'config is an object of keys and numbers');
  const differing: Record<string, number> = {};
  for (const [key, value] of Object.entries(written) as [string, unknown][]) {
    if (!isKey(key)) throw unknownKey(key);
    const { low, high, preset } = BOUNDS[key];
    if (!isTaken(key, value))
      throw invalidArgument(
        `config.${key}`,
        `${key}: a whole number from ${low} to ${high}, not ${JSON.stringify(value)}`,
      );
    if (value !== preset) differing[key] = value;
  }
  return differing;
}

function unknownKey(key: string) {
  const near = nearest(key, NAMES);
  const hint = near === undefined ? `there are ${NAMES.join(', ')}` : `did you mean ${near}?`;
  return invalidArgument(`config.${key}`, `there is no key ${JSON.stringify(key)}; ${hint}`);
}
