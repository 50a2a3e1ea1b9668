// The role chart, event by event: in each situation of one member, everything that may happen, and what comes of it. The tables are in
// test/raft-chart; UPDATE=1 writes them anew, and what has changed is reviewed as a diff, line by line.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { raftMachine } from '../../src/machines/raft/raft-machine.ts';
import { situations } from '../support/raft-chart-situations.ts';
import { tableOf } from '../support/raft-chart-table.ts';

const directory = new URL('../raft-chart/', import.meta.url);

for (const situation of situations) {
  test(situation.what, () => {
    const path = fileURLToPath(new URL(`${situation.name}.txt`, directory));
    const now = tableOf(situation, situations);
    if (process.env['UPDATE'] === '1') writeFileSync(path, now);
    else assert.fixture(now, readFileSync(path, 'utf8'), `${situation.name}: another table; UPDATE=1 writes it down`);
  });
}

test('every state of the chart has a table, and every table a situation', () => {
  const files = readdirSync(directory).sort();
  assert.equal(files, situations.map(({ name }) => `${name}.txt`).sort());
  const text = files.map((file) => readFileSync(new URL(file, directory), 'utf8').split('\n')[1]).join('\n');
  for (const name of Object.keys(raftMachine.states)) assert.ok(name === 'opening' || text.includes(`# ${name}`), name);
});

test.run();
