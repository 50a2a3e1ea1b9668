// Could what the clients saw have happened one after another? The search of Wing and Gong (1993), with Lowe's memory of what was tried
// (2017), for each key by itself: a history is linearizable when that of each key is (Herlihy and Wing 1990, locality).
//
//   a  |-w1-|                     an order that explains it:  w1  r1  w2  r2
//   b      |-r1-|   |-r2-|
//   c          |----w2-----|
//
// A key is a register: a write replaces its value, a read sees it. No two writes have one value, and that makes the search short:
//
// Invariants
//   1. A read whose value is there now is placed at once: that hinders nothing.
//   2. A value that is still to be read is not written over: it does not come back.
//   3. Otherwise a write whose value nobody reads any more goes first: that hinders nothing either. Only among writes that are still
//      to be read there is a choice.

export interface Operation {
  readonly key: number;
  readonly type: 'write' | 'read';
  /** Written, or seen; 0: nothing was there. */
  readonly value: number;
  /** When it was asked for and answered, in the order in which things happened. */
  readonly call: number;
  /** Infinity: nobody knows whether it happened, and it may yet. */
  readonly end: number;
}

/** What cannot be explained. */
export interface Contradiction {
  readonly key: number;
  /** As much as could be put into an order, … */
  readonly order: readonly Operation[];
  /** … and what then had to come next, one of these, but could not. */
  readonly stuck: readonly Operation[];
}

export function findContradiction(operations: readonly Operation[]): Contradiction | null {
  const byKey = new Map<number, Operation[]>();
  for (const operation of operations) {
    const same = byKey.get(operation.key);
    if (same === undefined) byKey.set(operation.key, [operation]);
    else same.push(operation);
  }
  for (const [key, same] of byKey) {
    const contradiction = search(key, same);
    if (contradiction !== null) return contradiction;
  }
  return null;
}

/** A write of unknown outcome that nobody has seen need not have happened. */
function relevant(operations: readonly Operation[]): Operation[] {
  const seen = new Set(operations.filter(({ type }) => type === 'read').map(({ value }) => value));
  return operations
    .filter(({ type, end, value }) => end !== Number.POSITIVE_INFINITY || (type === 'write' && seen.has(value)))
    .sort((a, b) => a.call - b.call);
}

function search(key: number, operations: readonly Operation[]): Contradiction | null {
  const all = relevant(operations);
  const placed: boolean[] = all.map(() => false);
  const order: number[] = [];
  const tried = new Set<string>();
  /** Reads that are not placed yet, by value. */
  const wanted = new Map<number, number>();
  for (const { type, value } of all) if (type === 'read') wanted.set(value, (wanted.get(value) ?? 0) + 1);
  let value = 0;
  /** Everything before is placed. */
  let first = 0;
  let best: { readonly order: readonly number[]; readonly stuck: readonly number[] } = { order: [], stuck: [] };

  /** Those that may come next: asked for before any other one was answered that is not placed. */
  function candidates(): number[] {
    while (placed[first] === true) first++;
    const found: number[] = [];
    let answered = Number.POSITIVE_INFINITY;
    for (let at = first; at < all.length; at++) {
      const operation = all[at];
      if (operation === undefined || operation.call > answered) break;
      if (placed[at] === true) continue;
      found.push(at);
      answered = Math.min(answered, operation.end);
    }
    return found.filter((at) => (all[at]?.call ?? 0) <= answered);
  }

  const place = (at: number, operation: Operation): void => {
    placed[at] = true;
    order.push(at);
    if (operation.type === 'write') value = operation.value;
    else wanted.set(operation.value, (wanted.get(operation.value) ?? 0) - 1);
  };

  const isWanted = (read: number): boolean => (wanted.get(read) ?? 0) > 0;

  /** Goes back to when so many were placed. */
  function undo(length: number, then: number): void {
    while (order.length > length) {
      const at = order.pop() ?? 0;
      const operation = all[at];
      placed[at] = false;
      first = Math.min(first, at);
      if (operation?.type === 'read') wanted.set(operation.value, (wanted.get(operation.value) ?? 0) + 1);
    }
    value = then;
  }

  function goOn(): boolean {
    for (;;) {
      const next = candidates();
      if (next.length === 0) return true;
      const read = next.find((at) => all[at]?.type === 'read' && all[at]?.value === value);
      const writes = isWanted(value) ? [] : next.filter((at) => all[at]?.type === 'write');
      const forced = read ?? writes.find((at) => !isWanted(all[at]?.value ?? 0));
      const operation = forced === undefined ? undefined : all[forced];
      if (forced === undefined || operation === undefined) return choose(writes, next);
      place(forced, operation);
    }
  }

  function choose(writes: readonly number[], next: readonly number[]): boolean {
    const state = `${value} ${order.toSorted((a, b) => a - b).join(' ')}`;
    if (tried.has(state)) return false;
    tried.add(state);
    if (order.length >= best.order.length) best = { order: [...order], stuck: next };
    const length = order.length;
    const before = value;
    for (const at of writes) {
      const operation = all[at];
      if (operation === undefined) continue;
      place(at, operation);
      if (goOn()) return true;
      undo(length, before);
    }
    return false;
  }

  if (goOn()) return null;
  const operationsAt = (places: readonly number[]) => places.flatMap((at) => all[at] ?? []);
  return { key, order: operationsAt(best.order), stuck: operationsAt(best.stuck) };
}

const said = ({ type, value }: Operation): string => `${type === 'write' ? 'w' : 'r'}${value}`;

/** As text: the end of the order, and what it was stuck at. */
export function describeContradiction({ key, order, stuck }: Contradiction): string {
  const ended = order.slice(-8).map(said).join(' ');
  return `key ${key}: after ${order.length > 8 ? '… ' : ''}${ended || 'nothing'} none of ${stuck.map(said).join(' ')} can come next`;
}
