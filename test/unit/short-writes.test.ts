// A system that takes a few bytes at a time, and is interrupted in between: the real disk writes all of it nevertheless. Such a system
// is made by a library that stands before the C library's calls.
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nativeWriteDurably } from '../../src/actors/kernels.ts';
import { tempDirectory } from '../support/temp.ts';

const test = suite('short writes');
const DISK = new URL('../../src/actors/stores/node-disk.ts', import.meta.url).pathname;
const LIBRARY = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static _Thread_local int calls;

static ssize_t few(int file, const void *bytes, size_t length, off64_t at) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (next == NULL) next = dlsym(RTLD_NEXT, "pwrite64");
  size_t most = strtoul(getenv("MOST"), NULL, 10);
  if (++calls % 3 == 0) { errno = EINTR; return -1; }
  return most == 0 ? 0 : next(file, bytes, length < most ? length : most, at);
}
ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) { return few(file, bytes, length, at); }
ssize_t pwritev64(int file, const struct iovec *chunks, int count, off64_t at) {
  for (; count > 1 && chunks->iov_len == 0; chunks++) count--;
  /* Two chunks at once, so that a call ends within the second. */
  char both[4096];
  size_t first = chunks->iov_len;
  if (count == 1 || first + chunks[1].iov_len > sizeof both) return few(file, chunks->iov_base, first, at);
  memcpy(both, chunks->iov_base, first);
  memcpy(both + first, chunks[1].iov_base, chunks[1].iov_len);
  return few(file, both, first + chunks[1].iov_len, at);
}
`;

function compiled(): string | null {
  const directory = tempDirectory('short');
  const [source, library] = [join(directory, 'few.c'), join(directory, 'few.so')];
  writeFileSync(source, LIBRARY);
  if (spawnSync('cc', ['--version']).status !== 0) return null;
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl']);
  return library;
}

/** Writes chunks of a few sizes at byte 3, and says what it was told, and what is there. */
const program = (way: string) => `
  import { createNodeDisk } from ${JSON.stringify(DISK)};
  const file = createNodeDisk(${way}).open(process.env['FILE'], 'create');
  const chunks = Array.from({ length: 200 }, (_, at) => new Uint8Array(at % 11).fill(1 + at));
  file.writeDurably(chunks, 3, (error, step) => {
    const there = file.readSync(3, 10_000);
    const whole = Buffer.concat(chunks).equals(there) && file.size() === 3 + there.length;
    console.log(JSON.stringify({ error: error?.message ?? null, step, whole, bytes: file.size() }));
  });
`;

const library = compiled();
if (library === null) process.stdout.write('# no C compiler: the system takes all that it is given\n');
const ways = { 'node:fs': 'null', ...(nativeWriteDurably === null ? {} : { 'one task': 'undefined' }) };

for (const [name, way] of Object.entries(ways)) {
  const run = (most: number): unknown => {
    const few = library === null ? {} : { LD_PRELOAD: library, MOST: `${most}` };
    const env = { ...process.env, ...few, FILE: join(tempDirectory('short'), 'file') };
    const args = ['--import', 'tsx', '--input-type=module', '-e', program(way)];
    return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }));
  };

  test(`${name}: seven bytes at a time are all bytes in the end`, () => {
    assert.equal(run(7), { error: null, step: 'sync', whole: true, bytes: 3 + 991 });
  });

  if (library === null) continue;
  test(`${name}: a system that takes nothing is not asked for ever, and nothing is synced`, () => {
    const error = 'the system took no bytes, and gave no reason';
    assert.equal(run(0), { error, step: 'write', whole: false, bytes: 0 });
  });
}

test.run();
