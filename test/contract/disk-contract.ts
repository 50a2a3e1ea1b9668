// What every file of a disk does, of the two ways to write to it that the stores rely on.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DiskFile, isNoSpace } from '../../src/actors/stores/disk.ts';

export interface DiskUnderTest {
  /** A new, empty file. */
  file(): DiskFile;
  /** One that takes no bytes for want of space, and one that cannot be synced. */
  full(): DiskFile;
  unsyncable(): DiskFile;
  until(what: string, condition: () => boolean): Promise<void> | void;
}

type Outcome = { readonly error: Error | null; readonly step: 'write' | 'sync' };

export function diskContract(name: string, setUp: () => DiskUnderTest) {
  const test = suite(`disk: ${name}`);

  async function written(disk: DiskUnderTest, file: DiskFile, chunks: Uint8Array[], at: number): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    file.writeDurably(chunks, at, (error, step) => outcomes.push({ error, step }));
    assert.is(outcomes.length, 0, 'not before the call has returned');
    await disk.until('an answer', () => outcomes.length > 0);
    const [first] = outcomes;
    if (first === undefined) throw new Error('no answer');
    return first;
  }

  test('all chunks are written where they belong, however many, and over what is there', async () => {
    const disk = setUp();
    const file = disk.file();
    const chunks = Array.from({ length: 2_500 }, (_, at) => new Uint8Array(at % 7).fill(at % 256));
    const all = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
    assert.is((await written(disk, file, chunks, 0)).error, null);
    assert.equal(file.readSync(0, 10_000), all);
    assert.is((await written(disk, file, [Uint8Array.of(1, 2, 3), Uint8Array.of(4)], 5)).error, null);
    assert.equal(file.readSync(4, 6), Uint8Array.of(all[4] ?? 0, 1, 2, 3, 4, all[9] ?? 0));
    assert.is(file.size(), all.length);
    file.close();
  });

  test('nothing to write is written, too', async () => {
    const disk = setUp();
    const file = disk.file();
    assert.is((await written(disk, file, [], 0)).error, null);
    assert.is((await written(disk, file, [new Uint8Array(0)], 0)).error, null);
    assert.is(file.size(), 0);
    file.close();
  });

  test('without space it is the write that fails, and says so', async () => {
    const disk = setUp();
    const file = disk.full();
    const { error, step } = await written(disk, file, [new Uint8Array(10_000)], 0);
    assert.ok(isNoSpace(error), String(error));
    assert.is(step, 'write');
    file.close();
  });

  test('what cannot be synced was written: it is the sync that fails', async () => {
    const disk = setUp();
    const file = disk.unsyncable();
    const { error, step } = await written(disk, file, [Uint8Array.of(1)], 0);
    assert.instance(error, Error);
    assert.not(isNoSpace(error));
    assert.is(step, 'sync');
    file.close();
  });

  return test;
}
