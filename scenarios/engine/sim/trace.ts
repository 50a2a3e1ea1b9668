// What happened, as numbers: a running hash of everything (two runs with one hash did the same), and the last records as text.
//
//   time ms  member  group  event        about  numbers named by the event
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';

/** Each event and the names of its numbers. `about` names another member. */
const EVENTS = {
  start: ['life'],
  crash: ['life', 'writes lost'],
  wipe: [],
  pause: [],
  resume: [],
  cut: ['about'],
  heal: ['about'],
  disk: ['trouble'],
  mended: ['trouble'],
  spoiled: [],
  drift: ['ppm'],
  link: ['about', 'on'],
  closed: ['about'],
  pulse: ['about', 'seq', 'version', 'lines'],
  opened: ['about'],
  write: ['term', 'after', 'first', 'last'],
  synced: ['durable'],
  role: ['role', 'term', 'serving'],
  commit: ['index', 'term'],
  apply: ['first', 'last'],
  change: ['index', 'voters'],
  restore: ['index', 'position'],
  installSnapshot: ['about', 'term', 'index', 'indexTerm'],
  propose: ['proposal'],
  outcome: ['proposal', 'result', 'index'],
  read: ['read', 'floor'],
  answer: ['read', 'result', 'applied'],
  lost: ['about', 'message'],
  preVote: ['about', 'term', 'last', 'lastTerm'],
  preVoteReply: ['about', 'term', 'granted'],
  vote: ['about', 'term', 'last', 'lastTerm'],
  voteReply: ['about', 'term', 'granted'],
  append: ['about', 'term', 'prev', 'last', 'commit'],
  appendReply: ['about', 'term', 'rejected', 'index'],
  heartbeat: ['about', 'term', 'commit', 'round'],
  heartbeatReply: ['about', 'term', 'round'],
  phase: ['liveness'],
  jump: ['ms'],
  leap: ['ms'],
  stop: [],
} as const satisfies Record<string, readonly string[]>;

export type TraceEvent = keyof typeof EVENTS;

const NAMES = Object.keys(EVENTS) as TraceEvent[];
const CODES = new Map<TraceEvent, number>(NAMES.map((name, code) => [name, code]));
const FIELDS = 9;
const NONE = -1;

export interface Trace {
  /** @param member and group by their numbers; −1 for none. */
  note(
    event: TraceEvent,
    member: number,
    group: number,
    a?: number,
    b?: number,
    c?: number,
    d?: number,
    e?: number,
  ): void;
  /** Of everything noted so far. */
  hash(): string;
  count(): number;
  /** The last records, oldest first. */
  tail(lines: number): string[];
}

/** @param each is given every line as it happens. */
export function createTrace(clock: VirtualClock, kept = 512, each?: (line: string) => void): Trace {
  const ring = new Float64Array(kept * FIELDS);
  let count = 0;
  // FNV-1a over 32-bit words, in two lanes of different offsets.
  let low = 0x811c9dc5;
  let high = 0x9747b28c;

  function mix(word: number): void {
    low = Math.imul(low ^ word, 0x01000193);
    high = Math.imul(high ^ (word + 0x5bd1e995) ^ (high >>> 15), 0x85ebca6b);
  }

  function line(slot: number): string {
    const at = slot * FIELDS;
    const [time = 0, code = 0, member = NONE, group = NONE] = ring.subarray(at, at + 4);
    const event = NAMES[code] ?? 'phase';
    const numbers = EVENTS[event].map((name, n) => {
      const value = ring[at + 4 + n] ?? 0;
      return name === 'about'
        ? (value === NONE ? '' : `b${value + 1}`).padEnd(3)
        : `${name} ${value === NONE ? '-' : value}`;
    });
    const who = member === NONE ? '' : `b${member + 1}`;
    return `${time.toFixed(3).padStart(12)}  ${who.padEnd(3)} ${(group === NONE ? '' : `g${group}`).padEnd(3)} ${event.padEnd(15)} ${numbers.join('  ')}`;
  }

  return {
    note(event, member, group, a = NONE, b = NONE, c = NONE, d = NONE, e = NONE) {
      const time = clock.monotonic();
      const code = CODES.get(event) ?? 0;
      const slot = count % kept;
      const at = slot * FIELDS;
      ring[at] = time;
      ring[at + 1] = code;
      ring[at + 2] = member;
      ring[at + 3] = group;
      ring[at + 4] = a;
      ring[at + 5] = b;
      ring[at + 6] = c;
      ring[at + 7] = d;
      ring[at + 8] = e;
      const ticks = time * 1024;
      mix(ticks | 0);
      mix((ticks / 4294967296) | 0);
      mix((code << 16) ^ (member << 8) ^ group);
      mix(a | 0);
      mix(b | 0);
      mix(c | 0);
      mix(d | 0);
      mix(e | 0);
      count++;
      each?.(line(slot));
    },
    hash: () => (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0'),
    count: () => count,
    tail(lines) {
      const first = Math.max(0, count - Math.min(lines, kept));
      return Array.from({ length: count - first }, (_, n) => line((first + n) % kept));
    },
  };
}
