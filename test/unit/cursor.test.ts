import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { test } from 'uvu';
import { crc32c } from '../../src/core/crc32c.ts';
import { type Cursor, decodeCursor, encodeCursor, NOT_BEGUN } from '../../src/core/cursor.ts';
import { VedetteError } from '../../src/core/errors.ts';
import type { ClusterId } from '../../src/core/ids.ts';

const CLUSTER = 'a-cluster' as ClusterId;
const OTHER = 'another-cluster' as ClusterId;

const index = fc.oneof(
  fc.constant(NOT_BEGUN),
  fc.nat(),
  fc.integer({ min: 0, max: 2 ** 53 - 2 }),
  fc.constantFrom(0, 126, 127, 128, 16383, 16384, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 2),
);
const cursors: fc.Arbitrary<Cursor> = fc.record(
  {
    control: fc.nat(),
    coveredMs: fc.integer({ min: 0, max: 2 ** 42 }),
    shards: fc.array(index, { minLength: 1, maxLength: 64 }),
  },
  { noNullPrototype: true },
);

/** Asserts the error's shape, and returns its text. */
function refusal(text: string, shards = 2): string {
  try {
    decodeCursor(text, CLUSTER, shards);
  } catch (error) {
    assert.ok(error instanceof VedetteError, String(error));
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.equal(error.field, 'cursor');
    return error.message;
  }
  throw new assert.AssertionError({ message: `${JSON.stringify(text)} was taken for a cursor` });
}

const SOME: Cursor = { control: 7, coveredMs: 1_700_000_000_000, shards: [300, NOT_BEGUN] };
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));
/** With a checksum that fits, as somebody would make who knows the format. */
function forged(body: readonly number[]): string {
  const crc = crc32c(Uint8Array.from(body));
  return Buffer.from([...body, crc & 255, (crc >>> 8) & 255, (crc >>> 16) & 255, crc >>> 24]).toString('base64url');
}

test('a cursor comes back as it was, whatever the indexes', () => {
  fc.assert(
    fc.property(cursors, (cursor) => {
      const text = encodeCursor(CLUSTER, cursor);
      assert.match(text, /^[A-Za-z0-9_-]+$/);
      assert.deepEqual(decodeCursor(text, CLUSTER, cursor.shards.length), cursor);
    }),
  );
});

test('33 numbers of a busy cluster take less than 200 characters', () => {
  const cursor = { control: 1000, coveredMs: 1_700_000_000_000, shards: Array.from({ length: 32 }, () => 1_000_000) };
  assert.ok(encodeCursor(CLUSTER, cursor).length < 200);
});

test('any one character changed, left out or added is noticed', () => {
  const text = encodeCursor(CLUSTER, SOME);
  for (let at = 0; at < text.length; at++) {
    for (const other of 'AZaz09-_') {
      if (other !== text[at]) refusal(text.slice(0, at) + other + text.slice(at + 1));
      refusal(text.slice(0, at) + other + text.slice(at));
    }
    refusal(text.slice(0, at) + text.slice(at + 1));
    refusal(text.slice(0, at));
  }
});

test('what is no cursor at all is malformed', () => {
  const longest = 'A'.repeat(100_000);
  for (const text of [
    'x',
    'AAAA',
    '====',
    'not a cursor',
    '\u{1F600}',
    '0',
    '{}',
    ' ',
    `${encodeCursor(CLUSTER, SOME)}=`,
    longest,
  ]) {
    assert.match(refusal(text), /malformed/);
  }
  fc.assert(fc.property(fc.string(), (text) => text === encodeCursor(CLUSTER, SOME) || refusal(text) !== ''));
});

test('another cluster, another number of shards, another version: each is said', () => {
  assert.match(refusal(encodeCursor(OTHER, SOME)), /another cluster/);
  assert.match(refusal(encodeCursor(CLUSTER, SOME), 3), /2 shards; this one has 3/);
  const later = [...bytesOf(encodeCursor(CLUSTER, SOME)).subarray(0, -4)];
  later[0] = 9;
  assert.match(refusal(forged(later)), /version 9/);
});

test('a forged cursor with a right checksum is still checked', () => {
  const body = [...bytesOf(encodeCursor(CLUSTER, SOME)).subarray(0, -4)];
  assert.equal(forged(body), encodeCursor(CLUSTER, SOME));
  assert.match(refusal(forged([...body, 0])), /malformed/, 'bytes left over');
  assert.match(refusal(forged(body.slice(0, -1))), /malformed/, 'too few indexes');
  assert.match(
    refusal(forged([...body.slice(0, 5), ...Array.from({ length: 12 }, () => 255)])),
    /malformed/,
    'endless varint',
  );
});

test.run();
