// Where the entries of one group lie on disk: 16 bytes each, in pieces, so that neither growth nor a cut copies what stays.
//
//   word 0   segment; 0: not on disk yet
//   word 1   offset of the payload there; until it is there, the entry's serial
//   word 2   kind (2 bits), payload bytes (30 bits)
//   word 3   CRC-32C of the payload
//
// An entry may be cut off and another appended at its index while its write is under way: the serial tells them apart.
import { assert, present } from '../../../core/assert.ts';
import type { EntryKindNumber } from '../../../core/log-format.ts';

export interface EntryPlace {
  readonly segment: number;
  readonly offset: number;
  readonly bytes: number;
  readonly crc: number;
  readonly kind: EntryKindNumber;
}

export interface EntryPlaces {
  readonly count: number;
  /** An entry that is not on disk yet. @returns its serial. */
  push(bytes: number, crc: number, kind: EntryKindNumber): number;
  /** An entry that is. */
  pushPlaced(place: EntryPlace): void;
  /** Its write is durable; nothing happens when the entry was cut off meanwhile. */
  settle(at: number, serial: number, segment: number, offset: number): void;
  isSettled(at: number): boolean;
  get(at: number): EntryPlace;
  cut(count: number): void;
  /** Without the first `count`: the others move to the front. */
  drop(count: number): void;
}

const PIECE_ENTRIES = 256;
const WORDS = 4;
const BYTES_BITS = 30;

export function createEntryPlaces(): EntryPlaces {
  const pieces: Uint32Array[] = [];
  /** Dropped ones at the beginning of the first piece. */
  let dropped = 0;
  let count = 0;
  let serials = 0;

  function pieceOf(at: number): Uint32Array {
    assert(at >= 0 && at < count, `place ${at} of ${count}`);
    return present(pieces[Math.floor((dropped + at) / PIECE_ENTRIES)], 'pieces hold all entries');
  }

  const wordOf = (at: number): number => ((dropped + at) % PIECE_ENTRIES) * WORDS;

  function add(segment: number, offset: number, bytes: number, crc: number, kind: EntryKindNumber): void {
    assert(bytes < 2 ** BYTES_BITS, 'a payload is below 1 GiB');
    if (dropped + count === pieces.length * PIECE_ENTRIES) pieces.push(new Uint32Array(PIECE_ENTRIES * WORDS));
    count++;
    const piece = pieceOf(count - 1);
    const word = wordOf(count - 1);
    piece[word] = segment;
    piece[word + 1] = offset;
    piece[word + 2] = ((kind << BYTES_BITS) | bytes) >>> 0;
    piece[word + 3] = crc;
  }

  return {
    get count() {
      return count;
    },
    push(bytes, crc, kind) {
      serials = (serials + 1) >>> 0;
      add(0, serials, bytes, crc, kind);
      return serials;
    },
    pushPlaced: ({ segment, offset, bytes, crc, kind }) => add(segment, offset, bytes, crc, kind),
    settle(at, serial, segment, offset) {
      if (at < 0 || at >= count) return;
      const piece = pieceOf(at);
      const word = wordOf(at);
      if (piece[word] !== 0 || piece[word + 1] !== serial) return;
      piece[word] = segment;
      piece[word + 1] = offset;
    },
    isSettled: (at) => pieceOf(at)[wordOf(at)] !== 0,
    get(at) {
      const piece = pieceOf(at);
      const word = wordOf(at);
      const [segment = 0, offset = 0, packed = 0, crc = 0] = piece.subarray(word, word + WORDS);
      const kind = (packed >>> BYTES_BITS) as EntryKindNumber;
      return { segment, offset, bytes: packed & (2 ** BYTES_BITS - 1), crc, kind };
    },
    cut(to) {
      count = to;
      pieces.length = Math.ceil((dropped + count) / PIECE_ENTRIES);
    },
    drop(from) {
      assert(from <= count, `${from} of ${count} places`);
      count -= from;
      const whole = Math.floor((dropped + from) / PIECE_ENTRIES);
      pieces.splice(0, whole);
      dropped = dropped + from - whole * PIECE_ENTRIES;
    },
  };
}
