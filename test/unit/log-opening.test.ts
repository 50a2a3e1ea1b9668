// The decision table of opening a log, all of it: what is listed here is what is decided, and nothing is left out.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { batchesAhead } from '../../src/core/log-format.ts';
import {
  type Behind,
  type Chain,
  decideBody,
  decideChain,
  decideHeader,
  decideLink,
  type Knowledge,
  linkOf,
  type Position,
} from '../../src/core/log-opening.ts';

const test = suite('log opening');
const POSITIONS: readonly Position[] = ['earlier', 'last'];
const BEHIND: readonly Behind[] = ['batch', 'none'];
const HEADERS = ['good', 'unwritten', 'damaged', 'foreign', 'newer'] as const;
const BODIES = ['whole', 'nothing', 'torn', 'damaged'] as const;
const KNOWLEDGE: readonly Knowledge[] = ['known', 'doubtful', 'lost'];
const CHAINS: readonly Chain[] = ['goesOn', 'breaks', 'restated'];

const lines = (text: string): readonly string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().replace(/ +/g, ' '));

test('headers', () => {
  const found = HEADERS.flatMap((header) =>
    POSITIONS.map((position) => `${header} ${position}: ${decideHeader(header, position)}`),
  );
  assert.equal(
    found,
    lines(`
      good      earlier: take
      good      last:    take
      unwritten earlier: takeDamaged
      unwritten last:    remove
      damaged   earlier: takeDamaged
      damaged   last:    takeDamaged
      foreign   earlier: refuseForeign
      foreign   last:    refuseForeign
      newer     earlier: refuseNewer
      newer     last:    refuseNewer`),
  );
});

test('bodies: only what an unfinished write can leave, and only at the very end, is cut off', () => {
  const found = BODIES.flatMap((body) =>
    BEHIND.flatMap((behind) =>
      POSITIONS.map((position) => `${body} ${behind} ${position}: ${decideBody(body, behind, position)}`),
    ),
  );
  assert.equal(
    found,
    lines(`
      whole   batch earlier: take
      whole   batch last:    take
      whole   none  earlier: take
      whole   none  last:    take
      nothing batch earlier: quarantine
      nothing batch last:    quarantine
      nothing none  earlier: end
      nothing none  last:    end
      torn    batch earlier: quarantine
      torn    batch last:    quarantine
      torn    none  earlier: quarantine
      torn    none  last:    cut
      damaged batch earlier: quarantine
      damaged batch last:    quarantine
      damaged none  earlier: quarantine
      damaged none  last:    quarantine`),
  );
});

test('links: by number and checksum, counted round 2^32', () => {
  const link = (number: number, previousCrc: number, last: { number: number; crc: number } | null) =>
    linkOf({ number, previousCrc }, last);
  assert.is(link(8, 5, { number: 7, crc: 5 }), 'next');
  assert.is(link(8, 6, { number: 7, crc: 5 }), 'foreign');
  assert.is(link(7, 5, { number: 7, crc: 5 }), 'foreign');
  assert.is(link(3, 5, { number: 7, crc: 5 }), 'foreign');
  assert.is(link(9, 5, { number: 7, crc: 5 }), 'gap');
  assert.is(link(9, 5, null), 'gap');
  assert.is(link(0, 5, { number: 0xffffffff, crc: 5 }), 'next');
  assert.is(link(3, 5, { number: 0xfffffffe, crc: 5 }), 'gap');
  assert.is(batchesAhead(0xffffffff, 1), -2);
  assert.equal((['next', 'gap', 'foreign'] as const).map(decideLink), ['goOn', 'doubtAll', 'refuse']);
});

test('chains: a doubt ends where a chain goes on, a loss only where the whole state is told', () => {
  const found = KNOWLEDGE.flatMap((knowledge) =>
    CHAINS.map((chain) => `${knowledge} ${chain}: ${decideChain(knowledge, chain)}`),
  );
  assert.equal(
    found,
    lines(`
      known    goesOn:   known
      known    breaks:   lost
      known    restated: known
      doubtful goesOn:   known
      doubtful breaks:   lost
      doubtful restated: known
      lost     goesOn:   lost
      lost     breaks:   lost
      lost     restated: known`),
  );
});

test.run();
