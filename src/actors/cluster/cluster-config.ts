// The configuration that the whole cluster shares: its keys, what each means, its bounds and its default. Every broker follows a change
// as soon as it has applied it; nothing is started again.
//
// A key is a number. What is agreed on are the keys that differ from their defaults; a key that this version does not know (a newer
// version's) is kept as it is, and not shown.
import { z } from 'zod';
import { invalidArgument } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { nearest } from '../../core/units.ts';

const whole = (low: number, high: number, preset: number, about: string) =>
  z.int().min(low).max(high).default(preset).describe(about);

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

const schema = z.strictObject({
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
});

export type ClusterConfig = Readonly<z.infer<typeof schema>>;
export const defaultConfig: ClusterConfig = schema.parse({});

export interface ConfigKey {
  readonly key: string;
  readonly about: string;
  readonly preset: number;
}
/** All keys, for people. */
export const configKeys: readonly ConfigKey[] = Object.entries(schema.shape).map(([key, shape]) => ({
  key,
  about: shape.description ?? '',
  preset: shape.parse(undefined),
}));

const isKey = (key: string): key is keyof ClusterConfig => Object.hasOwn(schema.shape, key);

/** What was agreed on, whole: with defaults for what is missing, and without what this version does not know or cannot take. */
export function configFrom(values: Readonly<Record<string, number>>): ClusterConfig {
  const known = Object.entries(values).filter(
    ([key, value]) => isKey(key) && schema.shape[key].safeParse(value).success,
  );
  return schema.parse(Object.fromEntries(known));
}

/**
 * What is to be agreed on, from what somebody wrote: the keys that differ from their defaults.
 * @throws VedetteError INVALID_ARGUMENT naming the field, and the nearest right key.
 */
export function checkConfig(written: unknown): Record<string, number> {
  if (typeof written !== 'object' || written === null || Array.isArray(written))
    throw invalidArgument('config', 'config is an object of keys and numbers');
  for (const key of Object.keys(written)) {
    if (isKey(key)) continue;
    const near = nearest(key, Object.keys(schema.shape));
    const hint = near === undefined ? `there are ${Object.keys(schema.shape).join(', ')}` : `did you mean ${near}?`;
    throw invalidArgument(`config.${key}`, `there is no key ${JSON.stringify(key)}; ${hint}`);
  }
  const parsed = schema.safeParse(written);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const key = String(issue?.path[0] ?? '');
    throw invalidArgument(`config.${key}`, `${key}: ${issue?.message ?? 'is wrong'}`);
  }
  const differing = Object.entries(parsed.data).filter(([key, value]) => isKey(key) && value !== defaultConfig[key]);
  return Object.fromEntries(differing);
}
