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

const PIECE_ENTRIES = 256;
const WORDS = 4;
const BYTES_BITS = 30;
const BYTES_MASK = 2 ** BYTES_BITS - 1;
const MISSING = 0xffffffff;

export class EntryPlaces {
  readonly #pieces: Uint32Array[] = [];
  readonly #held = new Map<number, Holding>();
  /** Dropped ones at the beginning of the first piece. */
  #dropped = 0;
  #count = 0;
  #serials = 0;

  get count(): number {
    return this.#count;
  }

  /** By segment, what is on disk and in the log. */
  get held(): ReadonlyMap<number, Readonly<Holding>> {
    return this.#held;
  }

  /** An entry that is not on disk yet. @returns its serial. */
  push(bytes: number, crc: number, kind: EntryKindNumber): number {
    this.#serials = (this.#serials + 1) >>> 0;
    this.#add(0, this.#serials, bytes, crc, kind);
    return this.#serials;
  }

  /** An entry that is; null: it is missing. */
  pushPlaced(given: EntryPlace | null): void {
    if (given === null) return this.#add(MISSING, 0, 0, 0, 0);
    const { segment, offset, bytes, crc, kind } = given;
    this.#add(segment, offset, bytes, crc, kind);
    this.#hold(segment, bytes);
  }

  /** Its write is durable; nothing happens when the entry was cut off meanwhile. */
  settle(at: number, serial: number, segment: number, offset: number): void {
    if (at < 0 || at >= this.#count) return;
    const piece = this.#pieceOf(at);
    const word = this.#wordOf(at);
    if (piece[word] !== 0 || piece[word + 1] !== serial) return;
    piece[word] = segment;
    piece[word + 1] = offset;
    this.#hold(segment, (piece[word + 2] ?? 0) & BYTES_MASK);
  }

  /** It is elsewhere now. */
  move(at: number, { segment, offset, bytes, crc, kind }: EntryPlace): void {
    this.#release(at);
    this.#write(at, segment, offset, bytes, crc, kind);
    this.#hold(segment, bytes);
  }

  isSettled(at: number): boolean {
    return this.segment(at) !== 0;
  }

  isMissing(at: number): boolean {
    return this.segment(at) === MISSING;
  }

  segment(at: number): number {
    return this.#pieceOf(at)[this.#wordOf(at)] ?? 0;
  }

  get(at: number): EntryPlace {
    const word = this.#wordOf(at);
    const [segment = 0, offset = 0, packed = 0, crc = 0] = this.#pieceOf(at).subarray(word, word + WORDS);
    const kind = (packed >>> BYTES_BITS) as EntryKindNumber;
    return { segment, offset, bytes: packed & BYTES_MASK, crc, kind };
  }

  cut(to: number): void {
    for (let at = to; at < this.#count; at++) this.#release(at);
    this.#count = to;
    this.#pieces.length = Math.ceil((this.#dropped + to) / PIECE_ENTRIES);
  }

  /** Without those before `from`: the others move to the front. */
  drop(from: number): void {
    assert(from <= this.#count, () => `${from} of ${this.#count} places`);
    for (let at = 0; at < from; at++) this.#release(at);
    this.#count -= from;
    const whole = Math.floor((this.#dropped + from) / PIECE_ENTRIES);
    this.#pieces.splice(0, whole);
    this.#dropped = this.#dropped + from - whole * PIECE_ENTRIES;
  }

  #pieceOf(at: number): Uint32Array {
    // Not by a function that says it: one would be made for each call.
    if (at < 0 || at >= this.#count) throw new AssertionError(`place ${at} of ${this.#count}`);
    return present(this.#pieces[Math.floor((this.#dropped + at) / PIECE_ENTRIES)], 'pieces hold all entries');
  }

  #wordOf(at: number): number {
    return ((this.#dropped + at) % PIECE_ENTRIES) * WORDS;
  }

  #add(segment: number, offset: number, bytes: number, crc: number, kind: EntryKindNumber): void {
    assert(bytes <= BYTES_MASK, 'a payload is below 1 GiB');
    if (this.#dropped + this.#count === this.#pieces.length * PIECE_ENTRIES)
      this.#pieces.push(new Uint32Array(PIECE_ENTRIES * WORDS));
    this.#count++;
    this.#write(this.#count - 1, segment, offset, bytes, crc, kind);
  }

  #write(at: number, segment: number, offset: number, bytes: number, crc: number, kind: EntryKindNumber): void {
    const piece = this.#pieceOf(at);
    const word = this.#wordOf(at);
    piece[word] = segment;
    piece[word + 1] = offset;
    piece[word + 2] = ((kind << BYTES_BITS) | bytes) >>> 0;
    piece[word + 3] = crc;
  }

  #hold(segment: number, bytes: number): void {
    const holding = this.#held.get(segment);
    if (holding === undefined) this.#held.set(segment, { entries: 1, bytes });
    else {
      holding.entries++;
      holding.bytes += bytes;
    }
  }

  #release(at: number): void {
    const segment = this.segment(at);
    const holding = this.#held.get(segment);
    if (holding === undefined) return;
    holding.entries--;
    const packed = this.#pieceOf(at)[this.#wordOf(at) + 2] ?? 0;
    holding.bytes -= packed & BYTES_MASK;
    if (holding.entries === 0) this.#held.delete(segment);
  }
}
