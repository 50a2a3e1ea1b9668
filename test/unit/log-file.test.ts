import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openLogFile } from '../../src/actors/transports/log-file.ts';
import { tempDirectory } from '../support/temp.ts';

const test = suite('log file');
const bytes = (text: string) => new TextEncoder().encode(text);
const read = (path: string) => readFileSync(path, 'utf8');

test('goes on where an earlier run ended', () => {
  const path = join(tempDirectory('log'), 'a.log');
  for (const text of ['one\n', 'two\n']) {
    const log = openLogFile(path, 100);
    log.write(bytes(text));
    log.close();
  }
  assert.is(read(path), 'one\ntwo\n');
});

test('two files at most, each within the limit; the newest is whole', () => {
  const path = join(tempDirectory('log'), 'a.log');
  const log = openLogFile(path, 100);
  for (let line = 100; line < 200; line++) log.write(bytes(`line ${line}\n`));
  log.close();
  assert.ok(statSync(path).size <= 100);
  assert.ok(statSync(`${path}.1`).size <= 100);
  assert.not(existsSync(`${path}.2`));
  const lines = (read(`${path}.1`) + read(path)).trimEnd().split('\n');
  assert.is(lines.at(-1), 'line 199');
  lines.forEach((line, at) => assert.is(line, `line ${200 - lines.length + at}`));
});

test('what is larger than the limit is written alone', () => {
  const path = join(tempDirectory('log'), 'a.log');
  const log = openLogFile(path, 10);
  log.write(bytes('short\n'));
  log.write(bytes('much longer than that\n'));
  log.close();
  assert.is(read(path), 'much longer than that\n');
  assert.is(read(`${path}.1`), 'short\n');
});

test('what the disk does not take is left out and counted', () => {
  const path = join(tempDirectory('log'), 'a.log');
  mkdirSync(path);
  const log = openLogFile(path, 100);
  log.write(bytes('12345'));
  log.write(bytes('678'));
  rmdirSync(path);
  log.write(bytes('after\n'));
  log.close();
  assert.is(read(path), '… 8 bytes could not be written …\nafter\n');
});

test.run();
