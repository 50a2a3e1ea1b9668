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
import { present } from '../../../src/core/assert.ts';

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
  const tried = new Search(relevant(operations));
  return tried.goOn() ? null : { key, ...tried.stuck() };
}

/** A class, so that V8 keeps what it has compiled from one history to the next: of closures that are gone it does not. */
class Search {
  /** By when they were asked for. */
  readonly #all: readonly Operation[];
  readonly #placed: Uint8Array;
  readonly #order: number[] = [];
  readonly #tried = new Set<string>();
  /** Reads that are not placed yet, by value. */
  readonly #wanted = new Map<number, number>();
  #value = 0;
  /** Everything before is placed. */
  #first = 0;
  #best: { readonly order: readonly number[]; readonly next: readonly number[] } = { order: [], next: [] };

  constructor(all: readonly Operation[]) {
    this.#all = all;
    this.#placed = new Uint8Array(all.length);
    for (const { type, value } of all) if (type === 'read') this.#want(value, 1);
  }

  /** False: what is left cannot be placed, whatever is tried. */
  goOn(): boolean {
    for (;;) {
      const next = this.#candidates();
      if (next.length === 0) return true;
      const forced = this.#forced(next);
      if (forced === undefined) return this.#choose(next);
      this.#place(forced);
    }
  }

  stuck(): { readonly order: readonly Operation[]; readonly stuck: readonly Operation[] } {
    const at = (places: readonly number[]) => places.map((place) => this.#at(place));
    return { order: at(this.#best.order), stuck: at(this.#best.next) };
  }

  #at(place: number): Operation {
    return present(this.#all[place], 'an operation');
  }

  #want(value: number, change: 1 | -1): void {
    this.#wanted.set(value, (this.#wanted.get(value) ?? 0) + change);
  }

  #isWanted(value: number): boolean {
    return (this.#wanted.get(value) ?? 0) > 0;
  }

  /** Those that may come next: asked for before any other one was answered that is not placed. */
  #candidates(): number[] {
    while (this.#placed[this.#first] === 1) this.#first++;
    const found: number[] = [];
    let answered = Number.POSITIVE_INFINITY;
    for (let at = this.#first; at < this.#all.length; at++) {
      const { call, end } = this.#at(at);
      if (call > answered) break;
      if (this.#placed[at] === 1) continue;
      found.push(at);
      answered = Math.min(answered, end);
    }
    // In the order of their calls: those asked for after an answer are the last.
    for (let last = found.at(-1); last !== undefined && this.#at(last).call > answered; last = found.at(-1))
      found.pop();
    return found;
  }

  /** Invariants 1 and 3. */
  #forced(next: readonly number[]): number | undefined {
    for (const at of next) {
      const { type, value } = this.#at(at);
      if (type === 'read' && value === this.#value) return at;
    }
    if (this.#isWanted(this.#value)) return undefined;
    for (const at of next) {
      const { type, value } = this.#at(at);
      if (type === 'write' && !this.#isWanted(value)) return at;
    }
    return undefined;
  }

  #choose(next: readonly number[]): boolean {
    const state = this.#state();
    if (this.#tried.has(state)) return false;
    this.#tried.add(state);
    const { length } = this.#order;
    const before = this.#value;
    if (!this.#isWanted(before))
      for (const at of next) {
        if (this.#at(at).type !== 'write') continue;
        this.#place(at);
        if (this.goOn()) return true;
        this.#undo(length, before);
      }
    if (length >= this.#best.order.length) this.#best = { order: [...this.#order], next };
    return false;
  }

  /** What is placed, and what is there now. Of what is placed nearly all lies before `#first`. */
  #state(): string {
    let state = `${this.#value} ${this.#first}`;
    for (let at = this.#first, left = this.#order.length - this.#first; left > 0; at++) {
      if (this.#placed[at] !== 1) continue;
      state += ` ${at}`;
      left--;
    }
    return state;
  }

  #place(at: number): void {
    const { type, value } = this.#at(at);
    this.#placed[at] = 1;
    this.#order.push(at);
    if (type === 'write') this.#value = value;
    else this.#want(value, -1);
  }

  /** Goes back to when so many were placed. */
  #undo(length: number, value: number): void {
    while (this.#order.length > length) {
      const at = this.#order.pop() ?? 0;
      this.#placed[at] = 0;
      this.#first = Math.min(this.#first, at);
      if (this.#at(at).type === 'read') this.#want(this.#at(at).value, 1);
    }
    this.#value = value;
  }
}

const said = ({ type, value }: Operation): string => `${type === 'write' ? 'w' : 'r'}${value}`;

/** As text: the end of the order, and what it was stuck at. */
export function describeContradiction({ key, order, stuck }: Contradiction): string {
  const ended = order.slice(-8).map(said).join(' ');
  return `key ${key}: after ${order.length > 8 ? '… ' : ''}${ended || 'nothing'} none of ${stuck.map(said).join(' ')} can come next`;
}
