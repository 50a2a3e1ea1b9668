// The bytes of one run, which the next run uses again. If each took new ones, they would be garbage that V8 counts as memory beside its
// heap: for that alone it would collect everything every few runs, and lose with it what it has compiled.
//
// Nothing that a run has taken may be looked at once the next has begun.

const BLOCK_BYTES = 1024 * 1024;
/** What a run takes beyond these is its own. */
const BLOCKS_MAX = 64;

const blocks: Uint8Array[] = [];
/** The block that is given from, and how much of it is given away. */
let block = BLOCKS_MAX;
let used = 0;

/** Everything taken so far is free again. */
export function beginRun(): void {
  block = 0;
  used = 0;
}

/** @returns so many bytes, all of them zero. */
export function takeBytes(length: number): Uint8Array {
  if (used + length > BLOCK_BYTES && length <= BLOCK_BYTES) {
    block++;
    used = 0;
  }
  if (length > BLOCK_BYTES || block >= BLOCKS_MAX) return new Uint8Array(length);
  let from = blocks[block];
  if (from === undefined) {
    from = new Uint8Array(BLOCK_BYTES);
    blocks[block] = from;
  }
  const taken = from.subarray(used, used + length).fill(0);
  used += length;
  return taken;
}
