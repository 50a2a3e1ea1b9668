// Where the entries of one group lie on disk: 16 bytes each, in pieces, so that neither growth nor a cut copies what stays.
//
//   word 0   segment; 0: not on disk yet; MISSING: nobody knows (while a log is opened)
//   word 1   offset of the payload there; until it is there, the entry's serial
//   word 2   kind (2 bits), payload bytes (30 bits)
//   word 3   CRC-32C of the payload
//
// An entry may be cut off and another appended at its index while its write is under way: the serial tells them apart.
//
// Beside them, what each segment holds of the group: a segment of which no group holds anything can go.
import { assert, AssertionError, present } from '../../../core/assert.ts';
import type { EntryKindNumber } from '../../../core/log-records.ts';

export interface EntryPlace {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
  readonly kind: EntryKindNumber;
}

export interface Holding {
  entries: number;
  /** Of their payloads. */
  bytes: number;
}

export interface EntryPlaces {
  readonly count: number;
  /** By segment, what is on disk and in the log. */
  readonly held: ReadonlyMap<number, Readonly<Holding>>;
  /** An entry that is not on disk yet. @returns its serial. */
  push(bytes: number, crc: number, kind: EntryKindNumber): number;
  /** An entry that is; null: it is missing. */
  pushPlaced(place: EntryPlace | null): void;
  /** Its write is durable; nothing happens when the entry was cut off meanwhile. */
  settle(at: number, serial: number, segment: number, offset: number): void;
  /** It is elsewhere now. */
  move(at: number, place: EntryPlace): void;
  isSettled(at: number): boolean;
  isMissing(at: number): boolean;
  segment(at: number): number;
  get(at: number): EntryPlace;
  cut(count: number): void;
  /** Without the first `count`: the others move to the front. */
  drop(count: number): void;
}

const PIECE_ENTRIES = 256;
const WORDS = 4;
const BYTES_BITS = 30;
const BYTES_MASK = 2 ** BYTES_BITS - 1;
const MISSING = 0xffffffff;

export function createEntryPlaces(): EntryPlaces {
  const pieces: Uint32Array[] = [];
  const held = new Map<number, Holding>();
  /** Dropped ones at the beginning of the first piece. */
  let dropped = 0;
  let count = 0;
  let serials = 0;

  function pieceOf(at: number): Uint32Array {
    // Not by a function that says it: one would be made for each call.
    if (at < 0 || at >= count) throw new AssertionError(`place ${at} of ${count}`);
    return present(pieces[Math.floor((dropped + at) / PIECE_ENTRIES)], 'pieces hold all entries');
  }

  const wordOf = (at: number): number => ((dropped + at) % PIECE_ENTRIES) * WORDS;
  const wordAt = (at: number, word: number): number => pieceOf(at)[wordOf(at) + word] ?? 0;

  function add(segment: number, offset: number, bytes: number, crc: number, kind: EntryKindNumber): void {
    assert(bytes <= BYTES_MASK, 'a payload is below 1 GiB');
    if (dropped + count === pieces.length * PIECE_ENTRIES) pieces.push(new Uint32Array(PIECE_ENTRIES * WORDS));
    count++;
    const piece = pieceOf(count - 1);
    const word = wordOf(count - 1);
    piece[word] = segment;
    piece[word + 1] = offset;
    piece[word + 2] = ((kind << BYTES_BITS) | bytes) >>> 0;
    piece[word + 3] = crc;
  }

  function hold(segment: number, bytes: number): void {
    const holding = held.get(segment);
    if (holding === undefined) held.set(segment, { entries: 1, bytes });
    else {
      holding.entries++;
      holding.bytes += bytes;
    }
  }

  function release(at: number): void {
    const segment = wordAt(at, 0);
    const holding = held.get(segment);
    if (holding === undefined) return;
    holding.entries--;
    holding.bytes -= wordAt(at, 2) & BYTES_MASK;
    if (holding.entries === 0) held.delete(segment);
  }

  function place(at: number, segment: number, offset: number): void {
    const piece = pieceOf(at);
    const word = wordOf(at);
    piece[word] = segment;
    piece[word + 1] = offset;
    hold(segment, wordAt(at, 2) & BYTES_MASK);
  }

  return {
    held,
    get count() {
      return count;
    },
    push(bytes, crc, kind) {
      serials = (serials + 1) >>> 0;
      add(0, serials, bytes, crc, kind);
      return serials;
    },
    pushPlaced(given) {
      if (given === null) return add(MISSING, 0, 0, 0, 0);
      const { segment, offset, bytes, crc, kind } = given;
      add(segment, offset, bytes, crc, kind);
      hold(segment, bytes);
    },
    settle(at, serial, segment, offset) {
      if (at < 0 || at >= count) return;
      if (wordAt(at, 0) === 0 && wordAt(at, 1) === serial) place(at, segment, offset);
    },
    move(at, { segment, offset, bytes, crc, kind }) {
      release(at);
      const piece = pieceOf(at);
      const word = wordOf(at);
      piece[word + 2] = ((kind << BYTES_BITS) | bytes) >>> 0;
      piece[word + 3] = crc;
      place(at, segment, offset);
    },
    isSettled: (at) => wordAt(at, 0) !== 0,
    isMissing: (at) => wordAt(at, 0) === MISSING,
    segment: (at) => wordAt(at, 0),
    get(at) {
      const piece = pieceOf(at);
      const word = wordOf(at);
      const [segment = 0, offset = 0, packed = 0, crc = 0] = piece.subarray(word, word + WORDS);
      const kind = (packed >>> BYTES_BITS) as EntryKindNumber;
      return { segment, offset, bytes: packed & BYTES_MASK, crc, kind };
    },
    cut(to) {
      for (let at = to; at < count; at++) release(at);
      count = to;
      pieces.length = Math.ceil((dropped + count) / PIECE_ENTRIES);
    },
    drop(from) {
      assert(from <= count, () => `${from} of ${count} places`);
      for (let at = 0; at < from; at++) release(at);
      count -= from;
      const whole = Math.floor((dropped + from) / PIECE_ENTRIES);
      pieces.splice(0, whole);
      dropped = dropped + from - whole * PIECE_ENTRIES;
    },
  };
}
