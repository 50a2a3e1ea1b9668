import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { kernels } from '../../src/actors/kernels.ts';
import { crc32c } from '../../src/core/crc32c.ts';

const test = suite('crc32c');

test('the vectors of RFC 3720, appendix B.4', () => {
  const vectors: [Uint8Array, number][] = [
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    [Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    [new TextEncoder().encode('123456789'), 0xe3069283],
    [new Uint8Array(0), 0],
  ];
  for (const [bytes, expected] of vectors) {
    assert.is(crc32c(bytes), expected);
    assert.is(kernels.crc32c(bytes), expected);
  }
});

test('the kernel in use agrees with the reference on any bytes, at any offset, going on from any seed', () => {
  process.stdout.write(`# ${kernels.native ? 'the native kernel' : 'TypeScript only: no addon was built'}\n`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), fc.nat(0xffffffff), (bytes, skip, seed) => {
      const part = bytes.subarray(Math.min(skip, bytes.length));
      assert.is(kernels.crc32c(part, seed), crc32c(part, seed));
      const half = part.length >> 1;
      assert.is(crc32c(part.subarray(half), crc32c(part.subarray(0, half), seed)), crc32c(part, seed));
    }),
  );
});

test('long bytes: the kernel in use takes them in other pieces than the reference', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, at) => (at * 2_654_435_761) >>> 24);
  for (const length of [1_343, 1_344, 4_031, 4_032, 4_033, 4_096, 8_063, 8_064, 8_071, 20_000]) {
    const part = bytes.subarray(20_000 - length);
    assert.is(kernels.crc32c(part, length), crc32c(part, length), `${length} bytes`);
  }
});

test.run();
