// The scripts of test/raft-scripts: steps of a Raft group, and the trace that they leave, reviewed as text. UPDATE=1 writes the traces
// anew: what has changed is then seen as a diff.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runScript, titleOf } from '../support/raft-script.ts';

const directory = new URL('../raft-scripts/', import.meta.url);
const files = readdirSync(directory)
  .filter((name) => name.endsWith('.txt'))
  .sort();

for (const file of files) {
  const path = fileURLToPath(new URL(file, directory));
  const text = readFileSync(path, 'utf8');
  test(`${file}: ${titleOf(text)}`, () => {
    const now = runScript(text);
    if (process.env['UPDATE'] === '1') writeFileSync(path, now);
    else assert.fixture(now, text, `${file} leaves another trace; UPDATE=1 writes it down`);
    assert.ok(titleOf(text) !== '', 'the first note says what the script is about');
  });
}

test.run();
