// Placement by hash: FNV-1a (Fowler, Noll, Vo) over the text's UTF-16 units, finished by MurmurHash3's mixer, since FNV alone leaves
// the low bits of similar names alike. Placement is for ever: these functions never change.

/** A well-mixed unsigned 32-bit number. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
