// A schedule's shape in a file.
import {
  oneOrMore,
  duration,
  type Codec,
  chance,
  field,
  FieldError,
  flag,
  list,
  number,
  oneOf,
  orNull,
  record,
  signedDuration,
  text,
  whole,
} from '../fields.ts';
import {
  type Affliction,
  afflictions,
  awaitKinds,
  diskFiles,
  type Ending,
  type Fault,
  groupName,
  type LinkTarget,
  memberName,
  plainLink,
  type Step,
  type Target,
  targetText,
} from './schedule.ts';

const OTHERS = ['follower', 'outsider', 'random', 'minority', 'majority'] as const;

function parseMember(given: string): number | undefined {
  const number = Number(/^broker-([1-9]\d?)$/.exec(given)?.[1]);
  return Number.isInteger(number) ? number - 1 : undefined;
}

function parseTarget(given: string): Target | undefined {
  const member = parseMember(given);
  if (member !== undefined) return { type: 'member', member };
  if (given === 'leader') return { type: 'leader', group: 0 };
  const shard = /^shard:(\d{1,4})\/leader$/.exec(given)?.[1];
  if (shard !== undefined) return { type: 'leader', group: Number(shard) + 1 };
  const type = OTHERS.find((word) => word === given);
  return type === undefined ? undefined : { type };
}

function parseGroup(given: string): number | undefined {
  const shard = /^shard-(\d{1,4})$/.exec(given)?.[1];
  return given === 'control' ? 0 : shard === undefined ? undefined : Number(shard) + 1;
}

function parseLink(given: string): LinkTarget | undefined {
  const [, a = '', arrow, b = ''] = /^(\S+?)(<?->)(\S+)$/.exec(given.replaceAll(' ', '')) ?? [];
  const from = parseMember(a);
  const to = parseMember(b);
  return from === undefined || to === undefined || from === to ? undefined : { from, to, both: arrow === '<->' };
}

const member = text('broker: write broker-1', parseMember, memberName);
const target = text('target', parseTarget, targetText, ['broker-1', 'leader', 'shard:0/leader', ...OTHERS]);
const link = text(
  'link: write broker-1->broker-2, or broker-1<->broker-2',
  parseLink,
  ({ from, to, both }) => `${memberName(from)}${both ? '<->' : '->'}${memberName(to)}`,
);

type Of<K extends Fault['fault']> = Extract<Step, { readonly fault: K }>;

const at = field('at', duration);
const forMs = field('for', duration);
const targets = field('target', oneOrMore(target));
const groupText = text('group', parseGroup, groupName, ['control', 'shard-0']);
const direction = field('direction', oneOf('direction', ['both', 'in', 'out'] as const), 'both');

/** What may be said of each fault besides its name. */
const shapes: { readonly [K in Fault['fault']]: Codec<Omit<Of<K>, 'fault'>> } = {
  crash: record<Omit<Of<'crash'>, 'fault'>>({
    atMs: at,
    targets,
    moment: field('moment', oneOf('moment', ['now', 'write', 'synced'] as const), 'now'),
    forMs,
  }),
  'crash-at': record<Omit<Of<'crash-at'>, 'fault'>>({
    atMs: at,
    targets,
    of: field('await', oneOf('await', ['any', ...awaitKinds] as const), 'any'),
    nth: field('nth', whole(1, 1e6), 1),
    times: field('times', whole(1, 100), 1),
    restart: field('restart', flag, false),
    forMs,
  }),
  stop: record<Omit<Of<'stop'>, 'fault'>>({ atMs: at, targets, forMs }),
  pause: record<Omit<Of<'pause'>, 'fault'>>({ atMs: at, targets, forMs }),
  partition: record<Omit<Of<'partition'>, 'fault'>>({
    atMs: at,
    groups: field('groups', list(list(member))),
    direction,
    forMs,
  }),
  isolate: record<Omit<Of<'isolate'>, 'fault'>>({ atMs: at, targets, direction, forMs }),
  network: record<Omit<Of<'network'>, 'fault'>>({
    atMs: at,
    link: field('target', link),
    loss: field('loss', chance, plainLink.loss),
    duplicate: field('duplicate', chance, plainLink.duplicate),
    reorder: field('reorder', chance, plainLink.reorder),
    delayMs: field('delay', duration, plainLink.delayMs),
    jitterMs: field('jitter', duration, plainLink.jitterMs),
    bandwidth: field('bandwidth', number(0, 1e12), plainLink.bandwidth),
    hold: field('hold', flag, plainLink.hold),
    reset: field('reset', flag, false),
    forMs: field('for', duration, 0),
  }),
  wipe: record<Omit<Of<'wipe'>, 'fault'>>({ atMs: at, targets, forMs }),
  membership: record<Omit<Of<'membership'>, 'fault'>>({
    atMs: at,
    kind: field('kind', oneOf('kind', ['add', 'remove', 'set', 'transfer'] as const)),
    group: field('group', groupText, 0),
    targets,
    forMs: field('for', duration, 0),
  }),
  disk: record<Omit<Of<'disk'>, 'fault'>>({
    atMs: at,
    targets,
    kind: field('kind', oneOf('kind', ['slow', 'hang', 'full', 'fsync-error', 'torn-write', 'corrupt'] as const)),
    files: field('files', oneOf('files', diskFiles), 'log'),
    group: field('group', orNull(groupText), null as number | null),
    factor: field('factor', number(1, 1e6), 10),
    forMs,
  }),
  clock: record<Omit<Of<'clock'>, 'fault'>>({
    atMs: at,
    targets,
    driftPpm: field('drift-ppm', number(-500_000, 500_000), 0),
    skewMs: field('skew', signedDuration, 0),
    jumpMs: field('jump', signedDuration, 0),
    leapMs: field('leap', duration, 0),
    forMs: field('for', duration, 0),
  }),
};

const kind = oneOf('fault', Object.keys(shapes) as Fault['fault'][]);

export const step: Codec<Step> = {
  read(value, path) {
    if (typeof value !== 'object' || value === null || !('fault' in value))
      throw new FieldError([...path, 'fault'], 'is missing');
    const { fault, ...rest } = value;
    const name = kind.read(fault, [...path, 'fault']);
    return { fault: name, ...shapes[name].read(rest, path) } as Step;
  },
  write(value) {
    const shape: Codec<Omit<Step, 'fault'>> = shapes[value.fault];
    const { at: moment, ...rest } = shape.write(value) as Record<string, unknown>;
    return { at: moment, fault: value.fault, ...rest };
  },
};

const affliction = oneOf<Affliction>('state', afflictions);

export const ending: Codec<Ending> = record<Ending>({
  core: field('core', list(member)),
  others: field('others', list(affliction)),
});
