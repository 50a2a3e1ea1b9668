// The row of a group's entries in memory, against a map.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEntry } from '../../src/actors/stores/log.ts';
import { createCachedEntries } from '../../src/actors/stores/log/cached-entries.ts';

const test = suite('cached entries');

const entryAt = (index: number): LogEntry => ({ index, term: 1, kind: 'data', payload: new Uint8Array(0) });

type Step = readonly ['push' | 'drop' | 'dropThrough' | 'cutAfter' | 'keep' | 'keepThrough', number];

const steps = fc.array(
  fc.tuple(
    fc.constantFrom('push', 'push', 'push', 'drop', 'dropThrough', 'cutAfter', 'keep', 'keepThrough'),
    fc.nat(40),
  ),
  { maxLength: 300 },
) as fc.Arbitrary<Step[]>;

test('it holds what a map would hold, whatever is pushed, dropped and cut', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const row = createCachedEntries();
      const map = new Map<number, LogEntry>();
      /** All that ever were, so that old ones are dropped that have a successor at their index. */
      const ever: LogEntry[] = [];
      let next = 1;
      for (const [step, number] of taken) {
        if (step === 'push') {
          // Now and then with a gap.
          const entry = entryAt(next + (number === 0 ? 3 : 0));
          next = entry.index + 1;
          ever.push(entry);
          row.push(entry);
          map.set(entry.index, entry);
        } else if (step === 'drop') {
          const entry = ever[Math.floor((number / 41) * ever.length)];
          if (entry === undefined) continue;
          row.drop(entry);
          if (map.get(entry.index) === entry) map.delete(entry.index);
        } else if (step === 'dropThrough') {
          const through = Math.max(0, next - 1 - number);
          row.dropThrough(through);
          for (const index of map.keys()) if (index <= through) map.delete(index);
        } else if (step === 'cutAfter') {
          const after = Math.max(0, next - 1 - number);
          row.cutAfter(after);
          for (const index of map.keys()) if (index > after) map.delete(index);
          next = after + 1;
        } else {
          // Through: the log ends there, and what comes next takes the place of those behind.
          const last = step === 'keepThrough' ? Math.max(0, next - 1 - number) : next - 1;
          const stays = (index: number) => index <= last && index % 5 !== number % 5;
          next = last + 1;
          row.keep(stays);
          for (const index of map.keys()) if (!stays(index)) map.delete(index);
        }
        for (let index = 0; index <= next + 1; index++) assert.is(row.get(index), map.get(index), `${step} ${number}`);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('old entries that leave at the front make room: the row does not grow with the log', () => {
  const row = createCachedEntries();
  const kept: LogEntry[] = [];
  for (let index = 1; index <= 10_000; index++) {
    const entry = entryAt(index);
    row.push(entry);
    kept.push(entry);
    const oldest = kept.length > 100 ? kept.shift() : undefined;
    if (oldest !== undefined) row.drop(oldest);
  }
  assert.is(row.get(9_900), undefined);
  assert.is(row.get(9_901)?.index, 9_901);
  assert.throws(() => row.push(entryAt(10_000)), /comes behind those that are cached/);
});

test.run();
