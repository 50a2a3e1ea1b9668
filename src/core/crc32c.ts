// CRC-32C (Castagnoli; RFC 3720, appendix B.4), slicing by eight (Kounavis and Berry, 2008). The reference beside the native one.

const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256: table k is for a byte that k more bytes follow. */
const TABLES = (() => {
  const tables = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let k = 1; k < 8; k++) {
      const before = tables[(k - 1) * 256 + byte] as number;
      tables[k * 256 + byte] = (before >>> 8) ^ (tables[before & 0xff] as number);
    }
  }
  return tables;
})();

/**
 * @param seed the checksum of what comes before, to go on from it. @param from the first of the bytes that count. @param to behind the
 * last. @returns an unsigned 32-bit number.
 */
export function crc32c(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  const table = TABLES;
  let crc = ~seed;
  let at = from;
  // Indexes are masked to the tables' size and bounded by the loop, so every look-up is a number.
  for (const end = to - 7; at < end; at += 8) {
    const low =
      crc ^
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24));
    crc =
      (table[0x700 + (low & 0xff)] as number) ^
      (table[0x600 + ((low >>> 8) & 0xff)] as number) ^
      (table[0x500 + ((low >>> 16) & 0xff)] as number) ^
      (table[0x400 + (low >>> 24)] as number) ^
      (table[0x300 + (bytes[at + 4] as number)] as number) ^
      (table[0x200 + (bytes[at + 5] as number)] as number) ^
      (table[0x100 + (bytes[at + 6] as number)] as number) ^
      (table[bytes[at + 7] as number] as number);
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (table[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
