// Ports that tests are given are theirs alone, whoever else asks at the same time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePortBase, holdPort } from '../support/ports.ts';

const test = suite('ports of tests');

test('who asks at the same time is given other ports, and what was given is given to nobody else', async () => {
  const bases = await Promise.all(Array.from({ length: 60 }, () => freePortBase(20)));
  const given = new Set(bases.flatMap((base) => Array.from({ length: 20 }, (_, at) => base + at + 1)));
  assert.is(given.size, 60 * 20);
});

test('a port that somebody listens on is not given', async () => {
  const base = await freePortBase(2);
  await holdPort(base + 1);
  const refused = await holdPort(base + 1).catch((error: NodeJS.ErrnoException) => error.code);
  assert.is(refused, 'EADDRINUSE');
});

test.run();
