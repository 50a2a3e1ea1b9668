// What a chart can lack: each transition left out, each guard true, each action left out, one at a time.
//
// A mutant is a place in the chart's configuration. Only configurations are read and made here, never changed: charts share parts
// between states, and a mutant changes one state alone.

/** A chart's configuration, or a state's in it, as far as mutants are concerned. */
export interface StateConfig {
  readonly states?: Readonly<Record<string, StateConfig>>;
  readonly on?: Readonly<Record<string, Candidates>>;
  readonly after?: Readonly<Record<string, Candidates>>;
  readonly always?: Candidates;
  readonly onDone?: Candidates;
  readonly entry?: unknown;
  readonly exit?: unknown;
}

/** A target alone, or a transition; several are tried in order. */
type Candidates = Candidate | readonly Candidate[];
type Candidate =
  | string
  | { readonly guard?: unknown; readonly target?: unknown; readonly actions?: unknown }
  | undefined;

export interface Mutant {
  /** From the root. */
  readonly path: readonly string[];
  readonly slot: 'on' | 'after' | 'always' | 'onDone' | 'entry' | 'exit';
  /** The event, or the delay. */
  readonly key: string | null;
  /** Which of the candidates; of `entry` and `exit`, which of the actions. */
  readonly index: number;
  readonly change: 'leaveOut' | 'alwaysTrue' | { readonly leaveOutAction: number };
  /** For people. */
  readonly what: string;
}

const listOf = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? (value as readonly unknown[]) : [value];
const candidatesOf = (value: Candidates): readonly Candidate[] => listOf(value) as readonly Candidate[];
const without = <T>(values: readonly T[], index: number): T[] => values.filter((_, at) => at !== index);

function nameOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part === 'object' && part !== null && 'type' in part) return String(part.type);
  return 'inline';
}

/** Every mutant of a chart, from its head to its foot. */
export function mutantsOf(state: StateConfig, path: readonly string[] = []): Mutant[] {
  const found: Mutant[] = [];
  for (const slot of ['entry', 'exit'] as const)
    listOf(state[slot]).forEach((action, index) => {
      const what = `${slot} action ${nameOf(action)} left out`;
      found.push({ path, slot, key: null, index, change: 'leaveOut', what });
    });
  for (const slot of ['always', 'onDone'] as const) found.push(...ofCandidates(state[slot], { path, slot, key: null }));
  for (const slot of ['after', 'on'] as const)
    for (const [key, value] of Object.entries(state[slot] ?? {}))
      found.push(...ofCandidates(value, { path, slot, key }));
  for (const [name, inner] of Object.entries(state.states ?? {})) found.push(...mutantsOf(inner, [...path, name]));
  return found;
}

function ofCandidates(value: Candidates, place: Pick<Mutant, 'path' | 'slot' | 'key'>): Mutant[] {
  return candidatesOf(value).flatMap((candidate, index) => {
    const transition = typeof candidate === 'object' ? candidate : { target: candidate };
    const actions = listOf(transition.actions);
    const targets = listOf(transition.target).filter((target) => typeof target === 'string');
    const target = targets.length === 0 ? '' : ` to ${targets.join(', ')}`;
    const does = target === '' && actions.length > 0 ? ` that does ${actions.map(nameOf).join(', ')}` : target;
    const found: Mutant[] = [{ ...place, index, change: 'leaveOut', what: `transition${does} left out` }];
    if (transition.guard !== undefined)
      found.push({ ...place, index, change: 'alwaysTrue', what: `guard ${nameOf(transition.guard)} always true` });
    // All that a transition does is the transition.
    if (target === '' && actions.length === 1) return found;
    actions.forEach((action, at) => {
      found.push({ ...place, index, change: { leaveOutAction: at }, what: `action ${nameOf(action)} left out` });
    });
    return found;
  });
}

/** @throws RangeError when there is no such place. */
export function mutated<Config extends StateConfig>(config: Config, mutant: Mutant): Config {
  const { path, slot, key, index } = mutant;
  const [name, ...rest] = path;
  if (name !== undefined) {
    const inner = config.states?.[name];
    if (inner === undefined) throw new RangeError(`there is no state ${name}`);
    return { ...config, states: { ...config.states, [name]: mutated(inner, { ...mutant, path: rest }) } };
  }
  if (slot === 'entry' || slot === 'exit') {
    const actions = listOf(config[slot]);
    if (index >= actions.length) throw new RangeError(`there is no such ${slot} action`);
    return { ...config, [slot]: without(actions, index) };
  }
  if (slot === 'always' || slot === 'onDone') {
    const { [slot]: value, ...others } = config;
    return withCandidates(others, slot, changed(value, mutant)) as Config;
  }
  const { [key ?? '']: value, ...others } = config[slot] ?? {};
  return { ...config, [slot]: withCandidates(others, key ?? '', changed(value, mutant)) };
}

/** In its old place it would be, but the order of events means nothing. */
function withCandidates(others: object, key: string, candidates: readonly Candidate[]): object {
  return candidates.length === 0 ? others : { ...others, [key]: candidates };
}

function changed(value: Candidates, { index, change }: Mutant): readonly Candidate[] {
  const candidates = candidatesOf(value);
  const candidate = candidates[index];
  if (candidate === undefined) throw new RangeError('there is no such transition');
  if (change === 'leaveOut') return without(candidates, index);
  if (typeof candidate !== 'object') throw new RangeError('the transition is a target alone');
  return candidates.map((other, at) => (at === index ? changedCandidate(candidate, change) : other));
}

function changedCandidate(
  candidate: Exclude<Candidate, string | undefined>,
  change: 'alwaysTrue' | { readonly leaveOutAction: number },
): Candidate {
  if (change !== 'alwaysTrue')
    return { ...candidate, actions: without(listOf(candidate.actions), change.leaveOutAction) };
  const { guard: _, ...unguarded } = candidate;
  return unguarded;
}

/** An event that reached a state. */
export const heardBy = (path: readonly string[], event: string): string => `${path.join('.')} ${event}`;

/** Whether what the mutant changes can have mattered where only these events reached these states. */
export function canMatter({ slot, path, key }: Mutant, heard: ReadonlySet<string>): boolean {
  return slot !== 'on' || key === null || key.includes('*') || heard.has(heardBy(path, key));
}

/** `streaming.delivery.awaiting, on answered [2]: guard acknowledgesSome always true` */
export function describe({ path, slot, key, index, what }: Mutant): string {
  const state = path.length === 0 ? 'root' : path.join('.');
  const event = key === null ? slot : `${slot} ${key}`;
  return `${state}, ${event}${index === 0 ? '' : ` [${index + 1}]`}: ${what}`;
}
