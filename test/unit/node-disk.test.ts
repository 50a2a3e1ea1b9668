// The real disk: directories that last, files that are whole or not there, and a lock that goes with its process.
import { spawn } from 'node:child_process';
import fs, { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createNodeDisk } from '../../src/actors/stores/node-disk.ts';
import { tempDirectory } from '../support/temp.ts';

const test = suite('node disk');
const disk = createNodeDisk();
const LOCK = new URL('../../src/actors/stores/node-lock.ts', import.meta.url).pathname;

/** Runs `act`, and says which paths were opened and synced meanwhile. */
function syncedBy(act: () => void): string[] {
  const { openSync, fsyncSync } = fs;
  const paths = new Map<number, string>();
  const synced: string[] = [];
  fs.openSync = (path, ...rest) => {
    const descriptor = openSync(path, ...rest);
    paths.set(descriptor, String(path));
    return descriptor;
  };
  fs.fsyncSync = (descriptor) => {
    synced.push(paths.get(descriptor) ?? '?');
    fsyncSync(descriptor);
  };
  syncBuiltinESMExports();
  try {
    act();
  } finally {
    Object.assign(fs, { openSync, fsyncSync });
    syncBuiltinESMExports();
  }
  return synced;
}

test('a directory is made with its parents, and each new name is synced in the directory above it', () => {
  const root = tempDirectory('disk');
  const synced = syncedBy(() => disk.makeDirectory(join(root, 'a/b/c')));
  assert.equal(synced, [root, join(root, 'a'), join(root, 'a/b')]);
  assert.equal(
    syncedBy(() => disk.makeDirectory(join(root, 'a/b/c'))),
    [],
    'what is there is there',
  );
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => disk.makeDirectory(join(root, 'file/d')), /not a directory/);
});

test('a file is created with its content, or not at all', async () => {
  const root = tempDirectory('disk');
  const create = (path: string) =>
    new Promise<Error | null>((resolve) => {
      disk.create(path, new TextEncoder().encode('content'), (error, file) => {
        file?.close();
        resolve(error);
      });
    });
  assert.is(await create(join(root, 'new')), null);
  assert.is(readFileSync(join(root, 'new'), 'utf8'), 'content');
  assert.match(String(await create(join(root, 'new'))), /EEXIST/);
  assert.is(readFileSync(join(root, 'new'), 'utf8'), 'content', 'what was there is not touched');
  assert.match(String(await create(join(root, 'no/such/directory'))), /ENOENT/);
});

test('a lock is held once, names its holder, and is free again when released', () => {
  const path = join(tempDirectory('lock'), 'lock');
  const lock = disk.lock(path);
  assert.throws(() => disk.lock(path), new RegExp(`in use by process ${process.pid}`));
  lock.release();
  assert.not(existsSync(path));
  const again = disk.lock(path);
  lock.release();
  assert.ok(existsSync(path), 'who has released a lock does not release the next one');
  again.release();
});

test('a lock of a dead process, or of an earlier one with the number of a living one, is taken over', () => {
  const directory = tempDirectory('lock');
  const path = join(directory, 'lock');
  for (const left of [
    '999999999 gone/1\n',
    `${process.pid} another-boot/1\n`,
    `${process.ppid} another-boot/7\n`,
    'x',
  ]) {
    writeFileSync(path, left);
    disk.lock(path).release();
    assert.equal(readdirSync(directory), [], 'nothing is left behind');
  }
});

test('of many processes that find a dead one’s lock at once, exactly one gets it', async () => {
  const directory = tempDirectory('lock');
  const path = join(directory, 'lock');
  writeFileSync(path, '999999999 gone/1\n');
  const start = join(directory, 'go');
  const program = `
    import { existsSync } from 'node:fs';
    import { takeLock } from ${JSON.stringify(LOCK)};
    process.stdout.write('ready\\n');
    while (!existsSync(${JSON.stringify(start)}));
    try { takeLock(${JSON.stringify(path)}); process.stdout.write('held\\n'); }
    catch (error) { process.stdout.write('refused ' + error.message + '\\n'); }
    process.stdin.on('data', () => process.exit(0));
  `;
  const children = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program]);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    return {
      child,
      line: async (number: number): Promise<string> => {
        for (;;) {
          const found = said.split('\n')[number];
          if (found !== undefined && said.split('\n').length > number + 1) return found;
          if (child.exitCode !== null) throw new Error(`a child ended early: ${said}`);
          await new Promise((resolve) => child.stdout.once('data', resolve).once('end', resolve));
        }
      },
    };
  });
  try {
    await Promise.all(children.map(({ line }) => line(0)));
    writeFileSync(start, '');
    const outcomes = await Promise.all(children.map(({ line }) => line(1)));
    assert.is(outcomes.filter((outcome) => outcome === 'held').length, 1, outcomes.join('; '));
    for (const outcome of outcomes) assert.match(outcome, /^held$|in use by process|keep taking it/);
  } finally {
    for (const { child } of children) child.kill('SIGKILL');
  }
});

test.run();
